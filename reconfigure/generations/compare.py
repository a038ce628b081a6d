"""What differs between two worlds: a merge of two sorted sequences of lines, in constant memory.

A line's key is its first tab-separated field, as in the snapshots that generations keep.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Literal, NamedTuple

from reconfigure.directory.model import Directory, Quarantine, SendingLimit, User
from reconfigure.generations.manifest import Manifest

SNAPSHOT_FOLDER = "directory"
LIMITS = "limits"  # not one of the kinds of things that a tier can lose; without any there is no such snapshot


class Change(NamedTuple):
    """One key that differs: `old` is None when it was gained, `new` is None when it was lost."""

    key: str
    old: str | None
    new: str | None

    @property
    def way(self) -> Literal["gained", "lost", "changed"]:
        """Which way it went."""
        if self.old is None:
            return "gained"
        return "lost" if self.new is None else "changed"

    @property
    def name(self) -> str:
        """What it is called: the line's first field, as it is or as it was."""
        return (self.new or self.old or "").partition("\t")[0]

    def about(self, kind: str) -> str:
        """Return in words what is known of it beside its name, and of what changed both: `old -> new`."""
        was, is_now = (None if line is None else _described(kind, line) for line in (self.old, self.new))
        return f"{was} -> {is_now}" if was is not None and is_now is not None else was or is_now or ""


def _described(kind: str, line: str) -> str:
    _, *fields = line.split("\t")
    if kind == "addresses":
        state, users = (*fields, "", "")[:2]
        return f"{state}  {users.replace('/', ', ')}".rstrip()
    return f"uid {fields[0]}" if fields else ""


def compare(old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    """Yield the differences between two sequences of lines, each sorted by key with each key once."""
    left, right = iter(old), iter(new)
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if a == b:
            a, b = next(left, None), next(right, None)
            continue
        key_a = a.partition("\t")[0] if a is not None else None
        key_b = b.partition("\t")[0] if b is not None else None
        if key_b is None or (key_a is not None and key_a < key_b):
            yield Change(str(key_a), a, None)
            a = next(left, None)
        elif key_a is None or key_b < key_a:
            yield Change(key_b, None, b)
            b = next(right, None)
        else:
            yield Change(key_a, a, b)
            a, b = next(left, None), next(right, None)


class World:
    """The three kinds of things that a tier can lose, as sorted lines: of a generation, or of a directory in memory."""

    def __init__(self, *, generation: Path | None = None, directory: Directory | None = None) -> None:
        self._generation = generation
        self._directory = directory

    def open(self, kind: str) -> AbstractContextManager[Iterable[str]]:
        """Open the lines of `addresses`, `users` or `domains`; nothing at all yields no lines."""
        if self._generation is not None:
            return _Lines(self._generation / SNAPSHOT_FOLDER / kind)
        return nullcontext(lines_of(self._directory, kind) if self._directory is not None else ())


def lines_of(directory: Directory, kind: str) -> Iterable[str]:
    """Return the snapshot lines of one kind: `addresses`, `users`, `domains` or `limits`."""
    if kind == "addresses":
        return directory.lines
    if kind == "users":
        return directory.user_lines()
    if kind == LIMITS:
        return directory.limit_lines()
    return directory.domains


def directory_of(generation: Path, manifest: Manifest, *, users_known: bool) -> Directory:
    """Return the directory that a generation was made from, as its snapshots have it; refusals only as counts.

    Args:
        generation: its folder.
        manifest: its manifest.
        users_known: whether a user pool had been read.

    Raises:
        ValueError: a snapshot is damaged.
    """
    world = World(generation=generation)
    with (
        world.open("addresses") as addresses,
        world.open("users") as users,
        world.open("domains") as domains,
        world.open(LIMITS) as limits,
    ):
        return Directory(
            lines=list(addresses),
            users=tuple(User(name, int(uid)) for name, uid in (line.split("\t") for line in users)),
            users_known=users_known,
            domains=tuple(domains),
            quarantine=Quarantine(manifest.quarantine),
            rows=manifest.counts.get("rows", 0),
            folded=manifest.counts.get("folded", 0),
            sending_limits=tuple(SendingLimit(user, int(number)) for user, number in map(_pair, limits)),
        )


def holders_of(generation: Path | None) -> dict[int, str]:
    """Return UID → name of the users that a generation serves; none of no generation, and damaged lines left out."""
    holders: dict[int, str] = {}
    with World(generation=generation).open("users") as users:
        for line in users:
            name, _, uid = line.partition("\t")
            if uid.isdecimal():
                holders[int(uid)] = name
    return holders


def _pair(line: str) -> tuple[str, str]:
    first, second = line.split("\t")
    return first, second


class _Lines:
    """A snapshot's lines without their ends; an absent snapshot has none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Iterable[str]:
        try:
            self._file = self._path.open(encoding="ascii", errors="backslashreplace")
        except FileNotFoundError:
            return ()
        return (line.rstrip("\n") for line in self._file)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
