"""Rows and users become a `Directory`: each row judged once, everything sound served, the rest in quarantine.

This runs once for every row of every full pass, so the common row (canonical already, users known) takes one
regular expression and two dictionary look-ups; whatever is odd falls through to the careful path.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from reconfigure.directory import syntax
from reconfigure.directory.model import (
    CognitoUser,
    Directory,
    Quarantine,
    RawRow,
    Refusal,
    State,
    User,
)
from reconfigure.directory.printable import printable
from reconfigure.directory.users import judge_users

USER_FIELD_LIMIT = 2048  # 62 users of the longest name; beyond it somebody is not sharing an address


class _Listed:
    """Counts every refusal and keeps the first of them."""

    def __init__(self, limit: int) -> None:
        self.counts: Counter[str] = Counter()
        self.listed: list[Refusal] = []
        self._limit = limit

    def add(self, refusal: Refusal) -> None:
        self.counts[refusal.code] += 1
        if len(self.listed) < self._limit:
            self.listed.append(refusal)

    def quarantine(self) -> Quarantine:
        return Quarantine(dict(sorted(self.counts.items())), tuple(sorted(self.listed)))


def assemble(
    pages: Iterable[Sequence[RawRow]],
    users: Iterable[CognitoUser] | None,
    *,
    high_uids: bool = False,
    listed: int = 1000,
    checkpoint: Callable[[], None] = lambda: None,
) -> Directory:
    """Return the directory that rows and users make.

    Args:
        pages: the address table's items, page by page, in any order.
        users: the pool's users; None takes every well-formed user of an address as present.
        high_uids: whether UIDs above 65535 are taken.
        listed: how many refusals are kept in full; all are counted.
        checkpoint: called once a page; may raise to end the work.
    """
    refused = _Listed(listed)
    served: list[User] = []
    if users is not None:
        served, refusals = judge_users(users, high_uids=high_uids)
        for refusal in refusals:
            refused.add(refusal)
    owners = _owners({user.name for user in served} if users is not None else None)
    canonical: list[str] = []
    folded: list[tuple[str, str, str]] = []  # (name, key as written, packed line)
    domains: set[str] = set()
    rows = 0
    for page in pages:
        checkpoint()
        rows += len(page)
        for row in page:
            judged = _judge_row(row, owners=owners, refused=refused)
            if judged is None:
                continue
            key, box, line = judged
            if key == box.name:
                canonical.append(line)
                domains.add(box.domain)
            else:
                folded.append((box.name, key, line))
    canonical.sort()
    domains |= _merge_folded(canonical, folded, refused)
    return Directory(
        lines=canonical,
        users=tuple(served),
        users_known=users is not None,
        domains=tuple(sorted(domains)),
        quarantine=refused.quarantine(),
        rows=rows,
    )


def _merge_folded(lines: list[str], folded: list[tuple[str, str, str]], refused: _Listed) -> set[str]:
    """Add rows whose key folds to a canonical name; a row written canonically wins, then the smallest key."""
    won: dict[str, str] = {}
    for name, key, line in sorted(folded):
        at = bisect_left(lines, f"{name}\t")
        taken = name in won or (at < len(lines) and lines[at].startswith(f"{name}\t"))
        if taken:
            detail = f"folds to {printable(name)}, which another row has"
            refused.add(Refusal("address-duplicate", "address", printable(key), "address", detail))
        else:
            won[name] = line
    lines.extend(won.values())
    lines.sort()
    return {name.rpartition("@")[2] for name in won}


def _judge_row(
    row: RawRow, *, owners: Callable[[str], "_Owners"], refused: _Listed
) -> tuple[str, syntax.Mailbox, str] | None:
    """Return (key, mailbox, packed line) of a row that may be rendered; None when it is refused."""
    key = _string(row, "address")
    if key is None:
        refused.add(Refusal("row-type", "address", _shown_key(row), "address", "not a string"))
        return None
    box = syntax.mailbox(key)
    if isinstance(box, syntax.Unfit):
        refused.add(Refusal(box.code, "address", printable(key), "address", box.detail))
        return None
    refusal = _mismatch(row, key, box.name)
    if refusal is not None:
        refused.add(refusal)
        return None
    owning = _owners_of(row, key, owners, refused)
    suspended = row.get("suspended")
    if suspended is not None and not isinstance(suspended.get("BOOL", suspended.get("NULL")), bool):
        # Somebody meant to say something about suspension; serving the address would be a guess.
        refused.add(Refusal("row-type", "address", printable(key), "suspended", "not a boolean; taken as suspended"))
        state = State.SUSPENDED.value
    elif suspended is not None and suspended.get("BOOL") is True:
        state = State.SUSPENDED.value
    else:
        state = State.ACTIVE.value if owning else State.DANGLING.value
    return key, box, f"{box.name}\t{state}\t{owning}"


def _string(row: RawRow, field: str) -> str | None:
    value = row.get(field)
    text = value.get("S") if isinstance(value, dict) else None
    return text if isinstance(text, str) else None


def _shown_key(row: RawRow) -> str:
    return printable(row.get("address", "(no address)"))


def _mismatch(row: RawRow, key: str, name: str) -> Refusal | None:
    """Refuse a row whose parts say another address than its key: one of them is wrong, and mail would go by it."""
    parts: dict[str, str] = {}
    for field in ("username", "subdomain", "tld"):
        if field in row:
            text = _string(row, field)
            if text is None:
                return Refusal("row-type", "address", printable(key), field, "not a string")
            parts[field] = text
    if "username" not in parts and "tld" not in parts:
        return None  # the key alone says it
    local, _, host = name.partition("@")
    said_host = ".".join(part for part in (parts.get("subdomain"), parts.get("tld", "")) if part)
    said = f"{parts.get('username', local)}@{said_host if 'tld' in parts else host}"
    if said in (key, name):
        return None
    folded = syntax.mailbox(said)
    if isinstance(folded, syntax.Mailbox) and folded.name == name:
        return None
    detail = f"username, subdomain and tld say {printable(said)}"
    return Refusal("address-mismatch", "address", printable(key), "username/subdomain/tld", detail)


class _Owners:
    """What one value of the `user` field comes to: the served users joined by '/', and the refusals in it."""

    __slots__ = ("served", "unfit")

    def __init__(self, served: str, unfit: tuple[tuple[str, str], ...]) -> None:
        self.served = served
        self.unfit = unfit


def _owners(known: set[str] | None) -> Callable[[str], _Owners]:
    """Return a function from a `user` value to its owners; values repeat, so answers are kept (within bounds)."""

    @lru_cache(maxsize=65_536)
    def owners(value: str) -> _Owners:
        if len(value) > USER_FIELD_LIMIT:
            return _Owners("", (("user-field-length", f"{len(value)} characters; at most {USER_FIELD_LIMIT}"),))
        names: set[str] = set()
        unfit: list[tuple[str, str]] = []
        for part in value.split("/"):
            name = syntax.user_name(part)
            if isinstance(name, syntax.Unfit):
                unfit.append((name.code, f"{printable(part)}: {name.detail}"))
            elif known is None or name in known:
                names.add(name)
        return _Owners("/".join(sorted(names)), tuple(unfit))

    return owners


def _owners_of(row: RawRow, key: str, owners: Callable[[str], _Owners], refused: _Listed) -> str:
    if "user" not in row:
        refused.add(
            Refusal("user-missing", "address", printable(key), "user", "the address has no user; mail is deferred")
        )
        return ""
    value = _string(row, "user")
    if value is None:
        refused.add(Refusal("row-type", "address", printable(key), "user", "not a string; mail is deferred"))
        return ""
    found = owners(value)
    for code, detail in found.unfit:
        refused.add(Refusal(code, "address", printable(key), "user", detail))
    return found.served
