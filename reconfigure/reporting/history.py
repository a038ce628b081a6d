"""The history: one JSON line for each pass that changed something, was held or failed, appended to `history.jsonl`.

Kept so that it can be trusted after a crash or a full disk: a line is written by one call, a torn one spoils neither
the next nor the reading, and at its limit the file becomes `history.jsonl.1`, in the place of the one before. The
daemon and an operator's command may write at the same time, so one waits for the other.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from reconfigure.durable import open_plain, record_mode, sync
from reconfigure.errors import ReconfigureError
from reconfigure.reporting.documents import encode

HISTORY_NAME = "history.jsonl"

_BLOCK = 64 * 1024
_LOCK_SECONDS = 2.0  # for another writer to finish its line: one that hangs costs a line, never a pass
_LOCK_LOOK = 0.005
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


def append(path: Path, record: Mapping[str, Any], *, limit_bytes: int) -> None:
    """Append a record durably; a file that would exceed `limit_bytes` is set aside first.

    Raises:
        ReconfigureError: the line could not be written whole. Lines before it are intact.
    """
    line = json.dumps(encode(record)).encode("ascii") + b"\n"
    try:
        handle = _opened(path, len(line), limit_bytes)
        try:
            # What a crash or a full disk left unfinished stays a line of its own, which readers skip.
            data = b"\n" + line if _torn(handle) else line
            written = os.write(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        if written < len(data):
            raise ReconfigureError(
                f"could not append to {path}: only {written} of {len(data)} bytes fitted. Free some space."
            )
    except OSError as error:
        raise ReconfigureError(
            f"could not append to {path}: {error.strerror or error}. Check the space and the rights of its folder."
        ) from error


def order(state_dir: Path, *, outcome: str, by: str | None, reason: str) -> dict[str, Any]:
    """Return the record of what somebody ordered, without a pass; `by` is None when time did it."""
    current = state_dir / "current"
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "pass": None,
        "trigger": "timer" if by is None else "operator",
        **({"by": by} if by is not None else {}),
        "outcome": outcome,
        "generation": current.readlink().name if current.is_symlink() else None,
        "held": None,
        "seconds": None,
        "changes": {},
        "reloads": [],
        "reason": reason,
    }


def read(path: Path, *, limit: int) -> list[dict[str, Any]]:
    """Return the newest records, at most `limit`, newest first; unreadable lines are skipped.

    Reads from the end, so that the cost grows with `limit` and not with the file.

    Raises:
        ReconfigureError: a file exists and cannot be read.
    """
    try:
        with ExitStack() as opened:
            return list(islice(_records(_streams(path, opened)), limit))
    except OSError as error:
        raise ReconfigureError(
            f"could not read {path}: {error.strerror or error}; look at its owner, its mode and its folder's"
        ) from error


def _streams(path: Path, opened: ExitStack) -> Iterator[BinaryIO]:
    seen = set()
    for name in (path, _aside(path)):
        with suppress(FileNotFoundError):
            stream = opened.enter_context(open_plain(name))
            # Rotated in between, the second name leads to the file that has just been read.
            if (inode := os.fstat(stream.fileno()).st_ino) not in seen:
                seen.add(inode)
                yield stream


def _records(streams: Iterator[BinaryIO]) -> Iterator[dict[str, Any]]:
    for stream in streams:
        for line in _lines_backwards(stream):
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue  # torn, which is what this format is made to survive
            if isinstance(record, dict):
                yield record


def _lines_backwards(stream: BinaryIO) -> Iterator[bytes]:
    end = stream.seek(0, os.SEEK_END)
    tail: list[bytes] = []  # pieces of the line that is not complete yet, last piece first
    while end > 0:
        start = max(0, end - _BLOCK)
        stream.seek(start)
        first, *lines = stream.read(end - start).split(b"\n")
        if lines:
            tail.append(lines.pop())
            yield b"".join(reversed(tail))
            yield from reversed(lines)
            tail = []
        tail.append(first)
        end = start
    yield b"".join(reversed(tail))


def _torn(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


def _opened(path: Path, coming: int, limit: int) -> int:
    """Return a descriptor of the file to append to, locked against other writers until it is closed.

    Raises:
        OSError: it cannot be opened, or another writer does not let go of it.
    """
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        handle = os.open(path, _FLAGS, record_mode())
        try:
            if _is_locked(handle, deadline) and not _rotated(path, handle, coming, limit):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # set aside by us or another: what the name leads to now is the one to write


def _is_locked(handle: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOCK_LOOK)
        else:
            return True


def _rotated(path: Path, handle: int, coming: int, limit: int) -> bool:
    """Set the file aside when it is full; return whether its name leads elsewhere now, by this or before."""
    mine, named = os.fstat(handle), _stat(path)
    if named is None or (named.st_dev, named.st_ino) != (mine.st_dev, mine.st_ino):
        return True
    if not mine.st_size or mine.st_size + coming <= limit:
        return False
    # One rename: a crash before it or after it leaves every line where a reader looks for it.
    path.replace(_aside(path))
    sync(path.parent)
    return True


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
