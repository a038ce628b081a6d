"""What a message on the queue says: a hint that something changed, never what it changed to.

Pure. A message can widen what is read again, and nothing else: whatever is not exactly as expected asks for a full
read. Only what is no JSON object at all is refused, so that the redrive policy takes it away.
"""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from reconfigure.errors import ReconfigureError

EVENTS = frozenset({"address_changed", "user_changed", "suppression_changed", "resync"})
FIELDS = frozenset({"event", "timestamp", "addresses"})


class UnreadableMessageError(ReconfigureError):
    """A message body is not JSON, or not a JSON object."""


@dataclass(frozen=True)
class Hint:
    """What may have changed.

    Attributes:
        event: one of `EVENTS`; `resync` for everything that is in doubt.
        addresses: the addresses named, as they were written; unvalidated.
        full: nothing less than reading everything will do (a resync, or an address change that names none).
    """

    event: str
    addresses: tuple[str, ...] = ()
    full: bool = False


RESYNC = Hint("resync", (), full=True)


def parse(body: str) -> Hint:
    """Return the hint in a message body, raw or inside an SNS envelope (one, of type Notification).

    Raises:
        UnreadableMessageError: the body, or the message inside its envelope, is not a JSON object.
    """
    document = _object(body)
    if document is not None and document.get("Type") == "Notification" and isinstance(document.get("Message"), str):
        document = _object(document["Message"])
    if document is None or document.keys() - FIELDS:
        return RESYNC
    event, timestamp, addresses = (document.get(name) for name in ("event", "timestamp", "addresses"))
    if not isinstance(event, str) or event not in EVENTS or not isinstance(timestamp, str | None):
        return RESYNC
    named = _names([] if addresses is None else addresses)
    if named is None or event == RESYNC.event:
        return RESYNC
    return Hint(event, named, full=event == "address_changed" and not named)


def _names(addresses: object) -> tuple[str, ...] | None:
    """Return the addresses of a message, each once; None when they are not a list of encodable texts."""
    if not isinstance(addresses, list) or not all(isinstance(name, str) for name in addresses):
        return None
    try:
        "".join(addresses).encode()
    except UnicodeEncodeError:  # half of a surrogate pair: JSON can write it, nothing can store it
        return None
    return tuple(dict.fromkeys(addresses))


def _object(text: str) -> dict[str, Any] | None:
    """Return the JSON object in a text; None when its names are not unique, which leaves in doubt what it says.

    Raises:
        UnreadableMessageError: it is not JSON (RFC 8259), or not an object.
    """
    doubled = False

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        made = dict(found)
        doubled = doubled or len(made) < len(found)
        return made

    try:
        # No number matters here, and as floats even those of a million digits are read in no time.
        document = json.loads(text, parse_int=float, parse_constant=_refuse, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise UnreadableMessageError(
            f"reading a message body of {len(text)} characters failed: it is not JSON ({error});"
            " look at it with `reconfigure queue peek`, and correct whoever sent it"
        ) from error
    if not isinstance(document, dict):
        raise UnreadableMessageError(
            f"reading a message body of {len(text)} characters failed: it is not a JSON object but"
            f" {type(document).__name__}; correct whoever sent it"
        )
    return None if doubled else document


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
