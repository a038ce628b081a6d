"""A tier's real configuration, as the image would have it: sendmail.cf out of the .mc files, maps out of the templates.

Only what a machine without the image's accounts and paths cannot have is left out or put elsewhere.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, RawRow
from reconfigure.generations.maps import Makemap
from reconfigure.rendering import Renderer, View
from reconfigure.tiers import load_manifest

ROOT = Path(__file__).parents[2]
MACROS = [Path("/usr/share/sendmail/cf"), ROOT / ".dev/debian/usr/share/sendmail/cf"]
# Of one's own: sendmail sleeps a minute on a host name without a domain, and hosts of tests often have none.
HOST = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--uts"]
NAMED = [*HOST, "sh", "-c", 'hostname tier.control.example && exec "$@"', "sh"]
# The machine need not have the image's accounts, and a folder for tests lies where others may write.
UNSAFE = "O DontBlameSendmail=MapInUnsafeDirPath,LinkedMapInWritableDir,GroupReadableKeyFile"
OF_THE_IMAGE = re.compile(r"^O (RunAsUser|TrustedUser|DontBlameSendmail)=.*$", re.MULTILINE)
PAUSE, NO_PAUSE = "\nKpause program /bin/sleep\n", "\nKpause program /bin/true\n"
SETTINGS: dict[str, object] = {
    "cert_domain": "control.example",
    "imap_internal_host": "imap.control.example",
    "secrets_dir": "/run/reconfigure/secrets",
    "homes_dir": "/home",
    "message_bytes": 1_000_000,
    "recipients_limit": 100,
    "connections_limit": 50,
    "connection_rate": 60,
    "connections_per_client": 20,
    "verify_headers": False,
    "delivery_prefixes": (),
    "tls_fingerprint": "",
}

USERS = [CognitoUser(name, True, True, str(2001 + at)) for at, name in enumerate(("alice", "bob", "carol"))]
USERS.append(CognitoUser("grace", True, False, "2008"))


def row(address: str, users: str, *, suspended: bool = False) -> RawRow:
    made: dict[str, dict[str, object]] = {"address": {"S": address}, "user": {"S": users}}
    return made | ({"suspended": {"BOOL": True}} if suspended else {})


ROWS = [
    row("shop@acme.example.com", "alice"),
    row("o'neil.99_x=y&z~w-v@acme.example.com", "bob"),
    row("team@acme.example.com", "alice/bob"),
    row("half@acme.example.com", "carol/grace"),
    row("sold@acme.example.com", "alice", suspended=True),
    row("gone@acme.example.com", "grace"),
    row("bob@example.net", "bob"),
    row("postmaster@control.example", "carol"),
]


@dataclass(frozen=True)
class Configured:
    """A folder with a tier's sendmail.cf and maps."""

    folder: Path

    @property
    def maps(self) -> Path:
        return self.folder / "current/mail"

    def said(self, *commands: str) -> str:
        """Return everything that address test mode says."""
        ended = subprocess.run(
            [*NAMED, "sendmail", "-bt", "-C", str(self.folder / "sendmail.cf")],
            input="".join(f"{command}\n" for command in commands),
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
        )
        assert ended.stdout.startswith("ADDRESS TEST MODE"), ended.stdout + ended.stderr
        return ended.stdout

    def answers(self, ruleset: str, addresses: Iterable[str], *, kind: str = "e r") -> list[str]:
        """Return what a ruleset makes of each address, written as sendmail would hand it on."""
        asked = list(addresses)
        last = ruleset.rpartition(",")[2].replace("0", "parse")
        said = self.said(f".D{{addr_type}}{kind}", *(f"{ruleset} {address}" for address in asked))
        found = re.findall(rf"^{last} +returns: (.*)$", said, re.MULTILINE)
        assert len(found) == len(asked), said
        return [_joined(each) for each in found]


