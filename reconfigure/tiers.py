"""Which files a tier has: reads `templates/<tier>/tier.yaml`, the data that makes a new file need no Python.

Every mistake in a manifest is reported at once, with the place it stands at. What a template may see is
rendering's business; what is done with a finished file is the generations'.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

from reconfigure.errors import ConfigurationError

MANIFEST_NAME = "tier.yaml"
MAP_TYPES = ("btree", "hash")  # makemap(8)
FILE = "{file}"  # stands for the file's path in the command that checks it
_KEPT = ("manifest.json", "directory")  # what a generation holds besides its tier's files

_HOW = re.compile(r"restart|signal:[A-Z][A-Z0-9]*")
_MODE = re.compile(r"0[0-7]{3}")


class Reload(NamedTuple):
    """How one supervisord program is told that its files changed: `restart` or `signal:<NAME>`."""

    program: str
    how: str


@dataclass(frozen=True, kw_only=True)
class MapSpec:
    """What `makemap` makes of a file: the database type, and what parts key and value in the text (default: tab)."""

    kind: str
    separator: str | None = None


@dataclass(frozen=True, kw_only=True)
class FileSpec:
    """One file of a generation: where it lies, what it is rendered from, and who must hear of a change.

    Attributes:
        path: relative to the generation, POSIX.
        template: relative to the tier's folder, or to `templates/`.
        mode: permission bits; a compiled map gets the same.
        owner: account that owns the file when the process may give files away; None leaves it alone.
        map: what it compiles to, or None for a plain file.
        reload: how the daemon that read it at start is told; None when it looks by itself.
    """

    path: str
    template: str
    mode: int
    owner: str | None = None
    map: MapSpec | None = None
    reload: Reload | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The paths this entry leads to: the text and, for a map, its database."""
        return (self.path, f"{self.path}.db") if self.map else (self.path,)


@dataclass(frozen=True, kw_only=True)
class CheckSpec:
    """A daemon's own checker, run against a candidate where it is installed.

    Attributes:
        name: what it proves, for messages.
        command: argument list; `{config}` and `{generation}` are replaced.
        config: template of a configuration file that names the candidate's files.
        probe: template of what the command reads on standard input, or None.
        needs_domain: whether the command needs a host name with a domain (sendmail sleeps a minute without one).
        refuse: strings whose occurrence in the output means that the check failed, whatever the exit code.
    """

    name: str
    command: tuple[str, ...]
    config: str
    probe: str | None = None
    needs_domain: bool = False
    refuse: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SecretSpec:
    """A secret that `prepare` writes to a file: the setting it comes from, its name, its mode and its owner."""

    setting: str
    path: str
    mode: int
    owner: str | None = None


@dataclass(frozen=True, kw_only=True)
class StaticSpec:
    """A daemon's own configuration, that `prepare` renders once: path, template, mode and owner as of `FileSpec`.

    It need not exist in a checkout: some are made when an image is built. `check` is the argument list of the daemon's
    own checker, in which `{file}` is replaced; empty when it has none. `needs_domain` as of `CheckSpec`.
    """

    path: str
    template: str
    mode: int
    owner: str | None = None
    check: tuple[str, ...] = ()
    needs_domain: bool = False


@dataclass(frozen=True, kw_only=True)
class TierManifest:
    """Everything that makes a tier this tier; `homes` says whether its users' home folders are made here."""

    tier: str
    folder: Path
    files: tuple[FileSpec, ...]
    checks: tuple[CheckSpec, ...]
    secrets: tuple[SecretSpec, ...]
    static: tuple[StaticSpec, ...] = ()
    homes: bool

    @property
    def reloads(self) -> dict[Reload, tuple[str, ...]]:
        """Return every reload of the tier with the paths of the files that need it."""
        found: dict[Reload, tuple[str, ...]] = {}
        for spec in self.files:
            if spec.reload is not None:
                found[spec.reload] = (*found.get(spec.reload, ()), spec.path)
        return found


