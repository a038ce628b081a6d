"""JSON documents on disk: a frozen dataclass written so that a reader meets the old one or the new one, never half.

Knows nothing of what the documents say. Reading is tolerant where it must be (a document of a newer version may have
more fields, one of an older version fewer) and strict where it matters (a wrong type is an error that names the
field).
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from reconfigure.durable import read_plain, replace_text
from reconfigure.errors import ReconfigureError

T = TypeVar("T")


def encode(value: Any) -> Any:
    """Return a dataclass as plain JSON values: keys in the order of the fields, without a trailing underscore."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {_key(field): encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [encode(inner) for inner in value]
    return value


def decode(cls: type[T], document: object, *, where: str = "the document") -> T:
    """Return the dataclass that a JSON value stands for; unknown keys are ignored, missing ones take their default.

    Fields may be str, int, float, bool, Any, another dataclass, `X | None`, `Literal`, `tuple[X, ...]` or
    `Mapping[str, X]` of these.

    Raises:
        ValueError: a value has another type than its field, or a field without a default is missing.
    """
    if not isinstance(document, dict):
        raise ValueError(f"{where} is not an object")  # noqa: TRY004 - damaged data, not a misuse of this function
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # the caller's part: cls is a dataclass
        key = _key(field)
        if key in document:
            values[field.name] = _value(hints[field.name], document[key], where=f"`{key}` of {where}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{where} has no `{key}`")
    return cls(**values)


def replace(path: Path, document: Any) -> None:
    """Put a document in the place of the one at `path`, atomically and durably (mode: `durable.record_mode`).

    Raises:
        ReconfigureError: the folder is missing, full, or may not be written; the old document is untouched.
    """
    try:
        replace_text(path, json.dumps(encode(document), indent=2) + "\n")
    except OSError as error:
        raise ReconfigureError(
            f"could not write {path}: {error.strerror or error}. The one before it is untouched; "
            "check the space and the rights of its folder."
        ) from error


def load(cls: type[T], path: Path, *, consequence: str) -> T | None:
    """Return the document at `path`, or None when there is none.

    Raises:
        ReconfigureError: it cannot be read or is not such a document; the message ends with `consequence`.
    """
    try:
        return decode(cls, json.loads(read_plain(path)), where=path.name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReconfigureError(
            f"could not read {path}: {error.strerror or error}; look at its owner, its mode and its folder's"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ReconfigureError(f"{path} is damaged: {error}. {consequence}") from error


def _key(field: "dataclasses.Field[Any]") -> str:
    return field.name.rstrip("_")


def _value(hint: Any, value: Any, *, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or (value is None and NoneType in arguments) or (origin is Literal and value in arguments):
        return value
    if origin in {Union, UnionType}:
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return _value(inner, value, where=where)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(arguments[0], inner, where=f"an item of {where}") for inner in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _value(arguments[1], inner, where=f"`{key}` of {where}") for key, inner in value.items()}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return decode(hint, value, where=where)
    return _plain(hint, value, where=where)


def _plain(hint: Any, value: Any, *, where: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is float and number:
        try:
            return float(value)
        except OverflowError as error:
            raise ValueError(f"{where} is a number beyond all measure") from error
    if hint in {str, bool} and isinstance(value, hint):
        return value
    if hint is int and number and isinstance(value, int):
        return value
    raise ValueError(f"{where} is {str(value)[:60]!r}, where {getattr(hint, '__name__', hint)} belongs")
