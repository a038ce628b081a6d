"""What may not be read in a log, a status document or an error message: ping URLs, credentials, query strings.

A ping URL is a secret, since whoever holds it can report success in this tier's name. Masking works on text, so
that it also covers URLs that other people's exceptions carry along. It is the last line: code that knows a value
to be secret does not pass it on in the first place.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "***"

_URL = re.compile(r"(https?://)([^\s\"'<>/?#]*)([^\s\"'<>?#]*)(\?[^\s\"'<>]*)?", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_SECRET_KEY = re.compile(r"url|token|secret|password|credential|api_?key|private_?key", re.IGNORECASE)
_DEPTH = 4


def mask_url(url: str) -> str:
    """Return the scheme and host of a URL with everything behind them masked, or the mask for anything else."""
    found = _URL.fullmatch(url.strip())
    return f"{found[1]}{_host(found[2])}/{MASK}" if found else MASK


def mask_text(text: str) -> str:
    """Return the text with every ping URL, user name, password and query string of a URL in it masked."""
    return _URL.sub(_masked, text) if "://" in text else text


def mask_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a log event with the values of secret-looking keys masked, and the URLs in all others."""
    return {key: _mask_value(key, value, _DEPTH) for key, value in event.items()}


def _mask_value(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value  # whether a secret is set at all is worth reading
    if _SECRET_KEY.search(key):
        return mask_url(value) if isinstance(value, str) else MASK
    if isinstance(value, int | float):
        return value
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth:
        return _mask_inside(value, depth - 1)
    return mask_text(value if isinstance(value, str) else repr(value))


def _mask_inside(value: Mapping[Any, Any] | Iterable[Any], depth: int) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _mask_value(str(name), inner, depth) for name, inner in value.items()}
    return [_mask_value("", inner, depth) for inner in value]


def _masked(found: re.Match[str]) -> str:
    scheme, authority, path, query = found.groups()
    host = _host(authority)
    if host.partition(":")[0].endswith("hc-ping.com") or "/ping/" in path or _UUID.search(path):
        return f"{scheme}{host}/{MASK}"
    return f"{scheme}{host}{path}{'?' + MASK if query else ''}"


def _host(authority: str) -> str:
    return authority.rpartition("@")[2]
