"""The guard: a candidate that would take too much away is held until somebody looked. Pure.

Databases that lost their rows, and filters that hide them, answer without an error; the worst a mail service can do
then is to believe it. A column that was shifted takes nothing away, and gives everybody's mail to somebody else.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from reconfigure.directory.model import Directory, State
from reconfigure.generations.compare import World, compare

KINDS = ("addresses", "domains", "users")
_ACTIVE = f"\t{State.ACTIVE.value}\t"
_MOVED = {"addresses": "reassigned", "users": "renumbered"}  # what it is called when something stays as another's


class Limits(NamedTuple):
    """How much may change at once before somebody has to look.

    Attributes:
        share: losing more of a kind than this share of it (0 to 1), and at least `minimum`, is too much: in one pass,
            and against the best of the last day.
        minimum: fewer than so many are never too many.
        reassigned: so much of the active addresses may have other users than before, and `minimum` counts for it, too.
        renumbered: so many users may have another UID than before; a home belongs to a number.
        floor: with fewer active addresses than this nothing goes live that is the first, or that takes some away.
    """

    share: float
    minimum: int
    reassigned: float = 0.30
    renumbered: int = 1
    floor: int = 0


class Verdict(NamedTuple):
    """Why a candidate is held (no reasons: it is not), and how many of each kind it would lose, gain and move."""

    reasons: tuple[str, ...]
    lost: Mapping[str, int]
    gained: Mapping[str, int]
    moved: Mapping[str, int]

    @property
    def changes(self) -> dict[str, int]:
        """Return how much of each kind comes, goes and moves, without the zeros: {"addresses gained": 1}."""
        counted = {f"{kind} gained": number for kind, number in self.gained.items()}
        counted |= {f"{kind} lost": number for kind, number in self.lost.items()}
        counted |= {f"{kind} {_MOVED[kind]}": number for kind, number in self.moved.items() if kind in _MOVED}
        return {what: number for what, number in counted.items() if number}


class _Turnover(NamedTuple):
    """How many of a kind are live, and how many of them a candidate takes away, adds, and gives to others."""

    before: int
    lost: int
    gained: int
    moved: int

    @property
    def after(self) -> int:
        return self.before - self.lost + self.gained


def judge(
    candidate: Directory,
    active: World | None,
    *,
    limits: Limits,
    best: Mapping[str, int] | None = None,
    best_of: str = "the last day",
) -> Verdict:
    """Return whether a candidate may go live.

    Args:
        candidate: what was read.
        active: what is live; None before the first generation.
        limits: how much may go at once.
        best: the most of each kind that was served not long ago, or is elsewhere.
        best_of: when, or where, for people.
    """
    world = World(directory=candidate)
    kinds = {kind: _turnover(active, world, kind) for kind in KINDS if kind != "users" or candidate.users_known}
    first = active is None
    reasons = [
        *_empty(candidate, kinds, first=first),
        *_lost(kinds, limits),
        *_moved(kinds, limits),
    ]
    if not reasons:
        reasons += _drained(kinds, best or {}, best_of, limits=limits, first=first)
        reasons += _below(kinds["addresses"], limits.floor, first=first)
    return Verdict(
        reasons=tuple(reasons),
        lost={kind: seen.lost for kind, seen in kinds.items()},
        gained={kind: seen.gained for kind, seen in kinds.items()},
        moved={kind: seen.moved for kind, seen in kinds.items()},
    )


def _empty(candidate: Directory, kinds: Mapping[str, _Turnover], *, first: bool) -> Iterable[str]:
    had_addresses = first or kinds["domains"].before > 0
    if candidate.rows == 0 and had_addresses:
        yield "the address table is empty"
    elif not candidate.lines and had_addresses:
        yield f"none of the {candidate.rows} rows of the address table can be served"
    if candidate.users_known and not candidate.users and (first or kinds["users"].before > 0):
        yield "the user pool has no user that can be served"


def _lost(kinds: Mapping[str, _Turnover], limits: Limits) -> Iterator[str]:
    for kind, seen in kinds.items():
        if seen.lost >= limits.minimum and seen.lost > limits.share * seen.before:
            yield f"{seen.lost} of {seen.before} {kind} would be gone, more than {limits.share:.0%} in one pass"


def _moved(kinds: Mapping[str, _Turnover], limits: Limits) -> Iterator[str]:
    addresses, users = kinds["addresses"], kinds.get("users")
    if addresses.moved >= limits.minimum and addresses.moved > limits.reassigned * addresses.before:
        yield (
            f"{addresses.moved} of {addresses.before} addresses would be other users', "
            f"more than {limits.reassigned:.0%} in one pass"
        )
    if users is not None and users.moved > limits.renumbered:
        yield (
            f"{users.moved} of {users.before} users would have another UID, more than {limits.renumbered}: "
            "their homes belong to the old ones"
        )


def _drained(
    kinds: Mapping[str, _Turnover], best: Mapping[str, int], best_of: str, *, limits: Limits, first: bool
) -> Iterator[str]:
    for kind, seen in kinds.items():
        most = best.get(kind, 0)
        gone = most - seen.after
        if (first or seen.lost) and gone >= limits.minimum and gone > limits.share * most:
            yield f"{seen.after} {kind} would be left of the {most} of {best_of}, more than {limits.share:.0%} fewer"


def _below(addresses: _Turnover, floor: int, *, first: bool) -> Iterator[str]:
    if (first or addresses.lost) and addresses.after < floor:
        yield f"{addresses.after} addresses would take mail, fewer than the {floor} of RECONFIGURE_GUARD_FLOOR"


def _turnover(active: World | None, candidate: World, kind: str) -> _Turnover:
    """Count what is live and what changes. Of the addresses, only those that take mail count."""
    before = lost = gained = moved = 0
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
            moved += was and will_be
    return _Turnover(before, lost, gained, moved)
