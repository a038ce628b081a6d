"""Builds a candidate generation beside the active one: written, compiled, read back, checked, on disk, then named.

Until its last line a candidate has a name that nobody follows and no manifest, so an end at any point leaves
rubbish that the next start removes, and never half a generation.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from reconfigure.directory.model import Directory, State, owners_of
from reconfigure.durable import record_mode, sync, sync_all
from reconfigure.errors import GenerationError
from reconfigure.generations import checks
from reconfigure.generations.compare import LIMITS, SNAPSHOT_FOLDER, lines_of
from reconfigure.generations.guard import KINDS
from reconfigure.generations.manifest import FileRecord, Manifest
from reconfigure.generations.maps import Makemap
from reconfigure.generations.peaks import Peaks
from reconfigure.generations.store import (
    BUILDING_PREFIX,
    FOLDER_MODE,
    MANIFEST_NAME,
    GenerationStore,
    is_sound,
    remove,
    sha256_of,
)
from reconfigure.phases import Phases
from reconfigure.rendering import Renderer, View
from reconfigure.tiers import FileSpec, TierManifest

_CHUNK = 1 << 20
_LINES_A_CHUNK = 10_000


class Builder:
    """Builds generations of one tier.

    Args:
        store: where they lie.
        tier: which files there are.
        renderer: how they read.
        makemap: compiles maps.
        timeout: seconds for each of the daemons' checkers.
    """

    def __init__(
        self, store: GenerationStore, tier: TierManifest, *, renderer: Renderer, makemap: Makemap, timeout: float
    ) -> None:
        self._store = store
        self._tier = tier
        self._renderer = renderer
        self._makemap = makemap
        self._timeout = timeout

    def build(
        self,
        directory: Directory,
        *,
        input_digest: str,
        created: datetime,
        peaks: Peaks | None = None,
        phases: Phases,
        checkpoint: Callable[[], None],
    ) -> Manifest:
        """Build a generation, whole and on disk but not active, and return its manifest; needs the lock.

        Args:
            directory: what to render.
            input_digest: what the files are made from, for the manifest.
            created: now, with offset.
            peaks: what was served in the last day, for the manifest; None: nothing is known.
            phases: where time goes.
            checkpoint: called between steps and chunks; may raise to end the work.

        Raises:
            GenerationError: a map, a check or the disk refused it; nothing is left behind.
            ConfigurationError: a template is wrong.
        """
        name = self._store.new_id(created, input_digest)
        folder = self._store.folder / f"{BUILDING_PREFIX}{name}"
        try:
            manifest = self._fill(
                folder,
                directory,
                name=name,
                input_digest=input_digest,
                created=created,
                peaks=peaks or {},
                phases=phases,
                checkpoint=checkpoint,
            )
            with phases("write"):
                folder.rename(self._store.path(name))
                sync(self._store.folder)
        except OSError as error:
            self._discard(folder)
            raise GenerationError(
                f"building generation {name} in {self._store.folder} failed: {error}; "
                "free space or make the folder writable ('df -h', 'df -i'). The active generation serves on"
            ) from error
        except BaseException:
            self._discard(folder)
            raise
        return manifest

    def _fill(
        self,
        folder: Path,
        directory: Directory,
        *,
        name: str,
        input_digest: str,
        created: datetime,
        peaks: Peaks,
        phases: Phases,
        checkpoint: Callable[[], None],
    ) -> Manifest:
        folder.mkdir()
        active = self._store.active()
        view = View(directory)
        files: dict[str, FileRecord] = {}
        for spec in self._tier.files:
            checkpoint()
            files |= self._make(spec, folder, view=view, active=active, phases=phases, checkpoint=checkpoint)
        with phases("write"):
            for kind in (*KINDS, *([LIMITS] if directory.sending_limits else [])):
                files |= _snapshot(folder, kind, directory, checkpoint)
        with phases("check"):
            checkpoint()
            results = checks.run_checks(
                self._tier, folder, renderer=self._renderer, view=view, timeout=self._timeout, checkpoint=checkpoint
            )
        manifest = Manifest(
            id=name,
            parent=active.id if active else None,
            tier=self._tier.tier,
            created=created.isoformat(timespec="milliseconds"),
            input_digest=input_digest,
            files=files,
            counts=counts_of(directory),
            quarantine=directory.quarantine.counts,
            checks=results,
            peaks=peaks,
        )
        with phases("write"):
            checkpoint()
            (folder / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
            (folder / MANIFEST_NAME).chmod(record_mode())
            for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
                each.chmod(FOLDER_MODE)
            # Files first, then the folders that name them, deepest first.
            paths = sorted(folder.rglob("*"), key=lambda path: (path.is_dir(), -len(path.parts)))
            sync_all([*paths, folder])
        return manifest

    def _make(
        self,
        spec: FileSpec,
        folder: Path,
        *,
        view: View,
        active: Manifest | None,
        phases: Phases,
        checkpoint: Callable[[], None],
    ) -> dict[str, FileRecord]:
        """Render one file; compile it, or link it and its database to the active generation's when nothing changed."""
        path = folder / spec.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with phases("render"):
            record = _write(path, self._renderer.stream(spec.template, view), spec=spec, checkpoint=checkpoint)
        if active is not None and active.files.get(spec.path) == record:
            with phases("link"):
                linked = self._link(spec, folder, active)
            if linked is not None:
                return linked
        made = {spec.path: record}
        if spec.map is not None:
            checkpoint()
            with phases("compile"):
                database = self._makemap.compile(path, spec.map, checkpoint=checkpoint)
                _own(database, spec)
            checkpoint()
            with phases("check"):
                count = self._makemap.verify(path, spec.map, checkpoint=checkpoint)
                made[f"{spec.path}.db"] = _record(database, spec=spec, entries=count)
        return made

    def _link(self, spec: FileSpec, folder: Path, active: Manifest) -> dict[str, FileRecord] | None:
        """Link a file to the active generation's, or return None when those are not what they were built as."""
        source = self._store.path(active.id)
        records = {}
        for path in spec.files:
            record = active.files.get(path)
            if record is None or not is_sound(source / path, record):
                return None
            records[path] = record
        for path in spec.files:
            (folder / path).unlink(missing_ok=True)
            os.link(source / path, folder / path)
        return records

    def _discard(self, folder: Path) -> None:
        # On a disk that fails, removal may fail, too: the first error is the one to report, the next start cleans up.
        with suppress(OSError):
            if folder.exists():
                remove(folder)


