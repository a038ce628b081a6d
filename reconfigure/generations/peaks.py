"""How many of each kind were served within the last day, hour by hour, as a generation's manifest remembers it. Pure.

A drain that takes a little at a time takes no more than a little from the generation before. Seen from the best hour of
the day it is what it is.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

WINDOW = timedelta(hours=24)

Peaks = Mapping[str, Mapping[str, int]]  # kind: hour (ISO time): the most that were served in it


def served(counts: Mapping[str, int]) -> dict[str, int]:
    """Return of a manifest's counts what is guarded: addresses that take mail, domains, users who have an address."""
    return {
        "addresses": counts.get("active", 0),
        "domains": counts.get("domains", 0),
        "owners": counts.get("owners", 0),
    }


def best(peaks: Peaks, *, now: datetime) -> dict[str, int]:
    """Return the most of each kind within the last day; a kind of which nothing is remembered is left out."""
    recent = {kind: [count for hour, count in hours.items() if _is_recent(hour, now)] for kind, hours in peaks.items()}
    return {kind: max(counts) for kind, counts in recent.items() if counts}


def remembered(peaks: Peaks, *served: Mapping[str, int], now: datetime) -> dict[str, dict[str, int]]:
    """Return the peaks without what is older than a day, and with what is served now.

    Args:
        peaks: as they were.
        served: how many of each kind are served at this time: before a change and after it, say.
        now: with time zone.
    """
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0).isoformat()
    kept = {kind: {at: n for at, n in hours.items() if _is_recent(at, now)} for kind, hours in peaks.items()}
    for counts in served:
        for kind, count in counts.items():
            hours = kept.setdefault(kind, {})
            hours[hour] = max(count, hours.get(hour, 0))
    return kept


def _is_recent(hour: str, now: datetime) -> bool:
    try:
        return abs(now - datetime.fromisoformat(hour)) <= WINDOW
    except (ValueError, TypeError):
        return False  # of another version, or edited: what is not a time is nothing to go by
