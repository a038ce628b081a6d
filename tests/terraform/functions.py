"""The functions of Terraform's language that the module uses, as its documentation describes them."""

import base64
import hashlib
import ipaddress
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any


def regex(pattern: str, text: str) -> Any:
    """Return the match, or its groups where there are any.

    Raises:
        ValueError: there is none.
    """
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"{text!r} does not match {pattern}")
    return list(found.groups()) if found.groups() else found[0]


def merge(*maps: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return one map of all; the last to name a key decides."""
    return {key: value for each in maps if each is not None for key, value in each.items()}


def flatten(items: Iterable[Any]) -> list[Any]:
    """Return all elements of lists in lists."""
    return [below for item in items for below in (flatten(item) if isinstance(item, list) else [item])]


def jsonencode(value: Any) -> str:
    """Return JSON as Terraform writes it: keys in order, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "alltrue": all,
    "anytrue": any,
    "cidrhost": lambda network, number: str(ipaddress.ip_network(network)[number]),
    "concat": lambda *lists: [item for each in lists for item in each],
    "contains": lambda items, wanted: wanted in items,
    "distinct": lambda items: list(dict.fromkeys(items)),
    "endswith": str.endswith,
    "filebase64sha256": lambda path: base64.b64encode(hashlib.sha256(Path(path).read_bytes()).digest()).decode(),
    "flatten": flatten,
    "floor": math.floor,
    "join": lambda between, items: between.join(str(item) for item in items),
    "jsonencode": jsonencode,
    "keys": sorted,
    "length": len,
    "lookup": lambda of, key, default: of.get(key, default),
    "merge": merge,
    "regex": regex,
    "replace": lambda text, old, new: text.replace(old, new),
    "slice": lambda items, start, end: items[start:end],
    "sort": sorted,
    "split": lambda between, text: text.split(between),
    "startswith": str.startswith,
    "strcontains": lambda text, part: part in text,
    "title": str.title,
    "toset": lambda items: sorted(set(items)),
    "tostring": str,
    "upper": str.upper,
    "values": lambda of: [of[key] for key in sorted(of)],
}
