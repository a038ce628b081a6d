"""The guard: a candidate that would take too much away is held until somebody looked. Pure.

Databases that lost their rows, and filters that hide them, answer without an error; the worst a mail service can do
then is to believe it. A column that was shifted takes nothing away, and gives everybody's mail to somebody else.

Of the users, only those who have an address count: where strangers may sign up, they could otherwise have everything
held by signing up in numbers and leaving again.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from reconfigure.directory.model import Directory, State, owners_of
from reconfigure.generations.compare import World, compare

KINDS = ("addresses", "domains", "users")
_ACTIVE = f"\t{State.ACTIVE.value}\t"
_COUNTED_AS = {"users": "owners"}  # in the best of the day: those who have an address
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

    def while_held(self) -> "Limits":
        """Return how much may be taken away while a candidate is held: its source is in doubt, so a tenth."""
        return self._replace(share=self.share / 10, reassigned=self.reassigned / 10)


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
        best: the most addresses, domains and owners of addresses that were served not long ago, or are elsewhere.
        best_of: when, or where, for people.
    """
    world = World(directory=candidate)
    kinds = {kind: _turnover(active, world, kind) for kind in KINDS if kind != "users" or candidate.users_known}
    first = active is None
    guarded = _of_owners(kinds, active, world)
    reasons = [
        *_empty(candidate, kinds, first=first),
        *_lost(guarded, limits),
        *_moved(guarded, limits),
    ]
    if not reasons:
        reasons += _drained(guarded, best or {}, best_of, limits=limits, first=first)
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
            gone = f"{seen.lost} of {seen.before} {_judged(kind)} would be gone"
            yield f"{gone}, more than {limits.share:.0%} in one pass"


def _moved(kinds: Mapping[str, _Turnover], limits: Limits) -> Iterator[str]:
    addresses, users = kinds["addresses"], kinds.get("users")
    if addresses.moved >= limits.minimum and addresses.moved > limits.reassigned * addresses.before:
        yield (
            f"{addresses.moved} of {addresses.before} addresses would be other users', "
            f"more than {limits.reassigned:.0%} in one pass"
        )
    if users is not None and users.moved > limits.renumbered:
        moved = f"{users.moved} of {users.before} {_judged('users')} would have another UID"
        yield f"{moved}, more than {limits.renumbered}: their homes belong to the old ones"


def _drained(
    kinds: Mapping[str, _Turnover], best: Mapping[str, int], best_of: str, *, limits: Limits, first: bool
) -> Iterator[str]:
    for kind, seen in kinds.items():
        most = best.get(_COUNTED_AS.get(kind, kind), 0)
        gone = most - seen.after
        if (first or seen.lost) and gone >= limits.minimum and gone > limits.share * most:
            left = f"{seen.after} {_judged(kind)} would be left of the {most} of {best_of}"
            yield f"{left}, more than {limits.share:.0%} fewer"


def _below(addresses: _Turnover, floor: int, *, first: bool) -> Iterator[str]:
    if (first or addresses.lost) and addresses.after < floor:
        yield f"{addresses.after} addresses would take mail, fewer than the {floor} of RECONFIGURE_GUARD_FLOOR"


def _judged(kind: str) -> str:
    return "users with addresses" if kind == "users" else kind


def _turnover(active: World | None, candidate: World, kind: str) -> _Turnover:
    """Count what is live and what changes. Of the addresses, only those that take mail count."""
    before = lost = gained = moved = 0
    mark = _ACTIVE if kind == "addresses" else ""
    active = active or World()
    with active.open(kind) as lines:
        before = sum(1 for line in lines if mark in line)
    with active.open(kind) as old, candidate.open(kind) as new:
        for change in compare(old, new):
            was = change.old is not None and mark in change.old
            will_be = change.new is not None and mark in change.new
            lost += was and not will_be
            gained += will_be and not was
            moved += was and will_be
    return _Turnover(before, lost, gained, moved)


def _of_owners(kinds: Mapping[str, _Turnover], active: World | None, candidate: World) -> Mapping[str, _Turnover]:
    """Return what is judged: as what was counted, but of the users only those who have an address."""
    users = kinds.get("users")
    if users is None or (active is not None and not users.lost and not users.moved):
        return kinds  # nobody goes or is another, so nothing is asked of them
    active = active or World()
    owned, will_own = (_owners(world) for world in (active, candidate))
    lost = moved = 0
    with active.open("users") as old, candidate.open("users") as new:
        for change in compare(old, new):
            lost += change.new is None and change.key in owned
            moved += change.way == "changed" and change.key in owned | will_own
    gained = (
        len(will_own) - len(owned) + lost
    )  # whoever has a first address comes, whoever has none any more is not lost
    return {**kinds, "users": _Turnover(len(owned), lost, gained, moved)}


def _owners(world: World) -> set[str]:
    with world.open("addresses") as lines:
        return owners_of(lines)
