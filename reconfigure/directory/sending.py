"""Limits of their own that users have for what they send in a day, by the attribute `custom:sending_limit`.

Whoever has none, or one that cannot be read, has the one that holds for all: never none at all.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from reconfigure.directory.model import CognitoUser, Refusal, SendingLimit, User
from reconfigure.directory.printable import printable

LARGEST = 1_000_000

_INTEGER = re.compile(r"[0-9]{1,7}")


class JudgedLimits(NamedTuple):
    """The limits, sorted by user, and those that are not believed."""

    limits: list[SendingLimit]
    refusals: list[Refusal]


def judge_limits(users: Iterable[CognitoUser], *, served: Iterable[User]) -> JudgedLimits:
    """Return the limits of the users that are served.

    Args:
        users: as the pool has them, in any order.
        served: who of them is served.
    """
    values = {user.name: user.sending_limit for user in users}
    judged = JudgedLimits([], [])
    for name in sorted(user.name for user in served):
        value = values.get(name)
        if value is None:
            continue
        if _INTEGER.fullmatch(value) and int(value) <= LARGEST:
            judged.limits.append(SendingLimit(name, int(value)))
        else:
            judged.refusals.append(
                Refusal("sending-limit", "user", name, "custom:sending_limit", printable(value) or "nothing")
            )
    return judged
