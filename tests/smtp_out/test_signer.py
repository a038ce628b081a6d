"""Nothing leaves unsigned: the shipped tables and configuration on a real opendkim, spoken to as sendmail would."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from reconfigure.directory.assemble import assemble
from reconfigure.rendering import Renderer, View
from reconfigure.tiers import load_manifest
from tests.daemons.test_opendkim import OPENDKIM, Milter

TEMPLATES = Path(__file__).parents[2] / "templates"


class Session(Milter):
    """A session of a user who logged in, from anywhere."""

    def message(self, sender: str | None, *froms: str) -> tuple[str | None, str]:
        """Send a message; its signature as `d/s`, and the last answer (`a`: accepted, else a reply)."""
        self.step(b"M", b"<anyone@example.com>\0")
        self.step(b"R", b"<someone@example.net>\0")
        fields = [("From", one) for one in froms]
        for name, value in [*fields, ("Date", "Mon, 23 Nov 2026 08:00:00 +0000"), ("Subject", "hello")]:
            self.step(b"L", name.encode() + b"\0 " + value.encode() + b"\0")
        if sender is not None:
            self.tell(b"D", b"N{sender}\0" + sender.encode() + b"\0")
        self.tell(b"N")
        if (packet := self.answer())[0] != b"c":
            return None, (packet[0] + packet[1]).rstrip(b"\0").decode()
        self.step(b"B", b"Hello.\r\n")
        self.tell(b"E")
        signed: str | None = None
        while (packet := self.answer())[0] in {b"i", b"h"}:
            if b"DKIM-Signature\0" in packet[1]:
                tags = re.sub(rb"\s", b"", packet[1].partition(b"\0v")[2]).decode().split(";")
                found = dict(tag.partition("=")[::2] for tag in tags)
                signed = f"{found['d']}/{found['s']}"
        return signed, (packet[0] + packet[1]).rstrip(b"\0").decode()


class Signer(NamedTuple):
    """A running opendkim and the folder of its tables."""

    process: subprocess.Popen[bytes]
    folder: Path
    socket: Path

    def tables(self, *domains: str) -> None:
        """Render the shipped tables for a world of these domains."""
        rows = [{"address": {"S": f"shop@{domain}"}, "user": {"S": "alice"}} for domain in domains]
        settings = {"secrets_dir": str(self.folder)}
        renderer = Renderer(load_manifest(TEMPLATES, "smtp-out"), TEMPLATES, settings)
        view = View(assemble([rows], None))
        tables = self.folder / "current/opendkim"
        tables.mkdir(parents=True, exist_ok=True)
        for name in ("KeyTable", "SigningTable", "TrustedHosts"):
            made = self.folder / name
            made.write_bytes(b"".join(renderer.stream(f"{name}.j2", view)))
            made.replace(tables / name)

    def sends(self, sender: str | None, *froms: str) -> tuple[str | None, str]:
        with Session(self.socket) as session:
            return session.message(sender, *froms)


def _until(question: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not question():
        assert time.monotonic() < deadline, "it did not become true within 30 s"
        time.sleep(0.02)


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Signer]:
    assert OPENDKIM.exists(), "opendkim is needed: apt-get install -y --no-install-recommends opendkim"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (tmp_path / "dkim.private").write_bytes(key.private_bytes(*form))
    (tmp_path / "dkim.private").chmod(0o600)
    short = Path(tempfile.mkdtemp(prefix="rc-"))  # a socket's path may have 107 bytes
    settings = {"state_dir": tmp_path, "static_dir": tmp_path, "secrets_dir": tmp_path}
    renderer = Renderer(load_manifest(TEMPLATES, "smtp-out"), TEMPLATES, {})
    shipped = renderer.static("opendkim.conf.j2", settings).decode("ascii")
    # What only the image has, an account and a folder; and pytest's folders lie under /tmp, where all may write.
    own = re.sub(r"(?m)^(UserID|UMask|Socket|PidFile|Syslog) .*\n", "", shipped)
    own += f"Socket local:{short}/dkim\nPidFile {short}/pid\nRequireSafeKeys no\n"
    (tmp_path / "opendkim.conf").write_text(own)
    (tmp_path / "one-from.lua").write_bytes(renderer.static("one-from.lua.j2", settings))
    command = [str(OPENDKIM), "-f", "-x", str(tmp_path / "opendkim.conf")]
    Signer.tables(Signer(None, tmp_path, short), "old.example.com")  # type: ignore[arg-type]
    process = subprocess.Popen(command, env={**os.environ})
    try:
        _until(lambda: process.poll() is not None or (short / "dkim").exists())
        assert process.poll() is None, "opendkim ended"
        yield Signer(process, tmp_path, short / "dkim")
    finally:
        process.kill()  # there is nothing to keep, and libmilter ends by itself only after 5 s
        process.wait(30)
        shutil.rmtree(short)


def test_a_domain_that_the_tables_know_is_signed_for_under_its_name(signer: Signer) -> None:
    assert signer.sends("shop@old.example.com", "shop@old.example.com") == ("old.example.com/cabal", "a")


def test_a_domain_that_the_tables_do_not_know_yet_is_signed_for_all_the_same(signer: Signer) -> None:
    assert signer.sends("shop@new.example.com", "shop@new.example.com") == ("new.example.com/cabal", "a")


def test_open_sessions_sign_on_across_a_reading_of_the_tables(signer: Signer) -> None:
    with Session(signer.socket) as session:
        assert session.message("shop@new.example.com", "shop@new.example.com")[0] == "new.example.com/cabal"
        signer.tables("old.example.com", "new.example.com")
        signer.process.send_signal(signal.SIGUSR1)
        for _ in range(20):
            assert session.message("shop@new.example.com", "shop@new.example.com")[0] == "new.example.com/cabal"
            assert signer.sends("shop@new.example.com", "shop@new.example.com")[0] == "new.example.com/cabal"
    assert signer.process.poll() is None


def test_it_signs_for_the_sender_that_sendmail_found_and_reads_nothing_into_the_header(signer: Signer) -> None:
    assert signer.sends("shop@old.example.com", '"a@new.example.com" <shop@old.example.com>')[0] == (
        "old.example.com/cabal"
    )
    assert signer.sends("shop@old.example.com", ",;(")[0] == "old.example.com/cabal"


@pytest.mark.parametrize("froms", [("shop@old.example.com", "x" * 2000), ("", "shop@old.example.com"), ()])
def test_a_message_with_another_from_or_none_is_refused_for_good(signer: Signer, froms: tuple[str, ...]) -> None:
    signed, answer = signer.sends("shop@old.example.com", *froms)
    assert signed is None
    assert answer == "r"


def test_a_message_is_put_off_while_the_key_cannot_be_read(signer: Signer) -> None:
    (signer.folder / "dkim.private").rename(signer.folder / "elsewhere")
    signed, answer = signer.sends("shop@old.example.com", "shop@old.example.com")
    assert signed is None
    assert answer.startswith(("t", "y4")), answer
