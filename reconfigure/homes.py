"""Home folders on the shared volume: made when missing, never removed, never changed once they exist.

A home belongs to a number. When a user comes back under another one, nothing here gives the folder away: whose mail
that is only people know. It is said, for as long as it is so.
"""

import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from reconfigure.directory.model import User

MODE = 0o700

_UNFINISHED = ".new"  # how a home's name ends, after a dot in front, until it belongs to its user
_TOLD = 5  # homes of which each has a line
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


class Owners:
    """Whose the homes are, looked at a few at a time, since a shared volume takes its time for each.

    Args:
        homes_dir: the folder of all homes.
        looks: how many homes one call looks at, at most.
    """

    def __init__(self, homes_dir: Path, *, looks: int = 2000) -> None:
        self._folder = homes_dir
        self._looks = looks
        self._right: dict[str, int] = {}  # by user: the UID that the home was seen to belong to, which was theirs

    def foreign(self, users: Iterable[User]) -> list[str]:
        """Return a line for each home that belongs to another than its user.

        Those that were in order are not looked at again while their users keep their UIDs. Only root can make homes
        that are others', so anybody else finds none.
        """
        if os.geteuid() != 0:
            return []
        doubtful = (user for user in users if self._right.get(user.name) != user.uid)
        found = []
        for user in islice(doubtful, self._looks):
            home = self._folder / user.name
            try:
                owner = home.stat().st_uid
            except OSError:
                continue  # what keeps it from being made was said
            if owner == user.uid:
                self._right[user.name] = owner
            else:
                found.append((home, owner, user))
        lines = [
            f"the home {home} belongs to UID {owner}, and {user.name} has {user.uid}: mail for them waits; if it is "
            f"theirs, 'chown -R {user.uid}:{user.uid} {home}', else move it away"
            for home, owner, user in found[:_TOLD]
        ]
        return [*lines, *([f"so it is with {len(found) - _TOLD} more homes"] if len(found) > _TOLD else [])]


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
