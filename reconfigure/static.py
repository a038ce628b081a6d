"""The daemons' own configuration: rendered from settings once, at container start, before any daemon may run.

What the sources say is never in it; that is in the generations, which these files name. No secret is in it either:
a template sees whether one is set, and names the file that holds it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from reconfigure.durable import replace_text
from reconfigure.errors import ConfigurationError, ReconfigureError
from reconfigure.placing import place
from reconfigure.rendering import Renderer
from reconfigure.settings import Settings
from reconfigure.settings.fields import SPECS
from reconfigure.tiers import StaticSpec

FOLDER_MODE = 0o755
DERIVED = ("host_name", "delivery_prefixes", "tls_fingerprint")
RECORD_NAME = "static.json"  # in the state folder, which outlives a container


class Rendered(NamedTuple):
    """A file that is yet to be written."""

    spec: StaticSpec
    content: bytes


class _Hidden:
    """What a template sees of a secret: that it is set. To write it anywhere is a mistake."""

    def __str__(self) -> str:
        raise ValueError("it would hold a secret; name the file in settings.secrets_dir instead")


def visible(settings: Settings) -> Mapping[str, object]:
    """Return what static templates see as `settings`: every setting by its field's name, paths as text, and more."""
    found: dict[str, object] = {name: getattr(settings, name) for name in DERIVED}
    for spec in SPECS:
        value = getattr(settings, spec.field)
        masked = value is not None and spec.about.kind.mask is not str
        found[spec.field] = _Hidden() if masked else str(value) if isinstance(value, Path) else value
    return found


def render(renderer: Renderer, specs: Iterable[StaticSpec], settings: Settings) -> list[Rendered]:
    """Return every file, written nowhere yet.

    Raises:
        ConfigurationError: with every template that is missing or wrong.
    """
    seen = visible(settings)
    rendered: list[Rendered] = []
    problems: list[str] = []
    for spec in specs:
        try:
            rendered.append(Rendered(spec, renderer.static(spec.template, seen)))
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(*problems)
    return rendered


def write(folder: Path, files: Iterable[Rendered]) -> Mapping[str, str]:
    """Write every file, and return name → SHA-256 (hex).

    Raises:
        ReconfigureError: a file could not be written, or its owner does not exist.
    """
    written = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(FOLDER_MODE)
        for spec, content in files:
            place(folder / spec.path, content, mode=spec.mode, owner=spec.owner)
            written[spec.path] = hashlib.sha256(content).hexdigest()
    except OSError as error:
        raise ReconfigureError(
            f"writing the daemons' configuration to {folder} failed: {error}; "
            "make the folder writable or set RECONFIGURE_STATIC_DIR"
        ) from error
    return written


def changed_since(state_dir: Path, written: Mapping[str, str]) -> list[str] | None:
    """Remember what was written, and return the names of what differs from the last start; None at the first.

    Raises:
        ReconfigureError: it could not be remembered.
    """
    record = state_dir / RECORD_NAME
    try:
        before = json.loads(record.read_bytes())
        names = before.keys() | written.keys()
        changed = sorted(name for name in names if before.get(name) != written.get(name))
    except (FileNotFoundError, ValueError, AttributeError):
        changed = None
    if changed != []:
        try:
            state_dir.mkdir(parents=True, exist_ok=True)
            replace_text(record, json.dumps(dict(written), indent=1) + "\n")
        except OSError as error:
            raise ReconfigureError(
                f"recording in {record} what the daemons are configured with failed: {error}; "
                "free space or make the folder writable"
            ) from error
    return changed
