"""One pass at a time: the lock on a state folder, and who holds it.

flock(2) through filelock: the kernel drops it with its process, so a killed pass leaves no stale lock.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import filelock

from reconfigure.durable import read_plain, record_mode
from reconfigure.errors import LockHeldError


class Turn(NamedTuple):
    """One holding of the lock: its number, and that of the holding before it, whoever's that was."""

    number: int
    before: int


@contextmanager
def exclusive(state_dir: Path, *, wait: float) -> Iterator[Turn]:
    """Hold the state folder's lock.

    Args:
        state_dir: the folder; made when missing.
        wait: seconds to wait for another holder; 0 asks once.

    Raises:
        LockHeldError: it was still held after that time; the message says by whom.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    holder = state_dir / "lock.holder"
    lock = filelock.FileLock(state_dir / "lock", mode=record_mode(), timeout=wait, poll_interval=0.05)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise LockHeldError(
            f"{state_dir} is being changed by {_held_by(holder)}; waited {wait:g} s. "
            "Let it finish, or end that process, and try again"
        ) from error
    said = {
        "pid": os.getpid(),
        "command": " ".join(sys.argv)[:200],
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        with suppress(OSError):  # on a full disk there is still a lock, and a pass that may have nothing to write
            holder.unlink(missing_ok=True)  # what lies there was left by one that was killed, or by a stranger
            holder.touch(record_mode())
            holder.write_text(json.dumps(said), encoding="utf-8")
        yield _turn(state_dir / "lock")
    finally:
        with suppress(OSError):  # nor must the disk hide what went wrong inside
            holder.unlink(missing_ok=True)
        lock.release()


def _turn(lock: Path) -> Turn:
    """Number this holding by the lock file's time, which takes no room on a disk that is full."""
    before = lock.stat().st_mtime_ns
    number = max(time.time_ns(), before + 1)
    try:
        os.utime(lock, ns=(number, number))
    except PermissionError:  # another's file, which this process may write to: it may set the present alone (utime(2))
        os.utime(lock)
    return Turn(lock.stat().st_mtime_ns, before)


def _held_by(holder: Path) -> str:
    try:
        said = json.loads(read_plain(holder))
        return f"pid {said['pid']} ({said['command']}) since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
