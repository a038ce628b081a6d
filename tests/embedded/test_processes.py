import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedded import processes
from embedded.places import MARK, Places

Start = Callable[..., "subprocess.Popen[bytes]"]

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(300)"
# The child says that it runs, not the parent: until its program is loaded, a process has no environment to be seen by.
CHILD = "import time; print(1, flush=True); time.sleep(300)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {CHILD!r}]); sys.stdin.read()"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "state")


@pytest.fixture
def start(places: Places) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str, *, state: Path = places.state) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=os.environ | {MARK: str(state)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        process.stdout.readline()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_only_processes_of_this_world_are_found(places: Places, start: Start, tmp_path: Path) -> None:
    mine = start(DEAF)
    start(DEAF, state=tmp_path / "state-of-another")
    assert processes.ours(places) == [mine.pid]


def test_whatever_lost_its_supervisord_is_found_and_ended(places: Places, start: Start) -> None:
    parent = start(PARENT)
    (child,) = set(processes.ours(places)) - {parent.pid}
    assert processes.strays(places, top=parent.pid) == []
    parent.kill()
    parent.wait()
    assert processes.strays(places, top=parent.pid) == [child]
    processes.end_these([child])
    assert processes.ours(places) == []


def test_ending_leaves_nothing_even_of_a_process_that_ignores_signals(places: Places, start: Start) -> None:
    deaf = start(DEAF)
    processes.end_these([deaf.pid], patience=0.2)
    assert processes.ours(places) == []
    assert deaf.wait(timeout=10) == -signal.SIGKILL


def test_nobody_listening_is_an_answer(places: Places) -> None:
    assert processes.program_states(places.socket) is None
