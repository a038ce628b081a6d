"""How values are put into words, for a terminal and for the page alike: durations, counts, changes.

What is shown may come from a hostile table, so every value that is not a number goes through `plain`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86_400

SHORT = {"addresses": "addr", "domains": "dom"}


def plain(value: object) -> str:
    """Return a value as text that moves no cursor and forges no line."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def ago(stamp: object, now: datetime) -> str:
    """Return how long ago (or in what time) an ISO time is; `never` for None, the value itself when it is no time."""
    if stamp is None:
        return "never"
    try:
        seconds = (now - datetime.fromisoformat(str(stamp))).total_seconds()
    except (ValueError, TypeError):  # TypeError: a time without zone
        return plain(stamp)
    return f"in {duration(-seconds)}" if seconds < 0 else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.0f} days"


def moment(stamp: object) -> str:
    """Return an ISO time to the second in UTC; the value itself when it is no time."""
    try:
        return datetime.fromisoformat(str(stamp)).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return plain(stamp)


def counted(counts: Mapping[str, Any]) -> str:
    """Return what a generation holds: `24 addresses (22 active, 1 suspended, 1 dangling), 4 domains, 6 users`."""
    states = ", ".join(f"{counts[state]} {state}" for state in ("active", "suspended", "dangling") if counts.get(state))
    parts = [number(counts[kind], kind) for kind in ("addresses", "domains", "users") if kind in counts]
    if parts and states:
        parts[0] += f" ({states})"
    return ", ".join(parts)


def changes(mapping: Mapping[str, Any], *, short: bool = False) -> str:
    """Return `{"addresses gained": 2, "addresses lost": 1}` as `addresses +2 -1`, or shorter as `addr +2 -1`."""
    kinds: dict[str, list[str]] = {}
    for what, how_many in mapping.items():
        kind, _, way = str(what).partition(" ")
        sign = {"gained": "+", "lost": "-", "changed": "~"}.get(way, f"{way} ")
        kinds.setdefault(SHORT.get(kind, kind) if short else kind, []).append(plain(f"{sign}{how_many}"))
    return ", ".join(f"{plain(kind)} {' '.join(ways)}" for kind, ways in kinds.items())


def by_reason(counts: Mapping[str, int]) -> str:
    """Return the quarantine's counts, most frequent first."""
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{plain(reason)} {how_many}" for reason, how_many in most_first)


def number(how_many: int, things: str) -> str:
    """Return `1 address` or `2 addresses` for `addresses`."""
    one = {"addresses": "address", "entries": "entry", "passes": "pass"}.get(things, things.removesuffix("s"))
    return f"{how_many} {one if how_many == 1 else things}"
