"""A tier's sendmail as a daemon on a port of this machine: the real listener with the real configuration.

What only the image has is left out: milters, TLS, and the password helper. Who logged in is said by the configuration.
"""

import re
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.sendmail.configured import NAMED, Configured
from tests.stack.processes import LOOPBACK, free_ports

SECONDS = 60.0

_OUTSIDE = re.compile(r"^(X\w+, *S=|O InputMailFilters=).*\n", re.MULTILINE)
_DAEMONS = re.compile(r"^O DaemonPortOptions=.*\n", re.MULTILINE)


class Talk:
    """A connection and its answers.

    Args:
        port: of the listener.
        source: the client's address, in 127.0.0.0/8.
    """

    def __init__(self, port: int, source: str = LOOPBACK) -> None:
        self._line = socket.create_connection((LOOPBACK, port), timeout=SECONDS, source_address=(source, 0))
        self._said = self._line.makefile("rb")
        self.greeting = self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.close()

    def say(self, line: str) -> str:
        """Say a line, or a message to its last dot, and return the last line of the answer; "" when there is none."""
        with suppress(ConnectionError):
            self._line.sendall(line.encode("latin-1") + b"\r\n")
        return self._answer()

    def close(self) -> None:
        """Hang up without a word."""
        self._said.close()
        self._line.close()

    def _answer(self) -> str:
        line = b""
        with suppress(ConnectionError):
            while (line := self._said.readline())[3:4] == b"-":
                pass
        return line.decode("latin-1").rstrip()


class Listener(NamedTuple):
    """A running daemon."""

    port: int
    folder: Path

    def talk(self, source: str = LOOPBACK) -> Talk:
        """Connect and greet."""
        talk = Talk(self.port, source)
        talk.say("EHLO client.example")
        return talk

    def work_off(self) -> list[str]:
        """Try all that is in the queue once; return what is left, each as its queue file says it."""
        options = ("-qf", "-OMinQueueAge=0", "-OTimeout.iconnect=10s", "-OTimeout.hoststatus=0")
        subprocess.run(_command(self.folder, *options), check=True, capture_output=True, timeout=2 * SECONDS)
        return [path.read_text(errors="replace") for path in (self.folder / "queue").glob("qf*")]


@contextmanager
def listening(
    tier: Configured,
    *,
    macros: Mapping[str, str] | None = None,
    internet: int | None = None,
    milters: bool = False,
) -> Iterator[Listener]:
    """Run a tier's daemon; what it takes stays in its queue until `work_off`.

    Args:
        tier: a folder that `configure` made; its sendmail.cf is changed.
        macros: values that every session begins with.
        internet: port of a server on this machine that stands for every other.
        milters: whether those are asked that `configure` was given.
    """
    folder, [port] = tier.folder, free_ports(1)
    text = (folder / "sendmail.cf").read_text(encoding="ascii")
    text = text if milters else _OUTSIDE.sub("", text)
    text = _DAEMONS.sub("", text) + f"O DaemonPortOptions=Name=MTA, Family=inet, Addr={LOOPBACK}, Port={port}, M=E\n"
    given = "".join(f"D{{{name}}}{value}\n" for name, value in (macros or {}).items())
    text = text.replace("\nV10/Berkeley\n", f"\nV10/Berkeley\n{given}")
    if internet is not None:
        text = text.replace("\nDS\n", f"\nDSesmtp:[{LOOPBACK}]\n").replace("A=TCP $h\n", f"A=TCP $h {internet}\n")
    (folder / "sendmail.cf").write_text(text, encoding="ascii")
    (folder / "queue").mkdir(mode=0o700, exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            _command(folder, "-bD", "-ODeliveryMode=queue"), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _wait(process, port, folder / "log")
            yield Listener(port, folder)
        finally:
            process.terminate()
            process.wait(SECONDS)


def _command(folder: Path, *more: str) -> list[str]:
    own = (f"-OPidFile={folder}/pid", f"-OQueueDirectory={folder}/queue")
    return [*NAMED, "sendmail", "-C", f"{folder}/sendmail.cf", *own, *more]


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        try:
            Talk(port).close()
        except OSError:
            assert time.monotonic() < deadline, f"nobody answers on port {port}: {log.read_text()}"
            time.sleep(0.05)
        else:
            return
