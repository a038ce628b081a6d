"""Which of Cognito's users are served, and which are refused by name.

Served: confirmed, enabled, a name that useradd would take, and an integer `custom:osid` that is nobody else's. Where
several have the same, whoever is served with it already keeps it: an app client may let users write the attribute
themselves, and to copy another's must not put that other out of service.
A user that is not confirmed or is disabled is no mistake, so it is left out without a word.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reconfigure.directory import syntax
from reconfigure.directory.model import CognitoUser, Refusal, User
from reconfigure.directory.printable import printable

UID_MIN = 1000  # login.defs(5), UID_MIN: below are the system's own
UID_MAX = 65533  # 65534 is nobody, 65535 is (uid_t) -1 in 16 bits
HIGH_UID_MIN = 65536
HIGH_UID_MAX = 2**32 - 3  # 2^32-1 is (uid_t) -1, 2^32-2 is nobody on some systems

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")


class JudgedUsers(NamedTuple):
    """The users served, sorted by name, and the refusals."""

    served: list[User]
    refusals: list[Refusal]


def judge_users(
    users: Iterable[CognitoUser], *, high_uids: bool, holders: Mapping[int, str] | None = None
) -> JudgedUsers:
    """Return who is served and who is refused, and why.

    Args:
        users: as the pool has them, in any order.
        high_uids: whether UIDs above 65535 are taken, too.
        holders: UID → the name of the user who is live with it.
    """
    candidates: list[User] = []
    refusals: list[Refusal] = []
    for user in users:
        if not (user.confirmed and user.enabled):
            continue
        judged = _judge(user, high_uids=high_uids)
        if isinstance(judged, User):
            candidates.append(judged)
        else:
            refusals.append(judged)
    uses = Counter(uid for _, uid in candidates)
    kept = {user for user in candidates if holders is not None and holders.get(user.uid) == user.name}
    taken = {user.uid for user in kept}
    served = []
    for name, uid in sorted(candidates):
        if uses[uid] == 1 or (name, uid) in kept:
            served.append(User(name, uid))
        elif uid in taken:
            refusals.append(
                Refusal("osid-taken", "user", name, "custom:osid", f"{uid} is the osid of another user, who is live")
            )
        else:
            # Neither is more right than the other, and to guess would give one of them the other's mailbox.
            refusals.append(
                Refusal("osid-duplicate", "user", name, "custom:osid", f"{uid} is the osid of {uses[uid]} users")
            )
    return JudgedUsers(served, refusals)


def _judge(user: CognitoUser, *, high_uids: bool) -> User | Refusal:
    name = syntax.user_name(user.name)
    if isinstance(name, syntax.Unfit):
        return Refusal(name.code, "user", printable(user.name), "username", name.detail)
    if user.osid is None or not user.osid.strip():
        return Refusal("osid-missing", "user", name, "custom:osid", "the attribute is not set")
    if not _INTEGER.fullmatch(user.osid):
        return Refusal("osid-not-integer", "user", name, "custom:osid", printable(user.osid))
    uid = int(user.osid)
    if UID_MIN <= uid <= UID_MAX or (high_uids and HIGH_UID_MIN <= uid <= HIGH_UID_MAX):
        return User(name, uid)
    allowed = f"{UID_MIN}-{UID_MAX}" + (f" or {HIGH_UID_MIN}-{HIGH_UID_MAX}" if high_uids else "")
    return Refusal("osid-range", "user", name, "custom:osid", f"{uid} is not within {allowed}")
