"""A real opendkim with the shipped tables and configuration."""

import base64
import os
import re
import subprocess
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
from tests.sendmail.certificates import safe_folder

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
    key: rsa.RSAPrivateKey

    @property
    def record(self) -> bytes:
        """The TXT record that its key is published by."""
        form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return b"v=DKIM1; k=rsa; p=" + base64.b64encode(self.key.public_key().public_bytes(*form))

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
    settings = {"state_dir": tmp_path, "static_dir": tmp_path, "secrets_dir": tmp_path}
    renderer = Renderer(load_manifest(TEMPLATES, "smtp-out"), TEMPLATES, {})
    shipped = renderer.static("opendkim.conf.j2", settings).decode("ascii")
    (tmp_path / "one-from.lua").write_bytes(renderer.static("one-from.lua.j2", settings))
    Signer.tables(Signer(None, tmp_path, tmp_path, key), "old.example.com")  # type: ignore[arg-type]
    with safe_folder() as short:  # a socket's path may have 107 bytes
        # What only the image has, an account and a folder; and pytest's folders lie under /tmp, where all may write.
        own = re.sub(r"(?m)^(UserID|UMask|Socket|PidFile|Syslog) .*\n", "", shipped)
        own += f"Socket local:{short}/dkim\nPidFile {short}/pid\nRequireSafeKeys no\n"
        (tmp_path / "opendkim.conf").write_text(own)
        command = [str(OPENDKIM), "-f", "-x", str(tmp_path / "opendkim.conf")]
        process = subprocess.Popen(command, env={**os.environ})
        try:
            _until(lambda: process.poll() is not None or (short / "dkim").exists())
            assert process.poll() is None, "opendkim ended"
            yield Signer(process, tmp_path, short / "dkim", key)
        finally:
            process.kill()  # there is nothing to keep, and libmilter ends by itself only after 5 s
            process.wait(30)
