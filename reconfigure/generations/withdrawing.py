"""What is taken away while the guard holds a candidate: what is live, less what the sources serve no more. Pure.

Nobody should have to wait for an operator's approval to lose an address, a login or a share. What comes, what is given
to others, renumbered or no longer suspended waits with the candidate. Whether so much may be taken away at all is asked
of the same guard, way by way: where rows go in masses, no row goes, and a suspension still does.
"""

from collections.abc import Callable, Collection, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum, auto

from reconfigure.directory.model import Address, Directory, Quarantine, State, User, pack, unpack
from reconfigure.generations.compare import compare
from reconfigure.generations.guard import Verdict


class Way(Enum):
    """A way in which something is taken away."""

    ROWS = auto()  # a row is gone, or names a user no more
    SUSPENSIONS = auto()  # a row says that the address is suspended
    USERS = auto()  # a user is not served any more: disabled, deleted, refused


@dataclass(frozen=True)
class Withdrawn:
    """What is left of what is live, and the guard's verdict on it, which has no reasons."""

    directory: Directory
    verdict: Verdict


def withdrawn(live: Directory, wanted: Directory, judge: Callable[[Directory], Verdict]) -> Withdrawn | None:
    """Return what may go live in place of a candidate that is held; None when nothing is to be taken away, or too much.

    Args:
        live: what is live.
        wanted: what the sources say, which is held.
        judge: the guard, against what is live.
    """
    whole = left_of(live, wanted, set(Way))
    verdict = judge(whole)
    if verdict.reasons:
        # Each way by itself, so that one that goes too far keeps back that way alone; then all of these together.
        ways = {way for way in Way if _may_go(live, left_of(live, wanted, {way}), judge)}
        whole = left_of(live, wanted, ways)
        verdict = judge(whole)
    return None if verdict.reasons or _is_same(live, whole) else Withdrawn(whole, verdict)


def _may_go(live: Directory, left: Directory, judge: Callable[[Directory], Verdict]) -> bool:
    return _is_same(live, left) or not judge(left).reasons


def _is_same(live: Directory, left: Directory) -> bool:
    return live.lines == left.lines and live.users == left.users


def left_of(live: Directory, wanted: Directory, ways: AbstractSet[Way]) -> Directory:
    """Return what is live, less what the sources took away in some ways; nothing in it is new."""
    there = {user.name for user in wanted.users} if wanted.users_known else None
    lines = list(_lines(live, wanted, ways, there))
    gone = len(live.lines) - len(lines)
    users = [user for user in live.users if Way.USERS not in ways or there is None or user.name in there]
    names = {user.name for user in users}
    return Directory(
        lines=lines,
        users=tuple(User(*user) for user in users),
        users_known=live.users_known,
        domains=tuple(sorted({line[line.index("@") + 1 : line.index("\t")] for line in lines})),
        quarantine=Quarantine(wanted.quarantine.counts),
        rows=live.rows - gone,
        folded=min(live.folded, len(lines)),
        sending_limits=tuple(limit for limit in live.sending_limits if limit.user in names),
    )


def _lines(live: Directory, wanted: Directory, ways: AbstractSet[Way], there: Collection[str] | None) -> Iterator[str]:
    changes = {change.key: change for change in compare(live.lines, wanted.lines)}
    for line in live.lines:
        change = changes.get(line[: line.index("\t")])
        if change is None:
            yield line
        elif change.new is not None:
            yield pack(_less(unpack(line), unpack(change.new), ways, there))
        elif Way.ROWS not in ways:
            yield pack(_less(unpack(line), None, ways, there))


def _less(live: Address, wanted: Address | None, ways: AbstractSet[Way], there: Collection[str] | None) -> Address:
    users = live.users
    if Way.USERS in ways and there is not None:
        users = tuple(user for user in users if user in there)
    if Way.ROWS in ways and wanted is not None:
        # Of a user who is not served, the row may say what it likes. One that names others alone is another's now.
        kept = tuple(user for user in users if user in wanted.users or (there is not None and user not in there))
        if not wanted.users or not set(kept).isdisjoint(wanted.users):
            users = kept
    state = live.state
    if Way.SUSPENSIONS in ways and wanted is not None and wanted.state == State.SUSPENDED:
        state = State.SUSPENDED
    elif state == State.ACTIVE and not users:
        state = State.DANGLING
    return Address(live.name, state, users)