def counts_of(directory: Directory) -> dict[str, int]:
    """Return how many of everything a directory serves."""
    states = dict.fromkeys(State, 0)
    for line in directory.lines:
        states[State(line.split("\t", 2)[1])] += 1
    return {
        "rows": directory.rows,
        "addresses": len(directory.lines),
        **{state.value: count for state, count in states.items()},
        "domains": len(directory.domains),
        "users": len(directory.users),
        "owners": len(owners_of(directory.lines)) if directory.users_known else 0,
        "folded": directory.folded,
    }


def _write(path: Path, chunks: Iterable[bytes], *, spec: FileSpec, checkpoint: Callable[[], None]) -> FileRecord:
    sha = hashlib.sha256()
    size = entries = 0
    with path.open("wb") as file:
        for chunk in chunks:
            checkpoint()
            file.write(chunk)
            sha.update(chunk)
            size += len(chunk)
            entries += chunk.count(b"\n")
    with path.open("rb") as file:
        for line in file:
            if not line.startswith(b"#"):
                break
            entries -= 1
    _own(path, spec)
    return FileRecord(sha256=sha.hexdigest(), size=size, entries=entries, made_as=_made_as(spec))


def _snapshot(folder: Path, kind: str, directory: Directory, checkpoint: Callable[[], None]) -> dict[str, FileRecord]:
    path = f"{SNAPSHOT_FOLDER}/{kind}"
    spec = FileSpec(path=path, template="", mode=record_mode())
    (folder / SNAPSHOT_FOLDER).mkdir(exist_ok=True)
    return {path: _write(folder / path, _lines(lines_of(directory, kind)), spec=spec, checkpoint=checkpoint)}


def _lines(lines: Iterable[str]) -> Iterable[bytes]:
    held: list[str] = []
    for line in lines:
        held.append(line)
        if len(held) == _LINES_A_CHUNK:
            yield ("\n".join(held) + "\n").encode("ascii")
            held.clear()
    if held:
        yield ("\n".join(held) + "\n").encode("ascii")


def _own(path: Path, spec: FileSpec) -> None:
    """Set mode, and owner where this process may give files away (root); elsewhere the files are its own."""
    path.chmod(spec.mode)
    if spec.owner is not None and os.geteuid() == 0:
        user, _, group = spec.owner.partition(":")
        try:
            shutil.chown(path, user, group or None)
        except LookupError as error:
            raise GenerationError(
                f"{spec.path} should belong to {spec.owner}, which this system does not know ({error}); "
                "create the account or change 'owner' in the tier's manifest"
            ) from error


def _record(path: Path, *, spec: FileSpec, entries: int) -> FileRecord:
    return FileRecord(sha256=sha256_of(path), size=path.stat().st_size, entries=entries, made_as=_made_as(spec))


def _made_as(spec: FileSpec) -> str:
    compiled = f"{spec.map.kind} {spec.map.separator or ''}" if spec.map else ""
    return f"{spec.mode:04o} {spec.owner or ''} {compiled}".rstrip()
