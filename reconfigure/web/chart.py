"""The passes as a drawing: a bar for each, as high as it was long, and below it what it gained and lost.

Only geometry: a bar's place and size, in the drawing's own units. Both scales are logarithmic, since passes take from
hundredths of a second to minutes and change one address or a hundred thousand.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconfigure.wording import changes, duration, moment, plain

BARS = 40
PITCH = 18  # from one bar to the next
WIDTH = 12
LEFT = 44
TALLEST, BASE = 96, 110  # of the durations
MIDDLE, REACH = 154, 30  # of what is gained and lost
HEIGHT = 206

_SHORTEST, _LONGEST = 0.01, 300.0  # seconds: the ends of the scale
_MOST = 1_000_000  # changes: the end of theirs
RULES = (0.1, 1.0, 10.0, 60.0)  # seconds that have a line


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A pass, or an operator's order, which has no duration.

    Attributes:
        x: left edge.
        height: of the duration's bar; 0 for an order.
        gained: height above the middle line.
        lost: height below it.
        outcome: a word that the style sheet has a colour for.
        when: its time.
        took: its duration in words; "" for an order.
        by: who or what made it.
        did: what it changed, in words.
        why: why it is not good, or "".
    """

    x: int
    height: float
    gained: float
    lost: float
    outcome: str
    when: str
    took: str
    by: str
    did: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The drawing: its bars from the oldest to the newest, its rules as (y, words), and where the rest of it is."""

    bars: Sequence[Bar]
    rules: Sequence[tuple[float, str]]
    left: int = LEFT
    width: int = LEFT + BARS * PITCH
    height: int = HEIGHT
    bar: int = WIDTH
    base: int = BASE
    middle: int = MIDDLE


def chart(lines: Iterable[Mapping[str, Any]]) -> Chart:
    """Return the drawing of history lines, newest first as they are read; those beyond `BARS` are left out."""
    shown = [line for line, _ in zip(lines, range(BARS), strict=False)][::-1]
    first = BARS - len(shown)  # the newest is at the right end, however few there are
    bars = [_bar(LEFT + at * PITCH, line) for at, line in enumerate(shown, first)]
    rules = [(BASE - _height(seconds), duration(seconds) if seconds >= 1 else f"{seconds:g} s") for seconds in RULES]
    return Chart(bars=bars, rules=rules)


def _bar(x: int, line: Mapping[str, Any]) -> Bar:
    seconds, counts = line.get("seconds"), line.get("changes")
    is_pass = isinstance(seconds, int | float) and math.isfinite(seconds)
    counts = counts if isinstance(counts, dict) else {}
    return Bar(
        x=x,
        height=round(_height(seconds), 1) if is_pass else 0,  # type: ignore[arg-type]
        gained=_reach(counts, "gained"),
        lost=_reach(counts, "lost"),
        outcome=plain(line.get("outcome")),
        when=moment(line.get("time")),
        took=f"{seconds:.2f} s" if is_pass else "",
        by=plain(line.get("by") or line.get("trigger") or ""),
        did=changes(counts),
        why=plain(line.get("reason") or ""),
    )


def _height(seconds: float) -> float:
    """Return a duration's height; one beyond the ends of the scale is drawn at its end."""
    share = math.log(max(seconds, _SHORTEST) / _SHORTEST) / math.log(_LONGEST / _SHORTEST)
    return max(2.0, TALLEST * min(share, 1.0))


def _reach(counts: Mapping[str, Any], way: str) -> float:
    number = sum(
        how_many for what, how_many in counts.items() if what.endswith(f" {way}") and isinstance(how_many, int)
    )
    if number <= 0:
        return 0.0
    return round(REACH * min(1.0, 0.15 + 0.85 * math.log(number) / math.log(_MOST)), 1)
