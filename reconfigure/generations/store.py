"""Where generations lie: the state folder, its `current` and `previous` links, the held candidate, what is pruned.

`current` is the only path that a daemon's configuration names. It changes by one rename, so at every moment it
leads to a whole generation. Whoever changes anything here holds the lock (see `lock.py`).
"""

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from reconfigure.durable import read_plain, replace_link, replace_text, sweep, sync
from reconfigure.errors import GenerationError
from reconfigure.generations.compare import SNAPSHOT_FOLDER
from reconfigure.generations.manifest import FileRecord, Manifest

log = structlog.get_logger()

MANIFEST_NAME = "manifest.json"
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
FOLDER_MODE = 0o755  # the daemons' accounts go through folders; what each may read, its own mode says
BUILDING_PREFIX = ".building-"
_LEAST_ROOM = 256 * 1024  # bytes that a small generation takes, compiled maps included


@dataclass(frozen=True, kw_only=True)
class Held:
    """A candidate that waits for an operator: which, why, since when, and what it would lose by kind."""

    id: str
    reasons: tuple[str, ...]
    lost: Mapping[str, int]
    since: str
    input_digest: str


def _set_mode(folder: Path) -> None:
    """See to it that the daemons get through a folder, and that nobody else may write to it.

    A folder that was made under another umask lets nobody in; sendmail takes no map that lies below one where others
    may write, such as a file system in memory that was mounted without a mode.
    """
    mode = stat.S_IMODE(folder.stat().st_mode)
    wanted = (mode | FOLDER_MODE) & ~OTHERS_WRITE
    if mode == wanted:
        return
    about = {"folder": str(folder), "mode": f"{mode:o}", "wanted": f"{wanted:o}"}
    try:
        folder.chmod(wanted)
    except PermissionError as error:
        log.warning("folder_mode_wrong", **about, error=error.strerror, fix=f"chmod {wanted:o}, as its owner")
    else:
        log.warning("folder_mode_mended", **about)