def load_manifest(templates: Path, tier: str) -> TierManifest:
    """Return a tier's manifest.

    Args:
        templates: the folder that holds one folder a tier.
        tier: the tier's name.

    Raises:
        ConfigurationError: with every mistake found in it.
    """
    path = templates / tier / MANIFEST_NAME
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"reading the tier manifest {path} failed: {error.strerror}; set RECONFIGURE_TEMPLATES_DIR"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the tier manifest {path} is not YAML: {error}") from error
    return _Reader(path, templates).manifest(document, tier)


class _Reader:
    """Reads a manifest's document, collecting what is wrong with it."""

    def __init__(self, path: Path, templates: Path) -> None:
        self._path = path
        self._templates = templates
        self._problems: list[str] = []

    def manifest(self, document: object, tier: str) -> TierManifest:
        top = self._mapping(document, "the document", {"files", "checks", "secrets", "static", "homes"})
        files = tuple(self._file(entry, f"files[{at}]") for at, entry in enumerate(self._list(top, "files")))
        checks = tuple(self._check(entry, f"checks[{at}]") for at, entry in enumerate(self._list(top, "checks")))
        secrets = tuple(self._secret(entry, f"secrets[{at}]") for at, entry in enumerate(self._list(top, "secrets")))
        static = tuple(self._static(entry, f"static[{at}]") for at, entry in enumerate(self._list(top, "static")))
        paths = [path for spec in files if spec.path for path in spec.files]
        self._once("files", paths)
        self._once("checks", [check.name for check in checks])
        self._once("secrets", [secret.path for secret in secrets])
        self._once("static", [spec.path for spec in static])
        self._apart(set(paths))
        if not files:
            self._problem("files", "a tier without files has nothing to reconcile")
        homes = self._flag(top, "homes", "homes")
        if self._problems:
            raise ConfigurationError(*self._problems)
        return TierManifest(
            tier=tier,
            folder=self._path.parent,
            files=files,
            checks=checks,
            secrets=secrets,
            static=static,
            homes=homes,
        )

    def _once(self, where: str, names: list[str]) -> None:
        for name, uses in sorted(Counter(names).items()):
            if name and uses > 1:
                self._problem(where, f"two entries make {name}")

    def _apart(self, paths: set[str]) -> None:
        """Refuse files that would lie where a generation keeps its own, or that would be another one's folder."""
        for path in sorted(paths):
            first = path.partition("/")[0]
            if first in _KEPT or first.startswith("."):
                self._problem("files", f"{path} is a place that generations keep for themselves")
            for parent in PurePosixPath(path).parents:
                if str(parent) in paths:
                    self._problem("files", f"{path} would lie within the file {parent}")

    def _file(self, entry: object, where: str) -> FileSpec:
        known = {"path", "template", "mode", "owner", "map", "separator", "reload"}
        fields = self._mapping(entry, where, known)
        kind = self._text(fields, "map", where, default="")
        if kind and kind not in MAP_TYPES:
            self._problem(where, f"map is {kind!r}; one of {', '.join(MAP_TYPES)}")
        separator = self._text(fields, "separator", where, default="")
        if len(separator) > 1 or (separator and not kind):
            self._problem(where, f"separator is {separator!r}; one character, and only of a map")
        return FileSpec(
            path=self._relative(fields, "path", where),
            template=self._template(fields, "template", where),
            mode=self._mode(fields, where),
            owner=self._text(fields, "owner", where, default="") or None,
            map=MapSpec(kind=kind, separator=separator or None) if kind else None,
            reload=self._reload(fields.get("reload"), f"{where}.reload"),
        )

    def _reload(self, entry: object, where: str) -> Reload | None:
        if entry is None or entry == "none":
            return None
        fields = self._mapping(entry, where, {"program", "how"})
        if not isinstance(entry, dict):
            return None
        how = self._text(fields, "how", where)
        if how and not _HOW.fullmatch(how):
            self._problem(where, f"how is {how!r}; 'restart' or 'signal:<NAME>'")
        return Reload(self._text(fields, "program", where), how)

    def _check(self, entry: object, where: str) -> CheckSpec:
        fields = self._mapping(entry, where, {"name", "command", "config", "probe", "needs_domain", "refuse"})
        return CheckSpec(
            name=self._text(fields, "name", where),
            command=self._texts(fields, "command", where),
            config=self._template(fields, "config", where),
            probe=self._template(fields, "probe", where) if "probe" in fields else None,
            needs_domain=self._flag(fields, "needs_domain", where),
            refuse=self._texts(fields, "refuse", where) if "refuse" in fields else (),
        )

    def _secret(self, entry: object, where: str) -> SecretSpec:
        fields = self._mapping(entry, where, {"setting", "path", "mode", "owner"})
        return SecretSpec(
            setting=self._text(fields, "setting", where),
            path=self._relative(fields, "path", where),
            mode=self._mode(fields, where),
            owner=self._text(fields, "owner", where, default="") or None,
        )

    def _static(self, entry: object, where: str) -> StaticSpec:
        fields = self._mapping(entry, where, {"path", "template", "mode", "owner", "check", "needs_domain"})
        path = self._relative(fields, "path", where)
        if "/" in path:
            self._problem(where, f"path {path!r} must be a file's name alone")
        check = self._texts(fields, "check", where) if "check" in fields else ()
        if check and FILE not in check:
            self._problem(where, f"check does not name {FILE}")
        return StaticSpec(
            path=path,
            template=self._relative(fields, "template", where),
            mode=self._mode(fields, where),
            owner=self._text(fields, "owner", where, default="") or None,
            check=check,
            needs_domain=self._flag(fields, "needs_domain", where),
        )

    def _problem(self, where: str, what: str) -> None:
        self._problems.append(f"{self._path}: {where}: {what}")

    def _mapping(self, value: object, where: str, known: set[str]) -> Mapping[str, Any]:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            self._problem(where, "not a mapping")
            return {}
        for key in sorted(set(value) - known):
            self._problem(where, f"unknown key {key!r}; one of {', '.join(sorted(known))}")
        return value

    def _list(self, fields: Mapping[str, Any], key: str) -> list[object]:
        value = fields.get(key, [])
        if isinstance(value, list):
            return value
        self._problem(key, "not a list")
        return []

    def _text(self, fields: Mapping[str, Any], key: str, where: str, *, default: str | None = None) -> str:
        value = fields.get(key, default)
        if isinstance(value, str) and (value or default is not None):
            return value
        self._problem(where, f"{key} is missing or not a string")
        return ""

    def _texts(self, fields: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        value = fields.get(key)
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return tuple(value)
        self._problem(where, f"{key} is not a list of strings")
        return ()

    def _flag(self, fields: Mapping[str, Any], key: str, where: str) -> bool:
        value = fields.get(key, False)
        if not isinstance(value, bool):
            self._problem(where, f"{key} is {value!r}; true or false")
        return value is True

    def _relative(self, fields: Mapping[str, Any], key: str, where: str) -> str:
        text = self._text(fields, key, where)
        path = PurePosixPath(text)
        plain = not path.is_absolute() and ".." not in path.parts and str(path) == text != "."
        if text and not (plain and text.isascii() and text.isprintable()):
            self._problem(where, f"{key} {text!r} must be a plain relative path")
            return ""
        return text

    def _template(self, fields: Mapping[str, Any], key: str, where: str) -> str:
        name = self._relative(fields, key, where)
        if name and not any((root / name).is_file() for root in (self._path.parent, self._templates)):
            self._problem(where, f"{key} {name!r} is neither in {self._path.parent} nor in {self._templates}")
        return name

    def _mode(self, fields: Mapping[str, Any], where: str) -> int:
        value = fields.get("mode", "0644")
        if isinstance(value, str) and _MODE.fullmatch(value):
            return int(value, 8)
        self._problem(where, f"mode is {value!r}; four octal digits in quotes, such as '0644'")
        return 0
