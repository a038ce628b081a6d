"""Where generations lie: the state folder, its `current` and `previous` links, the held candidate, what is pruned.

`current` is the only path that a daemon's configuration names. It changes by one rename, so at every moment it
leads to a whole generation. Whoever changes anything here holds the lock (see `lock.py`).
"""

import json
import shutil
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconfigure.errors import GenerationError
from reconfigure.generations.durable import replace_link, replace_text, sync
from reconfigure.generations.manifest import Manifest

MANIFEST_NAME = "manifest.json"
BUILDING_PREFIX = ".building-"


@dataclass(frozen=True, kw_only=True)
class Held:
    """A candidate that waits for an operator: which, why, since when, and what it would lose by kind."""

    id: str
    reasons: tuple[str, ...]
    lost: Mapping[str, int]
    since: str
    input_digest: str


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
        for leftover in (*self.folder.glob(f"{BUILDING_PREFIX}*"), *self.state_dir.glob(".*.tmp")):
            remove(leftover)
        for folder in self.folder.iterdir():
            if folder.is_dir() and not (folder / MANIFEST_NAME).is_file():
                remove(folder)  # a prune that was interrupted; a generation gets its name only when it is whole

    def path(self, generation: str) -> Path:
        """Return a generation's folder, whether or not it exists."""
        return self.folder / generation

    def active(self) -> Manifest | None:
        """Return the manifest of the active generation, or None before the first."""
        return self._follow(self.current)

    def before(self) -> Manifest | None:
        """Return the manifest of the generation that was active before, or None."""
        return self._follow(self.previous)

    def _follow(self, link: Path) -> Manifest | None:
        try:
            target = link.readlink()
        except FileNotFoundError:
            return None
        if not (self.state_dir / target / MANIFEST_NAME).is_file():
            return None  # somebody removed the generation by hand; the next pass builds it anew
        return self.load(target.name)

    def load(self, generation: str) -> Manifest:
        """Return a generation's manifest.

        Raises:
            GenerationError: there is no such generation, or its manifest cannot be read.
        """
        path = self.path(generation) / MANIFEST_NAME
        try:
            return Manifest.from_json(path.read_text(encoding="utf-8"), origin=str(path))
        except (FileNotFoundError, NotADirectoryError) as error:
            known = ", ".join(manifest.id for manifest in self.all()[:5]) or "none"
            raise GenerationError(f"there is no generation {generation!r}; the newest are: {known}") from error

    def all(self) -> list[Manifest]:
        """Return the manifests of all whole generations, newest first."""
        if not self.folder.is_dir():
            return []
        names = sorted((entry.parent.name for entry in self.folder.glob(f"[!.]*/{MANIFEST_NAME}")), reverse=True)
        return [self.load(name) for name in names]

    def new_id(self, created: datetime, digest: str) -> str:
        """Return an id that sorts by time and names its input; never one that exists."""
        base = f"{created.astimezone(UTC):%Y%m%dT%H%M%S}.{created.microsecond // 1000:03d}Z-{digest[:8]}"
        name, again = base, 1
        while self.path(name).exists():
            again += 1
            name = f"{base}-{again}"
        return name

    def is_intact(self, manifest: Manifest) -> bool:
        """Tell by size, kind and mode whether a generation's files are as they were built (contents: `verify`)."""
        folder = self.path(manifest.id)
        for path, record in manifest.files.items():
            try:
                found = (folder / path).lstat()
            except OSError:
                return False
            if not stat.S_ISREG(found.st_mode) or found.st_size != record.size:
                return False
        return True

    def activate(self, generation: str) -> None:
        """Make a generation the active one by one rename; needs the lock.

        Raises:
            GenerationError: it is not whole.
        """
        manifest = self.load(generation)
        if not self.is_intact(manifest):
            raise GenerationError(
                f"generation {generation} was changed or damaged since it was built, so it was not activated; "
                "run 'reconfigure once' to build it anew from the source"
            )
        active = self.active()
        if active is not None and active.id == generation:
            return
        if active is not None:
            replace_link(self.previous, f"generations/{active.id}")
        replace_link(self.current, f"generations/{generation}")

    def held(self) -> Held | None:
        """Return the candidate that waits for approval, or None."""
        try:
            document = json.loads(self._held.read_text(encoding="utf-8"))
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

    def prune(self, *, keep: int, days: float, now: datetime) -> list[str]:
        """Remove old generations and return their ids; needs the lock.

        A generation goes when it is beyond the newest `keep` or older than `days`. The active one, the one before
        it and the held one stay whatever their age.
        """
        stays = {link.readlink().name for link in (self.current, self.previous) if link.is_symlink()}
        held = self.held()
        if held is not None:
            stays.add(held.id)
        gone = []
        oldest = now - timedelta(days=days)
        for rank, manifest in enumerate(self.all()):
            too_old = datetime.fromisoformat(manifest.created) < oldest
            if manifest.id not in stays and (rank >= keep or too_old):
                remove(self.path(manifest.id))
                gone.append(manifest.id)
        return gone


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; the manifest goes first, so half a folder is never taken for whole."""
    if path.is_dir() and not path.is_symlink():
        (path / MANIFEST_NAME).unlink(missing_ok=True)
        shutil.rmtree(path)
    else:
        path.unlink()
