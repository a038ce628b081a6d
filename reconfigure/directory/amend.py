"""A directory with a few addresses read anew, or the answer that only reading everything will do.

A row whose key is the address itself decides what becomes of that address, whatever else the table holds. Where there
is none, a row whose key is written otherwise may stand for it, which only reading everything shows. So what is served
of each named address is exactly what `assemble` would make of the whole table, whatever was missed before; where that
cannot be known from the rows at hand, the answer is None. Users are those of the last full read. The numbers of rows
and of refusals may lag behind until everything is read again. Pure.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from reconfigure.directory import syntax
from reconfigure.directory.assemble import assemble
from reconfigure.directory.hosting import ANY, Hosting
from reconfigure.directory.model import CognitoUser, Directory, Quarantine, RawRow, User


def amend(base: Directory, named: Mapping[str, RawRow | None], *, hosting: Hosting = ANY) -> Directory | None:
    """Return the directory after some rows were read by key, or None when everything must be read.

    Args:
        base: what is live.
        named: each key with its row, or None where the table has no such row.
        hosting: which domains may be hosted.
    """
    present = [row for row in named.values() if row is not None]
    if len(present) < len(named) or not all(_is_canonical(key) for key in named):
        return None
    if any(hosting.unfit(domain) for domain in base.domains):
        return None  # live since before a setting
    mentioned = _users_of(present)
    known = {user.name: user for user in base.users}
    if base.users_known and not mentioned <= known.keys():
        return None  # perhaps a user who is newer than what is live
    users = [_cognito(known[name]) for name in sorted(mentioned)] if base.users_known else None
    read = assemble([present], users, hosting=hosting, high_uids=True)
    if read.quarantine.total or len(read.lines) != len(present):
        return None  # the quarantine is counted over the whole table
    lines = list(base.lines)
    added = _replace(lines, read.lines)
    return Directory(
        lines=lines,
        users=base.users,
        users_known=base.users_known,
        domains=_domains(lines),
        quarantine=Quarantine(base.quarantine.counts),
        rows=base.rows + added,
        folded=base.folded,
        sending_limits=base.sending_limits,
    )


def _is_canonical(key: str) -> bool:
    box = syntax.mailbox(key)
    return isinstance(box, syntax.Mailbox) and box.name == key


def _users_of(rows: Iterable[RawRow]) -> set[str]:
    names: set[str] = set()
    for row in rows:
        value = row.get("user", {}).get("S")
        if isinstance(value, str):
            names.update(value.split("/"))
    return names


def _cognito(user: User) -> CognitoUser:
    return CognitoUser(user.name, confirmed=True, enabled=True, osid=str(user.uid))


def _replace(lines: list[str], read: Iterable[str]) -> int:
    """Put lines that were read in the place of those of the same name, and return how many more there are now."""
    before = len(lines)
    for line in read:
        name = line[: line.index("\t") + 1]
        at = bisect_left(lines, name)
        there = at < len(lines) and lines[at].startswith(name)
        lines[at : at + there] = [line]
    return len(lines) - before


def _domains(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({line[line.index("@") + 1 : line.index("\t")] for line in lines}))
