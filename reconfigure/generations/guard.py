"""The guard: a candidate that would take too much away is held until somebody looked. Pure.

Databases that lost their rows, and filters that hide them, answer without an error; the worst a mail service can do
then is to believe it.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reconfigure.directory.model import Directory, State
from reconfigure.generations.compare import World, compare

KINDS = ("addresses", "domains", "users")
_ACTIVE = f"\t{State.ACTIVE.value}\t"


class Limits(NamedTuple):
    """How much one pass may take away: more than `share` (0 to 1) of a kind, and at least `minimum`, is too much."""

    share: float
    minimum: int


class Verdict(NamedTuple):
    """Why a candidate is held (no reasons: it is not), and how many of each kind it would lose and gain."""

    reasons: tuple[str, ...]
    lost: Mapping[str, int]
    gained: Mapping[str, int]

    @property
    def changes(self) -> dict[str, int]:
        """Return how much of each kind comes and goes, without the zeros: {"addresses gained": 1}."""
        counted = {f"{kind} gained": number for kind, number in self.gained.items()}
        counted |= {f"{kind} lost": number for kind, number in self.lost.items()}
        return {what: number for what, number in counted.items() if number}


class _Turnover(NamedTuple):
    """How many of a kind are live, and how many of them a candidate takes away and adds."""

    before: int
    lost: int
    gained: int


def judge(candidate: Directory, active: World | None, *, limits: Limits) -> Verdict:
    """Return whether a candidate may go live.

    Args:
        candidate: what was read.
        active: what is live; None before the first generation.
        limits: how much may go at once.
    """
    world = World(directory=candidate)
    kinds = {kind: _turnover(active, world, kind) for kind in KINDS if kind != "users" or candidate.users_known}
    empty = _empty(candidate, kinds, first=active is None)
    drops = (
        f"{seen.lost} of {seen.before} {kind} would be gone, more than {limits.share:.0%} in one pass"
        for kind, seen in kinds.items()
        if seen.lost >= limits.minimum and seen.lost > limits.share * seen.before
    )
    return Verdict(
        reasons=(*empty, *drops),
        lost={kind: seen.lost for kind, seen in kinds.items()},
        gained={kind: seen.gained for kind, seen in kinds.items()},
    )


def _empty(candidate: Directory, kinds: Mapping[str, _Turnover], *, first: bool) -> Iterable[str]:
    had_addresses = first or kinds["domains"].before > 0
    if candidate.rows == 0 and had_addresses:
        yield "the address table is empty"
    elif not candidate.lines and had_addresses:
        yield f"none of the {candidate.rows} rows of the address table can be served"
    if candidate.users_known and not candidate.users and (first or kinds["users"].before > 0):
        yield "the user pool has no user that can be served"


def _turnover(active: World | None, candidate: World, kind: str) -> _Turnover:
    """Count what is live and what changes. Of the addresses, only those that take mail count."""
    before = lost = gained = 0
    mark = _ACTIVE if kind == "addresses" else ""
    nothing = World()
    with (active or nothing).open(kind) as lines:
        before = sum(1 for line in lines if mark in line)
    with (active or nothing).open(kind) as old, candidate.open(kind) as new:
        for change in compare(old, new):
            was = change.old is not None and mark in change.old
            will_be = change.new is not None and mark in change.new
            lost += was and not will_be
            gained += will_be and not was
    return _Turnover(before, lost, gained)
