"""Names that a crash cannot tear: the bytes reach the disk before the name does, and the name changes by one rename.

Every document and link of the state folder that is replaced while others read it goes through here; what they say is
their owners' business, and whole generations are `generations`'. Errors are the system's own (OSError): whoever
writes knows what its file is for, and says so.
"""

import errno
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

# Named after the process, so that two writers (the daemon, an operator's command) cannot write into one file.
_UNFINISHED = re.compile(r"\.(.+)\.(\d+)\.new")


def open_plain(path: Path) -> BinaryIO:
    """Open a file to read it, without ever waiting for it: whatever lies in its place may be a FIFO without a writer.

    Raises:
        OSError: it cannot be opened, or it is something else than a plain file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "It is not a plain file", str(path))


def read_plain(path: Path) -> bytes:
    """Return what a file holds, as `open_plain` opens it.

    Raises:
        OSError: it cannot be read, or it is something else than a plain file.
    """
    with open_plain(path) as file:
        return file.read()


def sync(path: Path) -> None:
    """Force a file's content, or a folder's names, to the disk (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(paths: Iterable[Path]) -> None:
    """Force each of the paths to the disk."""
    for path in paths:
        sync(path)


def record_mode() -> int:
    """Return the mode of what this process keeps in the state folder for itself and for operators.

    What root keeps is root's alone: it says what the sources say, and accounts beside it have no use for that. What
    another account keeps is for all: operators are root, and a root without the right to pass over modes would not
    read it else.
    """
    return 0o600 if os.geteuid() == 0 else 0o644


def replace_text(path: Path, text: str) -> None:
    """Replace a small file: readers see the old content or the new, never half, after a crash, too.

    Raises:
        OSError: it could not be written; the old content is untouched.
    """
    sweep(path.parent, only=path.name)
    fresh = _beside(path)
    try:
        with fresh.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), record_mode())
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):  # the error that led here is the one to report
            fresh.unlink(missing_ok=True)
        raise
    sync(path.parent)


def replace_link(link: Path, target: str) -> None:
    """Point a symbolic link elsewhere by one rename(2).

    Raises:
        OSError: it could not be made; the link leads where it did.
    """
    fresh = _beside(link)
    fresh.unlink(missing_ok=True)
    try:
        fresh.symlink_to(target)
        fresh.replace(link)
    except BaseException:
        with suppress(OSError):  # as above
            fresh.unlink(missing_ok=True)
        raise
    sync(link.parent)


def sweep(folder: Path, *, only: str | None = None) -> None:
    """Remove what writers that were killed have left in a folder, beside the file named `only` or beside any."""
    for name in os.listdir(folder):  # noqa: PTH208 - names are all that is needed
        found = _UNFINISHED.fullmatch(name)
        if found and only in {None, found[1]} and not Path(f"/proc/{found[2]}").exists():
            (folder / name).unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.new")