def _joined(tokens: str) -> str:
    """Return tokens as an address or an answer; quotes around an error's text say nothing."""
    error = re.fullmatch(r'\$# error \$@ ([\d .]+) \$: "?(\d{3}) (.*?)"?', tokens)
    if error:
        return f"{error.group(2)} {error.group(1).replace(' ', '')}"
    mailer = re.fullmatch(r"\$# (\w+)(?: \$@ (.*?))? \$: (.*)", tokens)
    if mailer:
        host = (mailer.group(2) or "").replace(" ", "")
        return " ".join(filter(None, [mailer.group(1), host, mailer.group(3).replace(" ", "")]))
    return tokens.replace("$# ", "").replace(" ", "")


def built(tier: str, folder: Path) -> str:
    """Return the text of sendmail.cf.j2 that the image's builder stage makes."""
    macros = next((path for path in MACROS if path.is_dir()), None)
    assert macros is not None, "sendmail's macro files are not there: run tools/debian-unpack --alone sendmail-cf"
    made = folder / f"{tier}.cf.j2"
    ended = subprocess.run(
        [str(ROOT / "docker/shared/sendmail/build"), tier, str(made)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "SENDMAIL_CF": str(macros)},
    )
    assert ended.returncode == 0, ended.stderr
    return made.read_text(encoding="ascii")


def configure(tier: str, folder: Path, *, filters: Mapping[str, Path] | None = None, **other: object) -> Configured:
    """Write a tier's configuration and the maps of every case of the contract.

    Args:
        tier: its name.
        folder: where.
        filters: the milters that are asked, in this order, and their sockets; none are unless they are named.
        other: settings that are not those of `SETTINGS`.
    """
    (folder / "templates" / tier).mkdir(parents=True)
    built(tier, folder / "templates" / tier)
    settings = SETTINGS | {"host_name": f"{tier}.control.example", "state_dir": str(folder)} | other
    manifest = load_manifest(ROOT / "templates", tier)
    texts = {key: value for key, value in settings.items() if isinstance(value, str)}
    made = Renderer(manifest, folder / "templates", texts).static(f"{tier}/{tier}.cf.j2", settings).decode("ascii")
    version, _, rest = made.partition("\nV10/Berkeley\n")
    assert rest, "no line that says the configuration's version"
    text = f"{version}\nV10/Berkeley\n{UNSAFE}\n{OF_THE_IMAGE.sub('', rest)}"
    # A refusal costs a client a second; here nobody is to be kept waiting.
    text = text.replace(PAUSE, NO_PAUSE)
    text = _asking(text, filters or {})
    (folder / "sendmail.cf").write_text(text, encoding="ascii")
    write_maps(tier, folder, ROWS, **other)
    return Configured(folder)


def _asking(text: str, filters: Mapping[str, Path]) -> str:
    """Return a configuration that asks these milters alone; one that the tier does not have is added."""
    text = re.sub(r"(?m)^O InputMailFilters=.*\n", "", text)
    for name, path in filters.items():
        there = re.compile(rf"(?m)^X{name}, S=local:[^,]+")
        if there.search(text):
            text = there.sub(f"X{name}, S=local:{path}", text)
        else:
            text += f"X{name}, S=local:{path}, F=T\n"
    return f"{text}O InputMailFilters={', '.join(filters)}\n" if filters else text


def write_maps(tier: str, folder: Path, rows: list[RawRow], **other: object) -> None:
    """Render and compile the tier's files where its configuration looks for them."""
    manifest = load_manifest(ROOT / "templates", tier)
    texts = {key: value for key, value in (SETTINGS | other).items() if isinstance(value, str)}
    renderer = Renderer(manifest, ROOT / "templates", texts)
    view = View(assemble([rows], USERS))
    for spec in manifest.files:
        path = folder / "current" / spec.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(renderer.stream(spec.template, view)))
        if spec.map is not None:
            Makemap().compile(path, spec.map)
