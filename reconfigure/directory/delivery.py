"""How a shared address is delivered: one local name that the alias database expands to its users.

An alias name must never be a user's name or another group's alias. User names hold no dot, so names joined by
dots can be told apart again: `alice.bob` is alice and bob and nobody else. (Joined by `_`, the users `a_b` and
`c` would share a name with `a` and `b_c`, and one would get the other's mail.)
"""

import hashlib
from collections.abc import Iterable

ALIAS_LIMIT = 64  # the longest local part that RFC 5321 promises to carry
# makemap takes lines of up to 1022 characters and fails on a longer one; this leaves room for alias and separator.
MEMBERS_LIMIT = 950


def alias_name(users: tuple[str, ...]) -> str:
    """Return the alias that expands to two or more users (sorted, each once)."""
    joined = ".".join(users)
    # Expanding an alias x, sendmail makes the alias owner-x, where there is one, the envelope's sender (aliases(5)):
    # the user owner-alice and bob would get the bounces of what alice and bob share.
    if len(joined) <= ALIAS_LIMIT and not joined.startswith("owner-"):
        return joined
    # 40 hexadecimal digits are longer than any user name, so this cannot be somebody's joined name either.
    return f"shared.{hashlib.sha256(joined.encode('ascii')).hexdigest()[:40]}"


def members(users: Iterable[str]) -> str:
    """Return users as the alias database lists them."""
    return ", ".join(users)


def target(users: tuple[str, ...]) -> str:
    """Return the local name that mail for these users is delivered to: none, the user, or the alias of several."""
    if not users:
        return ""
    return users[0] if len(users) == 1 else alias_name(users)


def groups(users_of_addresses: Iterable[tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    """Return `(alias, users)` for each set of two or more users, once, sorted by alias."""
    return sorted((alias_name(users), users) for users in set(users_of_addresses) if len(users) > 1)
