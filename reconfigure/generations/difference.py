"""What a diff says: what is gained, lost and changed between two worlds, and between the texts of their files.

Everything is counted and only the first of it kept, so memory does not grow with how much differs. Nothing here
prints.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from reconfigure.directory.model import Directory
from reconfigure.errors import GenerationError
from reconfigure.generations.compare import Change, World, compare
from reconfigure.generations.guard import KINDS
from reconfigure.generations.store import GenerationStore
from reconfigure.generations.texts import OutOfOrderError, Text, entries, in_order, opened, pairs, texts_of
from reconfigure.tiers import MapSpec

SOURCE = "source"


class Turnover(NamedTuple):
    """Changes of one sort: exact counts, and the first changes in full."""

    gained: int
    lost: int
    changed: int
    listed: tuple[Change, ...]

    @property
    def total(self) -> int:
        """How many changes there are, listed or not."""
        return self.gained + self.lost + self.changed


class FileDifference(NamedTuple):
    """One file that differs.

    Attributes:
        path: relative to the generation.
        kind: whether it is in both, or only in the second (`added`) or first (`removed`) one. `unreadable`: it
            differs, and this user may not read how.
        entries: what differs, by line; nothing when only comments or the order do.
    """

    path: str
    kind: Literal["changed", "added", "removed", "unreadable"]
    entries: Turnover


class FolderDifference(NamedTuple):
    """A file held against one that somebody else made.

    Attributes:
        path: relative to the generation.
        there: the other file.
        entries: what differs, by key as maps fold it: gained is only here, lost only there; `old` is the value there.
    """

    path: str
    there: Path
    entries: Turnover


class Difference(NamedTuple):
    """What differs between two generations, or between a generation and the source, and what they are called.

    Attributes:
        old: id; None stands for a generation that holds nothing.
        new: id, or SOURCE.
        worlds: by kind.
        files: those that differ.
    """

    old: str | None
    new: str
    worlds: Mapping[str, Turnover]
    files: tuple[FileDifference, ...]

    @property
    def is_there(self) -> bool:
        """Whether anything differs."""
        return bool(self.files) or any(found.total for found in self.worlds.values())


def between(store: GenerationStore, old: str | None, new: str, *, limit: int) -> Difference:
    """Return what differs between two generations.

    Args:
        store: where they lie.
        old: id of the first; None is a generation that holds nothing.
        new: id of the second.
        limit: how many changes of each kind, and of each file, are kept in full.

    Raises:
        GenerationError: one of them does not exist or is damaged.
    """
    texts = texts_of(store.load(new), store.path(new))
    return _difference(store, old, new, World(generation=store.path(new)), texts, limit)


def from_active(store: GenerationStore, directory: Directory, texts: Mapping[str, Text], *, limit: int) -> Difference:
    """Return what differs between the active generation and a directory in memory.

    Args:
        store: where the active generation lies; there may be none.
        directory: what the source says.
        texts: what it renders to, by path.
        limit: how many changes of each kind, and of each file, are kept in full.

    Raises:
        GenerationError: the active generation is damaged.
    """
    active = store.active()
    return _difference(store, None if active is None else active.id, SOURCE, World(directory=directory), texts, limit)


def _difference(
    store: GenerationStore, old: str | None, new: str, world: World, texts: Mapping[str, Text], limit: int
) -> Difference:
    if old is None:
        return Difference(old, new, worlds(World(), world, limit=limit), files({}, texts, limit=limit))
    before = texts_of(store.load(old), store.path(old))
    return Difference(
        old,
        new,
        worlds(World(generation=store.path(old)), world, limit=limit),
        files(before, texts, limit=limit),
    )


def worlds(old: World, new: World, *, limit: int) -> dict[str, Turnover]:
    """Return what differs between two worlds, by kind, with at most `limit` changes of each kind in full."""
    found = {}
    for kind in KINDS:
        with old.open(kind) as before, new.open(kind) as after:
            found[kind] = _counted(compare(before, after), limit)
    return found


def files(old: Mapping[str, Text], new: Mapping[str, Text], *, limit: int) -> tuple[FileDifference, ...]:
    """Return the files that differ, in order of their paths, with at most `limit` entries of each in full."""
    found = []
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before is not None and after is not None and before.sha256 == after.sha256:
            continue
        kind: Literal["changed", "added", "removed"] = "changed"
        if before is None or after is None:
            kind = "added" if before is None else "removed"
        try:
            found.append(FileDifference(path, kind, _entries(before, after, limit)))
        except PermissionError:
            found.append(FileDifference(path, "unreadable", Turnover(0, 0, 0, ())))
        except FileNotFoundError as error:
            raise GenerationError(
                f"comparing {path} failed: {error.filename} is gone, though its generation's manifest names it; "
                "run 'reconfigure once', which builds the active generation anew when it is not whole"
            ) from error
    return tuple(found)


def against(
    texts: Mapping[str, Text], folder: Path, *, maps: Mapping[str, MapSpec], limit: int
) -> tuple[tuple[FolderDifference, ...], tuple[str, ...]]:
    """Compare texts with files of the same names in a folder, entry by entry: order, comments and spacing are nothing.

    The other file's entries are held in memory: they are in no order that could be relied on.

    Args:
        texts: ours, by path relative to the generation.
        folder: where the others lie, under the same path or the same name.
        maps: what the texts that are compiled compile to, by path; it says what parts key and value.
        limit: how many entries of each file are kept in full.

    Returns:
        What was compared, equal files included, and the paths that the folder lacks.
    """
    compared, missing = [], []
    for path, text in sorted(texts.items()):
        there = next((there for name in (path, PurePosixPath(path).name) if (there := folder / name).is_file()), None)
        if there is None:
            missing.append(path)
            continue
        with there.open("rb") as lines:
            others = dict(pairs(lines, maps.get(path)))
        with text.lines() as lines:
            changes = _held_against(others, pairs(lines, maps.get(path)))
            compared.append(FolderDifference(path, there, _counted(changes, limit)))
    return tuple(compared), tuple(missing)


def _held_against(others: dict[str, str], ours: Iterable[tuple[str, str]]) -> Iterator[Change]:
    """Yield what differs; `others` is used up."""
    for key, value in ours:
        other = others.pop(key, None)
        if other != value:
            yield Change(key, other, value)
    for key, other in others.items():
        yield Change(key, other, None)


def _entries(before: Text | None, after: Text | None, limit: int) -> Turnover:
    try:
        with opened(before) as old, opened(after) as new:
            return _counted(map(_line, compare(in_order(old), in_order(new))), limit)
    except OutOfOrderError:
        pass  # a small file, or one that no template here wrote: compared in memory, as a bag of lines
    with opened(before) as old, opened(after) as new:
        gone, come = Counter(entries(old)), Counter(entries(new))
    both = gone & come
    changes = [Change(line, line, None) for line in (gone - both).elements()]
    changes += [Change(line, None, line) for line in (come - both).elements()]
    return _counted(iter(sorted(changes, key=lambda change: change.key)), limit)


def _line(change: Change) -> Change:
    """Return a change of `key TAB line` as one of the line."""
    old, new = (line and line.partition("\t")[2] for line in (change.old, change.new))
    return Change(change.key, old, new)


def _counted(changes: Iterator[Change], limit: int) -> Turnover:
    gained = lost = changed = 0
    listed: list[Change] = []
    for change in changes:
        gained += change.old is None
        lost += change.new is None
        changed += change.old is not None and change.new is not None
        if len(listed) < limit:
            listed.append(change)
    return Turnover(gained, lost, changed, tuple(listed))
