"""A directory with a few addresses read anew, or the answer that only reading everything will do.

What is served is exactly what `assemble` would make of the whole table, which is tested; wherever that cannot be known
from the rows at hand, the answer is None. Only the number of rows and of refusals may lag behind, when a refused row
was mended, until everything is read again. Pure.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from reconfigure.directory import syntax
from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, Directory, Quarantine, RawRow, User

DUPLICATE = "address-duplicate"


def amend(base: Directory, named: Mapping[str, RawRow | None]) -> Directory | None:
    """Return the directory after some rows were read by key, or None when everything must be read.

    Args:
        base: what is live.
        named: each key with its row, or None where the table has no such row.
    """
    if base.folded or base.quarantine.counts.get(DUPLICATE):
        return None  # an address is not always found under its own name, or a row that was out-folded may win now
    if not all(_is_canonical(key) for key in named):
        return None
    present = [row for row in named.values() if row is not None]
    mentioned = _users_of(present)
    known = {user.name: user for user in base.users}
    if base.users_known and not mentioned <= known.keys():
        return None  # perhaps a user who is newer than what is live
    users = [_cognito(known[name]) for name in sorted(mentioned)] if base.users_known else None
    read = assemble([present], users, high_uids=True)
    if read.quarantine.total or len(read.lines) != len(present):
        return None  # the quarantine is counted over the whole table
    lines = list(base.lines)
    added = _replace(lines, named, read.lines)
    return Directory(
        lines=lines,
        users=base.users,
        users_known=base.users_known,
        domains=_domains(lines),
        quarantine=Quarantine(base.quarantine.counts),
        rows=base.rows + added,
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


def _replace(lines: list[str], named: Mapping[str, RawRow | None], read: Iterable[str]) -> int:
    """Put the lines that were read in the place of the named ones, and return how many more there are now."""
    before = len(lines)
    fresh = {line.partition("\t")[0]: line for line in read}
    for key in named:
        at = bisect_left(lines, f"{key}\t")
        there = at < len(lines) and lines[at].startswith(f"{key}\t")
        lines[at : at + there] = [fresh[key]] if key in fresh else []
    return len(lines) - before


def _domains(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({line[line.index("@") + 1 : line.index("\t")] for line in lines}))
