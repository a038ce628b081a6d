"""Two processes and one state folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconfigure.errors import LockHeldError
from reconfigure.generations.lock import exclusive
from tests.rights import held_to_modes

HOLDER = """
import sys, time
from pathlib import Path
from reconfigure.generations.lock import exclusive
with exclusive(Path(sys.argv[1]), wait=0):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_process(state_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock until its standard input ends."""
    command = [sys.executable, "-c", HOLDER, str(state_dir), "some words"]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_the_second_says_who_holds_it_and_waits_no_longer_than_told(tmp_path: Path) -> None:
    with other_process(tmp_path) as other, pytest.raises(LockHeldError) as caught, exclusive(tmp_path, wait=0.1):
        pytest.fail("both hold it")
    message = str(caught.value)
    assert f"{tmp_path} is being changed by pid {other.pid} (-c {tmp_path} some words) since 20" in message
    assert "waited 0.1 s" in message


def test_the_second_goes_on_when_the_first_has_ended(tmp_path: Path) -> None:
    with other_process(tmp_path) as other:
        assert other.stdin is not None
        other.stdin.close()
        with exclusive(tmp_path, wait=20):
            pass
        assert other.wait(timeout=20) == 0


def test_a_killed_holder_leaves_no_stale_lock(tmp_path: Path) -> None:
    with other_process(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait(timeout=20)
        assert (tmp_path / "lock.holder").exists()
        with exclusive(tmp_path, wait=0):
            pass
    assert not (tmp_path / "lock.holder").exists()


def test_the_folder_is_made_and_only_the_lock_file_stays(tmp_path: Path) -> None:
    state = tmp_path / "a" / "state"
    with exclusive(state, wait=0):
        assert sorted(path.name for path in state.iterdir()) == ["lock", "lock.holder"]
    assert [path.name for path in state.iterdir()] == ["lock"]


def test_the_lock_is_dropped_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), exclusive(tmp_path, wait=0):
        raise RuntimeError
    with exclusive(tmp_path, wait=0):
        pass


def test_a_holder_that_cannot_be_named_still_holds(tmp_path: Path) -> None:
    with other_process(tmp_path):
        (tmp_path / "lock.holder").write_text("{")
        with pytest.raises(LockHeldError, match="another process"), exclusive(tmp_path, wait=0):
            pytest.fail("both hold it")


def test_no_room_to_say_who_holds_it_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "lock.holder").mkdir()  # stands in the way of writing, also for root
    with exclusive(tmp_path, wait=0):
        pass


def test_each_holding_names_the_one_before_it_whoever_that_was(tmp_path: Path) -> None:
    turns = []
    for _ in range(3):
        with exclusive(tmp_path, wait=0) as turn:
            turns.append(turn)
    assert [turn.before for turn in turns[1:]] == [turn.number for turn in turns[:-1]]
    with other_process(tmp_path):
        pass
    with exclusive(tmp_path, wait=0) as turn:
        assert turn.before > turns[-1].number


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_lock_file_that_is_anothers_and_may_be_written_is_as_good(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    lock.chmod(0o666)
    os.chown(lock, 1, 1)
    os.utime(lock, ns=(1, 1))
    with held_to_modes(), exclusive(tmp_path, wait=0) as turn:
        assert turn.before == 1 < turn.number
