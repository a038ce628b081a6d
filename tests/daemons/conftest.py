"""A real supervisord with tiny real programs, on a socket path short enough for AF_UNIX."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconfigure.daemons import Supervisor
from reconfigure.errors import ReloadError

# Notes what happens to it. When there is a file `<events>.kill`, it kills the process named there (once) as it stops
# or starts, whichever the file's second word says: so a test can end the one who restarts it, at a known moment.
RECORDER = """
import os, signal, sys
events = sys.argv[1]
def note(word):
    with open(events, "a") as file:
        file.write(f"{word}\\n")
def kill(moment):
    try:
        pid, when = open(events + ".kill").read().split()
    except (FileNotFoundError, ValueError):
        return
    if when == moment:
        os.unlink(events + ".kill")
        os.kill(int(pid), signal.SIGKILL)
def stop(*_):
    kill("stop")
    sys.exit(0)
signal.signal(signal.SIGUSR1, lambda *_: note("USR1"))
signal.signal(signal.SIGTERM, stop)
note("started")
kill("start")
while True:
    signal.pause()
"""

CONFIGURATION = """
[supervisord]
nodaemon=true
silent=true
logfile={folder}/supervisord.log
pidfile={folder}/pid
[unix_http_server]
file={folder}/s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
{programs}
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for sockets: pytest's own are often longer than the 107 bytes that a UNIX socket's path may have."""
    folder = Path(tempfile.mkdtemp(prefix="rc-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until what is asked becomes true, and fails when it does not within half a minute."""

    def wait(question: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not question():
            assert time.monotonic() < deadline, "it did not become true within 30 s"
            time.sleep(0.02)

    return wait


@pytest.fixture
def launch(
    eventually: Callable[[Callable[[], object]], None],
) -> Iterator[Callable[[subprocess.Popen[bytes], Path], Supervisor]]:
    """Takes charge of a supervisord that was just started: waits until it answers, ends it after the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def watch(process: subprocess.Popen[bytes], socket: Path) -> Supervisor:
        processes.append(process)
        supervisor = Supervisor(socket, timeout=20)

        def answers() -> bool:
            assert process.poll() is None, f"supervisord ended with {process.returncode}"
            try:
                supervisor.programs()
            except ReloadError:
                return False
            return True

        eventually(answers)
        return supervisor

    yield watch
    for process in processes:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


@pytest.fixture
def supervise(
    short: Path, launch: Callable[[subprocess.Popen[bytes], Path], Supervisor]
) -> Callable[[str], Supervisor]:
    """Runs supervisord with these program sections."""

    def start(programs: str) -> Supervisor:
        configuration = short / "supervisord.conf"
        configuration.write_text(CONFIGURATION.format(folder=short, programs=programs))
        command = [str(Path(sys.executable).with_name("supervisord")), "-c", str(configuration)]
        return launch(subprocess.Popen(command, env=os.environ | {"PYTHONWARNINGS": ""}), short / "s")

    return start


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., str]:
    """The section of a program that notes `started` and `USR1` in tmp_path/<name>."""
    script = tmp_path / "recorder.py"
    script.write_text(RECORDER)

    def section(name: str, **options: object) -> str:
        lines = {
            "command": f"{sys.executable} -I -S {script} {tmp_path / name}",
            "startsecs": 0,
            "autorestart": "false",
            "stdout_logfile": "NONE",
            "stderr_logfile": "NONE",
        } | options
        return "\n".join([f"[program:{name}]", *(f"{key}={value}" for key, value in lines.items()), ""])

    return section


@pytest.fixture
def noted(tmp_path: Path, eventually: Callable[[Callable[[], object]], None]) -> Callable[[str, list[str]], None]:
    """Asserts that a program notes exactly these events, waiting for as many."""

    def compare(name: str, expected: list[str]) -> None:
        events = tmp_path / name

        def seen() -> list[str]:
            return events.read_text().split() if events.exists() else []

        eventually(lambda: len(seen()) >= len(expected))
        assert seen() == expected

    return compare
