"""What the live generation says: entries read back out of the compiled maps, which are what the daemons read.

A map has no look-up of its own here: makemap(8) writes all of it out, and what is not asked for is dropped on the way.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from reconfigure.directory.model import Directory
from reconfigure.errors import GenerationError
from reconfigure.generations.compare import World
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.maps import Makemap, entries
from reconfigure.generations.store import GenerationStore
from reconfigure.generations.texts import ALIASES_ARE_WHOLE
from reconfigure.rendering import Renderer, View
from reconfigure.tiers import FileSpec, MapSpec, TierManifest

_WHOLE = ALIASES_ARE_WHOLE[0].encode("ascii")  # says nothing of anybody

Entries = Mapping[str, Mapping[str, str]]
"""Path of a map in the generation → key → value."""


def active(store: GenerationStore) -> Manifest:
    """Return the live generation's manifest.

    Raises:
        GenerationError: there is none yet, or it is damaged.
    """
    found = store.active()
    if found is None:
        raise GenerationError("there is no generation yet; 'reconfigure once' makes the first")
    return found


def expected(tier: TierManifest, renderer: Renderer, directory: Directory) -> Entries:
    """Return the entries that a directory would make in each map of a tier."""
    view = View(directory)
    found = {}
    for spec, kind in _maps(tier):
        with tempfile.TemporaryFile() as file:
            file.writelines(renderer.stream(spec.template, view))
            found[spec.path] = {_text(key): _text(value) for key, value in entries(file, kind) if key != _WHOLE}
    return found


def compiled(
    tier: TierManifest, makemap: Makemap, generation: Path, wanted: Callable[[str, str], bool]
) -> dict[str, dict[str, str]]:
    """Return the entries of a generation's compiled maps that are asked for.

    Args:
        tier: whose maps.
        makemap: reads them back.
        generation: its folder.
        wanted: tells from a map's path and a key whether the entry is.

    Raises:
        GenerationError: a map cannot be read.
    """
    found = {}
    for spec, kind in _maps(tier):
        with makemap.dumped(generation / spec.path, kind) as file:
            pairs = ((_text(key), value) for key, value in entries(file, kind))
            found[spec.path] = {key: _text(value) for key, value in pairs if wanted(spec.path, key)}
    return found


def of_address(key: str, address: str) -> bool:
    """Tell whether a map's key is about an address: itself, or with a word before or a user behind it."""
    return key == address or key.endswith(f":{address}") or key.startswith(f"{address}!")


def snapshot(generation: Path, kind: str) -> Iterator[str]:
    """Yield the lines of what a generation was made from: `addresses`, `users` or `domains`."""
    with World(generation=generation).open(kind) as lines:
        yield from lines


def differences(wanted: Entries, found: Entries) -> list[str]:
    """Return what of the wanted entries is not there, or is there otherwise, and what is there besides, in words."""
    said: list[str] = []
    for path in sorted(wanted.keys() | found.keys()):
        should, does = wanted.get(path, {}), found.get(path, {})
        said += (
            f"{path}: {key} is {_value(does.get(key))}, and should be {_value(should.get(key))}"
            for key in sorted(should.keys() | does.keys())
            if should.get(key) != does.get(key)
        )
    return said


def shown(found: Entries) -> list[str]:
    """Return entries in words, by map and key."""
    return [f"{path}: {key} -> {value}" for path in sorted(found) for key, value in sorted(found[path].items())]


def _value(value: str | None) -> str:
    return "not there" if value is None else repr(value)


def _maps(tier: TierManifest) -> Iterator[tuple[FileSpec, MapSpec]]:
    for spec in tier.files:
        if spec.map is not None:
            yield spec, spec.map


def _text(value: bytes) -> str:
    return value.decode("ascii", "backslashreplace")
