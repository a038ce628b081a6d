"""What the design leans on, proved on a real opendkim under a real supervisord: facts about signals and symlinks."""

import os
import re
import shutil
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from reconfigure.daemons import Program, Reloader, Supervisor
from reconfigure.tiers import Reload

OPENDKIM = Path(shutil.which("opendkim", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") or "opendkim")

Supervise = Callable[[str], Supervisor]
Eventually = Callable[[Callable[[], object]], None]


class Milter:
    """One connection to a milter, as sendmail would open it.

    Every packet is its length (4 bytes, network order, command included), one command byte and data; strings end in
    NUL. See libmilter's mfapi.h and mfdef.h for the letters.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.file = self.connection.makefile("rb")

    def __enter__(self) -> Self:
        try:
            self.connection.settimeout(20)
            self.connection.connect(str(self.path))
            # Version 6, every action allowed (0x1ff), no step left out: so that each packet below gets an answer.
            self.tell(b"O", struct.pack("!III", 6, 0x1FF, 0))
            assert self.answer()[0] == b"O"
            self.step(b"C", b"localhost\0" + b"4" + struct.pack("!H", 40000) + b"127.0.0.1\0")
            self.step(b"H", b"localhost\0")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        self.connection.close()

    def tell(self, command: bytes, data: bytes = b"") -> None:
        self.connection.sendall(struct.pack("!I", len(data) + 1) + command + data)

    def answer(self) -> tuple[bytes, bytes]:
        """The next packet's command and data; EOFError when the milter hung up."""
        header = self.file.read(4)
        if len(header) < 4:
            raise EOFError
        packet = self.file.read(*struct.unpack("!I", header))
        return packet[:1], packet[1:]

    def step(self, command: bytes, data: bytes = b"") -> None:
        self.tell(command, data)
        answer = self.answer()
        assert answer[0] == b"c", f"{command!r} was answered {answer!r}"

    def signature(self, sender: str) -> str | None:
        """Sends a message from `sender`; its d= and s= as `d/s`, or None when it was not signed."""
        address = sender.encode()
        self.step(b"M", b"<" + address + b">\0")
        self.step(b"R", b"<someone@example.net>\0")
        for name, value in [
            (b"From", address),
            (b"To", b"someone@example.net"),
            (b"Subject", b"hello"),
            (b"Date", b"Mon, 23 Nov 2026 08:00:00 +0000"),
            (b"Message-ID", b"<1@" + address.partition(b"@")[2] + b">"),
        ]:
            self.step(b"L", name + b"\0" + value + b"\0")
        self.tell(b"N")
        if (packet := self.answer())[0] == b"a":  # accepted as it is: nothing here to sign
            return None
        assert packet[0] == b"c", f"at the end of the header it answered {packet!r}"
        self.step(b"B", b"Hello.\r\n")
        self.tell(b"E")
        signed: str | None = None
        while (packet := self.answer())[0] not in {b"a", b"c"}:
            assert packet[0] in {b"i", b"h", b"p"}, f"instead of accepting, it answered {packet!r}"
            if b"DKIM-Signature\0" in packet[1]:
                tags = re.sub(rb"\s", b"", packet[1].partition(b"\0v")[2]).decode().split(";")
                found = dict(tag.partition("=")[::2] for tag in tags)
                signed = f"{found['d']}/{found['s']}"
        return signed


class Signer:
    """opendkim under supervisord, its tables in a generation reached through `current`."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self.folder = folder
        self.socket = socket

    def generation(self, name: str, *domains: str) -> None:
        tables = self.folder / name / "opendkim"
        tables.mkdir(parents=True)
        key = self.folder / "key.pem"
        (tables / "KeyTable").write_text("".join(f"cabal._domainkey.{one} {one}:cabal:{key}\n" for one in domains))
        (tables / "SigningTable").write_text("".join(f"*@{one} cabal._domainkey.{one}\n" for one in domains))

    def flip(self, name: str) -> None:
        (self.folder / "new").symlink_to(name)
        (self.folder / "new").replace(self.folder / "current")

    def signs(self, sender: str) -> str | None:
        with Milter(self.socket) as milter:
            return milter.signature(sender)


@pytest.fixture
def signer(tmp_path: Path, short: Path) -> Signer:
    assert OPENDKIM.exists(), "opendkim is needed: apt-get install -y --no-install-recommends opendkim"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    (tmp_path / "key.pem").chmod(0o600)
    signer = Signer(tmp_path, short / "dkim")
    signer.generation("one", "old.example.com")
    signer.generation("two", "old.example.com", "new.example.com")
    signer.flip("one")
    tables = tmp_path / "current/opendkim"
    (tmp_path / "opendkim.conf").write_text(
        f"Socket local:{signer.socket}\n"
        "Mode s\n"
        f"KeyTable file:{tables}/KeyTable\n"
        f"SigningTable refile:{tables}/SigningTable\n"
        "RequireSafeKeys no\n"  # pytest's folders lie under /tmp, which all may write to
        f"PidFile {tmp_path}/opendkim.pid\n"
        "Syslog no\n"
    )
    return signer


@pytest.fixture
def supervisor(signer: Signer, supervise: Supervise, eventually: Eventually) -> Supervisor:
    supervisor = supervise(
        "[program:opendkim]\n"
        f"command={OPENDKIM} -f -x {signer.folder}/opendkim.conf\n"
        "startsecs=1\nautorestart=false\nstdout_logfile=NONE\nstderr_logfile=NONE\n"
    )
    eventually(lambda: opendkim(supervisor).state == "RUNNING")
    eventually(signer.socket.exists)
    return supervisor


def opendkim(supervisor: Supervisor) -> Program:
    (program,) = supervisor.programs()
    return program


def test_a_new_domain_is_signed_after_the_flip_and_the_signal_by_the_same_process(
    signer: Signer, supervisor: Supervisor, eventually: Eventually
) -> None:
    reload = Reload("opendkim", "signal:USR1")
    reloader = Reloader(supervisor, signer.folder / "reloads.json", absent="fail")
    reloader.prime({reload: "one"})
    before = opendkim(supervisor).pid
    assert signer.signs("shop@old.example.com") == "old.example.com/cabal"
    assert signer.signs("shop@new.example.com") is None
    with Milter(signer.socket) as session:
        assert session.signature("shop@old.example.com") == "old.example.com/cabal"
        signer.flip("two")
        assert signer.signs("shop@new.example.com") is None, "without the signal it must not know the new tables"
        (outcome,) = reloader.apply({reload: "two"})
        assert outcome.result == "told"
        eventually(lambda: signer.signs("shop@new.example.com") == "new.example.com/cabal")
        # The session that was open across the reload goes on.
        assert session.signature("shop@old.example.com") == "old.example.com/cabal"
    assert signer.signs("shop@old.example.com") == "old.example.com/cabal"
    assert opendkim(supervisor).pid == before
    signer.flip("one")
    assert [one.result for one in reloader.apply({reload: "one"})] == ["told"]
    eventually(lambda: signer.signs("shop@new.example.com") is None)
    os.kill(before, 0)


def test_sighup_would_end_opendkim_so_it_is_never_what_a_manifest_may_ask_of_it(
    signer: Signer, supervisor: Supervisor, eventually: Eventually
) -> None:
    with Milter(signer.socket) as session:
        supervisor.signal("opendkim", "HUP")
        eventually(lambda: opendkim(supervisor).state == "EXITED")
        with pytest.raises((EOFError, ConnectionError)):
            session.signature("shop@old.example.com")
    with pytest.raises(OSError, match=r"refused|No such file"):
        signer.signs("shop@old.example.com")
