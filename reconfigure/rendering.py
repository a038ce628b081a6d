"""How files read: the tier's Jinja templates over the directory, streamed, so that memory does not grow with the text.

Pure but for reading templates. Templates loop and filter; what a line may contain was decided in `directory`. The
same directory and settings give the same bytes, sorted by key, which is also what makes `makemap` fast.
"""

import hashlib
import traceback
from collections.abc import Iterator, Mapping
from itertools import islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from reconfigure.directory import delivery
from reconfigure.directory.model import Directory, SendingLimit, State, User
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
    def states(self) -> Iterator[tuple[str, str]]:
        """Yield (name, state) in order of names: what decides whether mail is taken at all."""
        for name, state, _ in map(str.split, self._directory.lines, repeat("\t")):
            yield name, state

    @property
    def active(self) -> Iterator[tuple[str, str]]:
        """Yield (name, target) of the addresses that take mail, in order of names."""
        targets = self._targets
        active = State.ACTIVE.value
        for name, state, users in map(str.split, self._directory.lines, repeat("\t")):
            if state == active:
                yield name, targets[users]

    @property
    def senders(self) -> Iterator[tuple[str, str]]:
        """Yield (name, user) for each user of each address that takes mail, in order of names and users."""
        active = State.ACTIVE.value
        for name, state, users in map(str.split, self._directory.lines, repeat("\t")):
            if state == active:
                for user in users.split("/"):
                    yield name, user

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

    @property
    def sending_limits(self) -> tuple[SendingLimit, ...]:
        """Return the limits of users that have one of their own, sorted by user."""
        return tuple(self._directory.sending_limits)


class Renderer:
    """Renders one tier's templates.

    Args:
        manifest: the tier's.
        templates: the folder of all tiers, where shared templates lie.
        settings: what templates may name as `settings.<name>`; validated strings only.
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
        """Yield the bytes of a file that says something of the world, in chunks.

        Raises:
            ConfigurationError: as `_stream` does.
        """
        return self._stream(template, {"world": view, "settings": self._settings, **names})

    def static(self, template: str, settings: Mapping[str, object]) -> bytes:
        """Return the bytes of a file that says nothing of the world.

        Raises:
            ConfigurationError: as `_stream` does.
        """
        return b"".join(self._stream(template, {"settings": settings}))

    def _stream(self, template: str, names: dict[str, Any]) -> Iterator[bytes]:
        """Yield a file's bytes in chunks.

        Raises:
            ConfigurationError: the template is missing, does not compile, names something that does not exist, or does
                with a value what cannot be done with it; the message names template and line.
        """
        try:
            compiled = self._environment.get_template(template)
            context = compiled.new_context(names)
            # What Template.generate iterates, without a second generator around each of five million pieces.
            pieces = compiled.root_render_func(context)
            while chunk := _joined(pieces, self._environment):
                yield _ascii(chunk)
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"rendering {self._place(error, template)} of tier {self._manifest.tier} failed: {error}; "
                "correct the template (see the reference of tier.yaml for what templates see)"
            ) from error

    def digest(self) -> str:
        """Return the SHA-256 (hex) of everything but the directory that decides the bytes: templates and settings."""
        sha = hashlib.sha256()
        for path in self._sources():
            sha.update(f"{path.relative_to(self._templates).as_posix()}\n".encode())
            sha.update(hashlib.sha256(path.read_bytes()).digest())
        for key, value in sorted(self._settings.items()):
            sha.update(f"{key}={value}\n".encode())
        return sha.hexdigest()

    def _sources(self) -> list[Path]:
        """Return the tier's manifest, the templates it names, and every other one, since any may include any."""
        manifest = self._manifest
        named = {spec.template for spec in manifest.files} | {check.config for check in manifest.checks}
        named |= {check.probe for check in manifest.checks if check.probe is not None}
        own = {root / name for name in named for root in (manifest.folder, self._templates)}
        found = own | set(self._templates.rglob("*.j2")) | {manifest.folder / MANIFEST_NAME}
        return sorted(path for path in found if path.is_file())

    def _place(self, error: Exception, template: str) -> str:
        """Return `template:line` of the innermost template that an error came from."""
        if isinstance(error, jinja2.TemplateSyntaxError):
            return f"{error.name or template}:{error.lineno}"
        roots = (self._manifest.folder, self._templates)  # Jinja rewrites tracebacks to name its templates
        for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
            path = Path(frame.f_code.co_filename)
            root = next((root for root in roots if path.is_relative_to(root)), None)
            if root is not None:
                return f"{path.relative_to(root)}:{line}"
        return template


def _joined(pieces: Iterator[str], environment: jinja2.Environment) -> str:
    """Return the next pieces of a text as one; an error's traceback names the template's own lines."""
    try:
        return "".join(islice(pieces, PIECES_A_CHUNK))
    except Exception:  # noqa: BLE001 - handed on at once, by Jinja, with the template's line in its traceback
        environment.handle_exception()


def _ascii(text: str) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError as error:
        line = text[text.rfind("\n", 0, error.start) + 1 :].partition("\n")[0]
        raise ValueError(f"a line is not ASCII: {line[:120]!a}") from error
