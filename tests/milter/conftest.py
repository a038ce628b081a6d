"""The real milter as a process of its own, asked by the real sendmail with a tier's own configuration."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sendmail.configured import Configured, configure
from tests.sendmail.test_flip import session

WITHIN = 60.0
TO = "<shop@acme.example.com>"


@dataclass
class Filter:
    """The milter as a process."""

    socket: Path
    log: Path
    process: subprocess.Popen[bytes]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Relay:
    """The relay from the internet, which keeps what it takes in its queue."""

    configured: Configured

    def takes(self, header: Sequence[str]) -> str:
        """Bring a message with this header; return "250" once it was taken, or the first answer that is not good."""
        answers = session(self.configured.folder, _lines(header), "-ODeliveryMode=queue")
        return next((answer for answer in answers if answer[:1] not in {"2", "3"}), answers[-1][:3])

    def takes_many(self, headers: Sequence[Sequence[str]]) -> list[str]:
        """Bring messages with these headers in one session; return the code of the answer to each."""
        lines = [line for header in headers for line in _lines(header)]
        answers = session(self.configured.folder, lines, "-ODeliveryMode=queue")
        return [answer[:3] for answer in answers[3::4]]

    def queued(self) -> list[list[str]]:
        """Return the header fields of each message in the queue, unfolded, as they will be sent."""
        texts = [path.read_text(errors="replace") for path in sorted((self.configured.folder / "queue").glob("qf*"))]
        return [
            [
                re.sub(r"^H(\?[^?]*\?)?", "", line)
                for line in re.sub(r"\n[ \t]+", " ", text).splitlines()
                if line[:1] == "H"
            ]
            for text in texts
        ]


def _lines(header: Sequence[str]) -> list[str]:
    message = "\r\n".join([*header, "", "A few words.", "."])
    return ["MAIL FROM:<>", f"RCPT TO:{TO}", "DATA", message]


@pytest.fixture
def safe() -> Iterator[Path]:
    """A folder for sockets: sendmail wants one that lies nowhere where others may write, and not too deep."""
    with tempfile.TemporaryDirectory(prefix=".milter-", dir=Path.home()) as folder:
        yield Path(folder)


@pytest.fixture
def start(safe: Path, tmp_path: Path) -> Iterator[Callable[..., Filter]]:
    """Start the milter, with nothing in its environment and perhaps more on its command line."""
    started: list[Filter] = []

    def start(*more: str) -> Filter:
        log_path = tmp_path / f"milter-{len(started)}.log"
        command = [sys.executable, "-m", "reconfigure", "milter", "--folder", str(safe), "--tier", "smtp-in", *more]
        with log_path.open("wb") as log:
            process = subprocess.Popen(command, env={"PATH": os.environ["PATH"]}, stdout=log, stderr=log)
        started.append(Filter(safe / "verdicts", log_path, process))
        deadline = time.monotonic() + WITHIN
        while '"started"' not in log_path.read_text():
            assert process.poll() is None, log_path.read_text()
            assert time.monotonic() < deadline, log_path.read_text()
            time.sleep(0.02)
        return started[-1]

    yield start
    for each in started:
        each.end()
        assert "Traceback" not in each.log.read_text()


@pytest.fixture
def milter(start: Callable[..., Filter]) -> Filter:
    return start()


@pytest.fixture
def relay(safe: Path, tmp_path: Path) -> Relay:
    """The relay, which asks the milter whether it runs or not."""
    made = configure("smtp-in", tmp_path, filters={"verdicts": safe / "verdicts"})
    (tmp_path / "queue").mkdir(mode=0o700)
    return Relay(made)
