"""Where a setting's text is found: the environment and the YAML file, each as field → text and its place.

YAML is composed, not constructed: a scalar's text is taken as it is written, so that `no`, `0755` or `1:30` mean the
same in both layers and every mistake can name its line. What the text means is decided in `parse`.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from reconfigure.settings.fields import SPECS
from reconfigure.settings.parse import WrongValueError, plain, quoted

CONFIG_ENV = "RECONFIGURE_CONFIG"
NOT_SETTINGS = frozenset({CONFIG_ENV, "RECONFIGURE_PROGRAMS"})  # the second is supervisord.conf's
DEFAULT_CONFIG = Path("/etc/reconfigure/reconfigure.yaml")
_NULL_TAG = "tag:yaml.org,2002:null"

_BY_ENV = {name: spec for spec in SPECS for name in (spec.env, *spec.about.also)}
_BY_KEY = {name.lower(): spec for spec in SPECS for name in (spec.field, spec.env, *spec.about.also)}


class Given(NamedTuple):
    """A setting's text and where it stands, to follow the text in a message ("" for the environment)."""

    text: str
    place: str = ""


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    """Return field → text of every setting in the environment; the empty string counts as unset."""
    # The first name given wins, so a name listed under `also` is read only when the setting's own is unset.
    return {
        spec.field: Given(environ[name]) for name, spec in reversed(_BY_ENV.items()) if environ.get(name, "").strip(" ")
    }


def unknown_in_environment(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for every RECONFIGURE_ variable that no setting reads."""
    for name in sorted(environ):
        if name.startswith("RECONFIGURE_") and name not in _BY_ENV and name not in NOT_SETTINGS:
            yield f"{_name(name)}: no such setting, ignored{_nearest(name)}"


def from_yaml(environ: Mapping[str, str], config_path: Path | None, problems: list[str]) -> dict[str, Given]:
    """Return field → text of every setting in the YAML file; what is wrong with the file is added to `problems`.

    The file is `config_path`, else the one that RECONFIGURE_CONFIG names, else the default one, which may be absent.
    """
    text = environ.get(CONFIG_ENV, "")
    try:
        named = config_path or plain(text)
        path = Path(named or DEFAULT_CONFIG)
        content = path.read_bytes()
    except WrongValueError as error:
        problems.append(f"{CONFIG_ENV}: {error} (given {quoted(text)}); set the path of a YAML file")
        return {}
    except OSError as error:
        if named or not isinstance(error, FileNotFoundError | NotADirectoryError):
            reason = error.strerror or type(error).__name__
            problems.append(f"{CONFIG_ENV}: {path} cannot be read ({reason}); set the path of a readable YAML file")
        return {}
    found: dict[str, Given] = {}
    problems += (f"{CONFIG_ENV}: {path} {problem}" for problem in _mistakes(content, path, found))
    return found


def _mistakes(content: bytes, path: Path, found: dict[str, Given]) -> Iterator[str]:
    """Put every setting in the file into `found`; yield its mistakes, each beginning with its line."""
    try:
        pairs = _compose(content)
    except _NotSettingsError as error:
        yield str(error)
        return
    lines: dict[str, int] = {}
    for key, value in pairs:
        line = _line(key.start_mark)
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        spec = _BY_KEY.get(name.lower())
        if spec is None:
            yield f"line {line}: {_name(name)} is not a setting; remove or correct it{_nearest(name)}"
            continue
        if spec.field in lines:
            yield f"line {line}: {name} was set in line {lines[spec.field]} already; keep one of them"
        elif not isinstance(value, yaml.ScalarNode):
            yield f"line {line}: {name} is a list or a mapping; set {spec.about.kind.wanted}"
        elif value.tag != _NULL_TAG and value.value.strip(" "):
            found[spec.field] = Given(value.value, f" in {path} line {_line(value.start_mark)}")
        lines.setdefault(spec.field, line)


class _NotSettingsError(Exception):
    """A file as a whole is not a YAML mapping; the message begins with the line."""


def _compose(content: bytes) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return a YAML mapping's keys and values; of an empty file, none."""
    try:
        root = yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _NotSettingsError(f"line {line}: is not UTF-8; save the file as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        # What the reason quotes comes from the file, and may be a part of a secret.
        reason = re.sub(r"""['"].*['"]""", "...", error.problem or "", flags=re.DOTALL)
        raise _NotSettingsError(f"line {_line(error.problem_mark)}: is not YAML ({reason}); correct it") from None
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        # PyYAML itself lets the last three through, on escapes beyond Unicode and on nesting without end.
        raise _NotSettingsError("line 1: is not YAML (control characters or too deep); rewrite the file") from None
    if root is None or root.tag == _NULL_TAG:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise _NotSettingsError(f"line {_line(root.start_mark)}: is not a mapping; write one `name: value` a line")
    pairs: list[tuple[yaml.Node, yaml.Node]] = root.value
    return pairs


def _line(mark: yaml.Mark | None) -> int:
    return mark.line + 1 if mark else 1


def _name(name: str) -> str:
    """Return a name that somebody else wrote as it may stand in a message: not at all when it is no name."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) else "a key that is no name"


def _nearest(name: str) -> str:
    """Return the setting whose name is nearest, as the end of a sentence, or nothing when none is near."""
    near = difflib.get_close_matches(name[:64].lower().replace("-", "_"), _BY_KEY, n=1)
    return f" (did you mean {near[0] if name.islower() else near[0].upper()}?)" if near else ""