class GenerationStore:
    """The state folder of one tier.

    Args:
        state_dir: the folder; made when missing.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.folder = state_dir / "generations"
        self.current = state_dir / "current"
        self.previous = state_dir / "previous"
        self._held = state_dir / "held.json"

    def prepare(self) -> None:
        """Make the folders and remove what an interrupted pass left behind; needs the lock."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.state_dir, self.folder):
            _set_mode(folder)
        sweep(self.state_dir)
        for leftover in self.folder.glob(f"{BUILDING_PREFIX}*"):
            remove(leftover)
        followed = self._followed()
        for folder in self.folder.iterdir():
            # A prune that was interrupted: a generation gets its name only when it is whole. One that daemons follow
            # stays whatever it lacks: half of it serves better than nothing, until the next one takes its place.
            if folder.is_dir() and folder.name not in followed and not (folder / MANIFEST_NAME).is_file():
                remove(folder)

    def path(self, generation: str) -> Path:
        """Return a generation's folder, whether or not it exists."""
        return self.folder / generation

    def active(self) -> Manifest | None:
        """Return the manifest of the active generation, or None before the first."""
        return self._follow(self.current)

    def before(self) -> Manifest | None:
        """Return the manifest of the generation that was active before, or None.

        None, too, after an end between the two links of a flip: then `previous` leads to the active one already.
        """
        before = self._named(self.previous)
        return None if before is None or before == self.active_id() else self.load(before)

    def active_id(self) -> str | None:
        """Return the id of the active generation, also when its manifest cannot be read; None before the first."""
        return self._named(self.current)

    def snapshots(self) -> Path | None:
        """Return the folder of what is live, or was before, by its snapshots alone; None where nothing was.

        So a candidate has something to be held against, though a manifest or a whole generation went missing.
        """
        for link in (self.current, self.previous):
            if link.is_symlink() and (self.state_dir / link.readlink() / SNAPSHOT_FOLDER / "addresses").is_file():
                return self.state_dir / link.readlink()
        return None

    def _follow(self, link: Path) -> Manifest | None:
        name = self._named(link)
        return None if name is None else self.load(name)

    def _named(self, link: Path) -> str | None:
        """Return the id of the generation that a link leads to; None: also when somebody removed that by hand."""
        try:
            target = link.readlink()
        except FileNotFoundError:
            return None
        return target.name if (self.state_dir / target / MANIFEST_NAME).is_file() else None

    def load(self, generation: str) -> Manifest:
        """Return a generation's manifest.

        Raises:
            GenerationError: there is no such generation, or its manifest cannot be read.
        """
        path = self.path(generation) / MANIFEST_NAME
        try:
            return Manifest.from_json(read_plain(path), origin=str(path))
        except (FileNotFoundError, NotADirectoryError) as error:
            known = ", ".join(manifest.id for manifest in self.all()[:5]) or "none"
            raise GenerationError(f"there is no generation {generation!r}; the newest are: {known}") from error

    def all(self) -> list[Manifest]:
        """Return the manifests of all whole generations, newest first; those that cannot be read are left out."""
        if not self.folder.is_dir():
            return []
        found = (self._load_if_sound(name) for name in self._names())
        return [manifest for manifest in found if manifest is not None]

    def _names(self) -> list[str]:
        entries = self.folder.glob(f"[!.]*/{MANIFEST_NAME}")
        return sorted((entry.parent.name for entry in entries), reverse=True)

    def _load_if_sound(self, generation: str) -> Manifest | None:
        try:
            return self.load(generation)
        except GenerationError:
            return None  # whoever asks for it by name is told; nobody else has to stumble over it

    def _followed(self) -> set[str]:
        return {link.readlink().name for link in (self.current, self.previous) if link.is_symlink()}

    def new_id(self, created: datetime, digest: str) -> str:
        """Return an id that sorts by time and names its input; never one that exists."""
        base = f"{created.astimezone(UTC):%Y%m%dT%H%M%S}.{created.microsecond // 1000:03d}Z-{digest[:8]}"
        name, again = base, 1
        while self.path(name).exists():
            again += 1
            name = f"{base}-{again}"
        return name

    def is_intact(self, manifest: Manifest) -> bool:
        """Tell by kind, size and mode whether a generation's files are as they were built: cheap, for every pass."""
        folder = self.path(manifest.id)
        return self._lets_in(manifest) and all(is_intact(folder / path, file) for path, file in manifest.files.items())

    def _lets_in(self, manifest: Manifest) -> bool:
        """Tell whether everybody gets through a generation's folders to its files."""
        folder = self.path(manifest.id)
        folders = {folder, *(parent for path in manifest.files for parent in (folder / path).parents)}
        return all(_has_folder_mode(each) for each in folders if each.is_relative_to(folder))

    def is_sound(self, manifest: Manifest) -> bool:
        """Tell whether a generation's files are as they were built, down to every byte."""
        folder = self.path(manifest.id)
        return self._lets_in(manifest) and all(is_sound(folder / path, file) for path, file in manifest.files.items())

    def require_sound(self, manifest: Manifest) -> None:
        """Refuse a generation that is not what was built: it may have lain here for weeks, in reach of an editor.

        Raises:
            GenerationError: a byte differs, or a file is missing.
        """
        if not self.is_sound(manifest):
            raise GenerationError(
                f"generation {manifest.id} was changed or damaged since it was built, so it was not activated; "
                f"remove {self.path(manifest.id)} and run 'reconfigure once', which builds what the source says"
            )

    def activate(self, generation: str) -> None:
        """Make a generation the active one by one rename; needs the lock.

        Raises:
            GenerationError: it is not whole.
        """
        self.require_sound(self.load(generation))
        active = self.active_id()
        if active == generation:
            return
        if active is not None:
            replace_link(self.previous, f"generations/{active}")
        replace_link(self.current, f"generations/{generation}")

    def held(self) -> Held | None:
        """Return the candidate that waits for approval, or None: also when its folder is gone."""
        try:
            document = json.loads(read_plain(self._held))
            held = Held(**{**document, "reasons": tuple(document["reasons"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise GenerationError(
                f"{self._held} cannot be read ({error}); remove it and run 'reconfigure once'"
            ) from error
        return held if (self.path(held.id) / MANIFEST_NAME).is_file() else None

    def hold(self, held: Held) -> None:
        """Keep a candidate for approval, in place of the one that was held before; needs the lock."""
        replace_text(self._held, json.dumps(asdict(held), indent=1) + "\n")

    def release(self) -> None:
        """Forget the held candidate; needs the lock."""
        if self._held.exists():
            self._held.unlink()
            sync(self.state_dir)

    def make_room(self, error: GenerationError, *, besides: str | None = None) -> list[str]:
        """Remove all generations but those that `prune` never removes, where a build failed for want of room.

        Tools do not always say that the disk was full, so where the error does not, the disk is asked: there is too
        little left when it is less than twice what the active generation takes.

        Returns:
            The ids of what was removed; none where room is not what was missing, or there was nothing to remove.
        """
        cause = error.__cause__
        if not (isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}):
            active = self.active()
            files = active.files if active is not None else {}
            size = sum(record.size for record in files.values())
            if not is_short_of_room(self.folder, size=2 * size + _LEAST_ROOM, files=2 * len(files) + 1):
                return []
        return self.prune(keep=0, days=0, now=datetime.now(UTC), besides=besides)

    def prune(self, *, keep: int, days: float, now: datetime, besides: str | None = None) -> list[str]:
        """Remove old generations and return their ids; needs the lock.

        A generation goes when it is beyond the newest `keep` or older than `days`. The active one, the one before it,
        the held one and the one named `besides` stay whatever their age. One whose manifest cannot be read is of no
        use, and goes.
        """
        stays = self._followed()
        held = self.held()
        if held is not None:
            stays.add(held.id)
        if besides is not None:
            stays.add(besides)
        gone = []
        oldest = now - timedelta(days=days)
        for rank, name in enumerate(self._names()):
            if name in stays:
                continue
            manifest = self._load_if_sound(name)
            if manifest is None or rank >= keep or datetime.fromisoformat(manifest.created) < oldest:
                remove(self.path(name))
                gone.append(name)
        return gone


def is_short_of_room(folder: Path, *, size: int, files: int) -> bool:
    """Tell whether a file system has less room left than for so many bytes in so many files."""
    left = os.statvfs(folder)
    # A file system without a fixed number of inodes says that it has none at all.
    return left.f_bavail * left.f_frsize < size or (left.f_files > 0 and left.f_favail < files)


def _has_folder_mode(folder: Path) -> bool:
    try:
        return stat.S_IMODE(folder.stat().st_mode) == FOLDER_MODE
    except OSError:
        return False


def is_intact(path: Path, record: FileRecord) -> bool:
    """Tell by kind, size and mode whether a file is as it was built."""
    try:
        found = path.lstat()
    except OSError:
        return False
    right_mode = record.mode in {None, stat.S_IMODE(found.st_mode)}
    return stat.S_ISREG(found.st_mode) and found.st_size == record.size and right_mode


def is_sound(path: Path, record: FileRecord) -> bool:
    """Tell whether a file is as it was built, down to every byte."""
    try:
        return is_intact(path, record) and sha256_of(path) == record.sha256
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; the manifest goes first, so half a folder is never taken for whole."""
    if path.is_dir() and not path.is_symlink():
        (path / MANIFEST_NAME).unlink(missing_ok=True)
        shutil.rmtree(path)
    else:
        path.unlink()
