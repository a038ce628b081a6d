"""Home folders on the shared volume: made when missing, never removed, never changed once they exist."""

import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from reconfigure.directory.model import User

MODE = 0o700

_UNFINISHED = ".new"  # how a home's name ends, after a dot in front, until it belongs to its user
_STALE = 3600.0  # seconds after which whoever was making it is not making it any more


def make_missing(homes_dir: Path, users: Iterable[User]) -> list[str]:
    """Make the home of every user who has none; return a line for each that could not be made.

    A second container on the same volume may make the same home at the same moment; whoever comes second finds it.

    Args:
        homes_dir: the folder of all homes; made when missing.
        users: those served.
    """
    try:
        homes_dir.mkdir(parents=True, exist_ok=True)
        present = set(os.listdir(homes_dir))  # noqa: PTH208 - names only, for a hundred thousand homes
    except OSError as error:
        return [f"making homes in {homes_dir} failed: {error.strerror}; mount the volume and make it writable"]
    _sweep(homes_dir, present)
    problems = []
    for user in users:
        if user.name not in present:
            problem = _make(homes_dir / user.name, user)
            if problem is not None:
                problems.append(problem)
    return problems


def _make(home: Path, user: User) -> str | None:
    # Under another name until it belongs to its user: a daemon must never meet a home that is root's.
    # A name drawn at random: the process ids of two containers on one volume are often the same.
    try:
        unfinished = Path(tempfile.mkdtemp(prefix=f".{home.name}.", suffix=_UNFINISHED, dir=home.parent))
        try:
            unfinished.chmod(MODE)
            if os.geteuid() == 0:
                os.chown(unfinished, user.uid, user.uid)
            unfinished.rename(home)
        except OSError:
            unfinished.rmdir()
            if home.is_dir():
                return None
            raise
    except OSError as error:
        return f"making the home {home} failed: {error.strerror}; mail for {user.name} waits until it exists"
    return None


def _sweep(homes_dir: Path, names: Iterable[str]) -> None:
    """Remove what processes that were killed have left: old, unfinished, and empty, or it stays."""
    for name in names:
        if name.startswith(".") and name.endswith(_UNFINISHED):
            with suppress(OSError):  # another container was faster, or it is none of ours
                if time.time() - (homes_dir / name).lstat().st_mtime > _STALE:
                    (homes_dir / name).rmdir()
