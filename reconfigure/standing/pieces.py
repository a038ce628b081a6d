"""A text in pieces, each with the tone that it is meant in: whoever shows it colours them, the words alone say all."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from reconfigure.wording import plain

Tone = Literal["", "good", "odd", "bad", "dim"]

_TONES: Mapping[str, Tone] = {
    **dict.fromkeys(("ok", "unchanged", "changed", "approved", "told", "RUNNING"), "good"),
    **dict.fromkeys(("pause over", "resumed", "unpinned"), "good"),
    **dict.fromkeys(("held", "pinned", "paused", "degraded", "rolled back", "starting", "starts later"), "odd"),
    **dict.fromkeys(("failed", "failing", "damaged", "FATAL", "BACKOFF"), "bad"),
}


class Piece(NamedTuple):
    """A part of a text: printable, and how it is meant."""

    text: str
    tone: Tone = ""


def word(value: object) -> Piece:
    """Return a state or outcome, in the tone that it has wherever it is shown."""
    return Piece(plain(value), _TONES.get(str(value), ""))
