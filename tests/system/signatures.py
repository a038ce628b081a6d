"""DKIM as a receiver in the world checks it: dkimpy, with the keys that the world's own name service publishes."""

import re
from collections.abc import Callable
from typing import NamedTuple

import dkim

_HEADER = re.compile(rb"^DKIM-Signature:(.*(?:\r?\n[ \t].*)*)", re.MULTILINE | re.IGNORECASE)


class Signature(NamedTuple):
    """One signature of a message: the domain and selector that it names, and whether it holds."""

    domain: str
    selector: str
    valid: bool


def signatures(message: bytes, *, txt: Callable[[str], bytes | None]) -> list[Signature]:
    """Return all signatures of a message, first to last.

    Args:
        message: as it was received.
        txt: returns the TXT record of a name.
    """
    header = re.split(rb"\r?\n\r?\n", message, maxsplit=1)[0]
    found = []
    for index, match in enumerate(_HEADER.finditer(header)):
        tags = _tags(match[1])
        valid = dkim.DKIM(message).verify(index, dnsfunc=lambda name, timeout=5: txt(_text(name)))  # noqa: ARG005
        found.append(Signature(tags.get("d", ""), tags.get("s", ""), bool(valid)))
    return found


def _tags(value: bytes) -> dict[str, str]:
    pairs = (part.partition("=") for part in value.decode(errors="replace").split(";"))
    return {name.strip(): "".join(content.split()) for name, _, content in pairs}


def _text(name: bytes | str) -> str:
    return (name.decode("ascii") if isinstance(name, bytes) else name).rstrip(".")
