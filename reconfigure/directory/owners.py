"""Who an address belongs to: what a value of its `user` field ("alice", "alice/bob") comes to.

Each name is judged by `syntax`, and held against the users that are served. What is wrong with a value is said once
for each kind of fault, however often it occurs in it, and only sound, short values are remembered: a hostile table
must fill neither the quarantine nor the memory.
"""

from typing import NamedTuple

from reconfigure.directory import syntax
from reconfigure.directory.delivery import MEMBERS_LIMIT, members
from reconfigure.directory.printable import printable

FIELD_LIMIT = 2048  # beyond it, repetitions included, somebody is not sharing an address
REMEMBERED = 65_536  # values; most rows' owners are a few of these
REMEMBERED_LENGTH = 128


class Owning(NamedTuple):
    """What a value comes to: the served users (sorted, joined by '/'), and what in it is refused."""

    served: str
    unfit: tuple[syntax.Unfit, ...]


class Owners:
    """Judges values of the `user` field.

    Attributes:
        clean: values without a fault that were met before, and the served users of each, joined by '/'.

    Args:
        known: the users served; None takes every well-formed name as one.
    """

    def __init__(self, known: set[str] | None) -> None:
        self._known = known
        self.clean: dict[str, str] = {name: name for name in known or ()}

    def of(self, value: str) -> Owning:
        """Return what a value comes to; nobody is served through one that is too long."""
        found = self._judge(value)
        if not found.unfit and len(value) <= REMEMBERED_LENGTH and len(self.clean) < REMEMBERED:
            self.clean[value] = found.served
        return found

    def _judge(self, value: str) -> Owning:
        if len(value) > FIELD_LIMIT:
            return _too_long(f"{len(value)} characters; at most {FIELD_LIMIT}")
        names: set[str] = set()
        faults: dict[str, str] = {}
        for part in value.split("/"):
            name = syntax.user_name(part)
            if isinstance(name, syntax.Unfit):
                faults.setdefault(name.code, f"{printable(part)}: {name.detail}")
            else:
                names.add(name)
        # Whether they are served or not, so that an address does not come and go with its users' accounts.
        listed = len(members(sorted(names)))
        if listed > MEMBERS_LIMIT:
            return _too_long(f"{len(names)} users, {listed} characters as an alias; at most {MEMBERS_LIMIT}")
        served = names if self._known is None else names & self._known
        return Owning("/".join(sorted(served)), tuple(syntax.Unfit(*fault) for fault in faults.items()))


def _too_long(detail: str) -> Owning:
    return Owning("", (syntax.Unfit("user-field-length", f"{detail}; mail is deferred"),))
