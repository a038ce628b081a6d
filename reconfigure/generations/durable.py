"""Writes that a crash cannot tear: the bytes reach the disk before the name does."""

import os
from collections.abc import Iterable
from pathlib import Path


def sync(path: Path) -> None:
    """Force a file's or a folder's content to the disk (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace a small file atomically: readers see the old content or the new, after a crash, too."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def replace_link(link: Path, target: str) -> None:
    """Point a symbolic link elsewhere by one rename(2)."""
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
    sync(link.parent)


def sync_all(paths: Iterable[Path]) -> None:
    """Force each of the paths to the disk."""
    for path in paths:
        sync(path)
