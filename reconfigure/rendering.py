"""How files read: the tier's Jinja templates over the directory, streamed, so that memory does not grow with the text.

Pure but for reading templates. Templates loop and filter; what a line may contain was decided in `directory`. The
same directory and settings give the same bytes, sorted by key, which is also what makes `makemap` fast.
"""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from reconfigure.directory import delivery
from reconfigure.directory.model import Directory, State, User
from reconfigure.errors import ConfigurationError
from reconfigure.tiers import MANIFEST_NAME, TierManifest

PIECES_A_CHUNK = 16_384


class _Targets(dict[str, str]):
    """Packed users → where their mail is delivered, worked out once for each set of users."""

    def __missing__(self, users: str) -> str:
        found = self[users] = delivery.target(tuple(users.split("/")) if users else ())
        return found


class AddressLine(NamedTuple):
    """What a template sees of an address; `target` is a user, an alias, or empty when nobody is served."""

    name: str
    state: str
    target: str


class View:
    """What templates see: each attribute can be looped over any number of times and holds no copy of the directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._targets = _Targets()

    @property
    def addresses(self) -> Iterator[tuple[str, str, str]]:
        """Yield (name, state, target) in order of names."""
        targets = self._targets
        for name, state, users in map(str.split, self._directory.lines, repeat("\t")):
            yield name, state, targets[users]

    @property
    def active(self) -> Iterator[tuple[str, str]]:
        """Yield (name, target) of the addresses that take mail, in order of names."""
        targets = self._targets
        active = State.ACTIVE.value
        for name, state, users in map(str.split, self._directory.lines, repeat("\t")):
            if state == active:
                yield name, targets[users]

    @property
    def groups(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return (alias, users) of each set of users that shares an active address, sorted by alias."""
        mark = f"\t{State.ACTIVE.value}\t"
        shared = {line.rpartition("\t")[2] for line in self._directory.lines if "/" in line and mark in line}
        return delivery.groups(tuple(users.split("/")) for users in shared)

    @property
    def domains(self) -> tuple[str, ...]:
        """Return the hosted domains, sorted."""
        return tuple(self._directory.domains)

    @property
    def users(self) -> tuple[User, ...]:
        """Return the users served, sorted by name."""
        return tuple(self._directory.users)


class Renderer:
    """Renders one tier's templates.

    Args:
        manifest: the tier's.
        templates: the folder of all tiers, where shared templates lie.
        settings: what templates may name as `settings.<name>`; validated strings only.

    Raises:
        ConfigurationError: a template does not compile.
    """

    def __init__(self, manifest: TierManifest, templates: Path, settings: Mapping[str, str]) -> None:
        self._settings = dict(settings)
        self._manifest = manifest
        self._templates = templates
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([manifest.folder, templates]),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # noqa: S701 - maps, not HTML; no value here holds anything that could be escaped
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            auto_reload=False,
        )

    def stream(self, template: str, view: View, **names: Any) -> Iterator[bytes]:
        """Yield a file's bytes in chunks.

        Raises:
            ConfigurationError: the template does not compile or names something that does not exist.
        """
        try:
            compiled = self._environment.get_template(template)
            pieces = compiled.generate(world=view, settings=self._settings, **names)
            while chunk := "".join(islice(pieces, PIECES_A_CHUNK)):
                yield chunk.encode("ascii")
        except jinja2.TemplateError as error:
            line = getattr(error, "lineno", None)
            place = f"{template}:{line}" if line else template
            raise ConfigurationError(
                f"rendering {place} of tier {self._manifest.tier} failed: {error.message}"
            ) from error

    def digest(self) -> str:
        """Return the SHA-256 (hex) of everything but the directory that decides the bytes: templates and settings."""
        sha = hashlib.sha256()
        for path in sorted({self._source(name) for name in self._environment.list_templates() if self._is_used(name)}):
            sha.update(f"{path.name}\n".encode())
            sha.update(hashlib.sha256(path.read_bytes()).digest())
        for key, value in sorted(self._settings.items()):
            sha.update(f"{key}={value}\n".encode())
        return sha.hexdigest()

    def _is_used(self, name: str) -> bool:
        """Tell whether a template may matter to this tier: its own folder, its manifest, and what tiers share."""
        in_own_folder = (self._manifest.folder / name).is_file()
        return (in_own_folder and (name.endswith(".j2") or name == MANIFEST_NAME)) or name.startswith("shared/")

    def _source(self, name: str) -> Path:
        own = self._manifest.folder / name
        return own if own.is_file() else self._templates / name
