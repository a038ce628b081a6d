"""Rows and users become a `Directory`: each row judged once, everything sound served, the rest in quarantine.

This runs once for every row of every full pass, so the common row (written as the admin app writes it, in a domain
and with owners seen before) takes a regular expression and a few look-ups; whatever is odd takes the careful path.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress, count, islice, repeat
from operator import eq, itemgetter
from typing import Any

from reconfigure.directory import syntax
from reconfigure.directory.hosting import ANY, Hosting
from reconfigure.directory.model import (
    CognitoUser,
    Directory,
    Quarantine,
    RawRow,
    Refusal,
    SendingLimit,
    State,
    User,
)
from reconfigure.directory.owners import Owners
from reconfigure.directory.printable import printable
from reconfigure.directory.sending import judge_limits
from reconfigure.directory.users import judge_users


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
    hosting: Hosting = ANY,
    high_uids: bool = False,
    holders: Mapping[int, str] | None = None,
    listed: int = 1000,
    checkpoint: Callable[[], None] = lambda: None,
) -> Directory:
    """Return the directory that rows and users make.

    Args:
        pages: the address table's items, page by page, in any order.
        users: the pool's users; None takes every well-formed user of an address as present.
        hosting: which domains may be hosted.
        high_uids: whether UIDs above 65535 are taken.
        holders: UID → the name of the user who is live with it, and keeps it.
        listed: how many refusals are kept in full; all are counted.
        checkpoint: called once a page; may raise to end the work.
    """
    refused = _Listed(listed)
    served: list[User] = []
    limits: list[SendingLimit] = []
    if users is not None:
        pool = list(users)
        served, refusals = judge_users(pool, high_uids=high_uids, holders=holders)
        limits, unread = judge_limits(pool, served=served)
        for refusal in (*refusals, *unread):
            refused.add(refusal)
    owners = Owners({user.name for user in served} if users is not None else None)
    canonical: list[str] = []
    folded: list[tuple[str, str, str]] = []  # (name, key as written, packed line)
    domains: set[str] = set()
    rows = 0
    for page in pages:
        checkpoint()
        rows += len(page)
        for row in page:
            plain = _plain_line(row, domains=domains, owners=owners.clean)
            if plain is not None:
                canonical.append(plain)
                continue
            judged = _judge_row(row, hosting=hosting, owners=owners, refused=refused)
            if judged is None:
                continue
            key, box, line = judged
            if key == box.name:
                canonical.append(line)
                domains.add(box.domain)
            else:
                folded.append((box.name, key, line))
        del page  # the next one is read without this one in memory
    canonical.sort()
    _drop_repeated(canonical, refused)
    won = _merge_folded(canonical, folded, refused)
    domains.update(name.rpartition("@")[2] for name in won)
    return Directory(
        lines=canonical,
        users=tuple(served),
        users_known=users is not None,
        domains=tuple(sorted(domains)),
        quarantine=refused.quarantine(),
        rows=rows,
        folded=len(won),
        sending_limits=tuple(limits),
    )


def _drop_repeated(lines: list[str], refused: _Listed) -> None:
    """Keep the first line of each name: a table whose key is more than the address may hold an address twice."""
    repeated = set(compress(count(1), map(eq, _names(lines), islice(_names(lines), 1, None))))
    if not repeated:
        return
    for at in sorted(repeated):
        key = printable(lines[at].partition("\t")[0])
        refused.add(Refusal("address-duplicate", "address", key, "address", "another row has the same key"))
    lines[:] = [line for at, line in enumerate(lines) if at not in repeated]


def _names(lines: Iterable[str]) -> Iterator[str]:
    return map(itemgetter(0), map(str.partition, lines, repeat("\t")))


def _merge_folded(lines: list[str], folded: list[tuple[str, str, str]], refused: _Listed) -> Collection[str]:
    """Add rows whose key folds to a canonical name, and return the names added.

    A row written canonically wins, then the smallest key.
    """
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
    return won


def _plain_line(row: RawRow, *, domains: Collection[str], owners: Mapping[str, str]) -> str | None:
    """Return the packed line of a row that has nothing odd about it; None for every row that needs a closer look.

    Args:
        row: of the table.
        domains: known to be canonical, and ours.
        owners: values of `user` without a fault in them, and the served users that they come to.
    """
    try:
        name = row["address"]["S"]
        local, _, host = name.partition("@")
        if (
            host not in domains
            or row["username"]["S"] != local
            or row["subdomain"]["S"] + "." + row["tld"]["S"] != host
            or len(local) > syntax.LOCAL_PART_LIMIT
            or len(name) > syntax.ADDRESS_LIMIT
            or syntax.PLAIN_LOCAL_PART.fullmatch(local) is None
        ):
            return None
        owning = owners[row["user"]["S"]]
        suspended = row["suspended"]["BOOL"] if "suspended" in row else False
    except (KeyError, TypeError, AttributeError):
        return None  # a field is absent or of another type
    if suspended is False:
        return f"{name}\t{_ACTIVE if owning else _DANGLING}\t{owning}"
    return f"{name}\t{_SUSPENDED}\t{owning}" if suspended is True else None


# An enumeration's member costs more to look up than all else that a line is made of.
_ACTIVE, _SUSPENDED, _DANGLING = State.ACTIVE.value, State.SUSPENDED.value, State.DANGLING.value


def _judge_row(
    row: RawRow, *, hosting: Hosting, owners: Owners, refused: _Listed
) -> tuple[str, syntax.Mailbox, str] | None:
    """Return (key, mailbox, packed line) of a row that may be rendered; None when it is refused."""
    key = _string(row, "address")
    if key is None:
        refused.add(Refusal("row-type", "address", _shown_key(row), "address", "not a string"))
        return None
    box = syntax.mailbox(key)
    if isinstance(box, syntax.Mailbox):
        box = hosting.unfit(box.domain) or box
    if isinstance(box, syntax.Unfit):
        refused.add(Refusal(box.code, "address", printable(key), "address", box.detail))
        return None
    refusal = _mismatch(row, key, box.name)
    if refusal is not None:
        refused.add(refusal)
        return None
    owning = _owners_of(row, key, owners, refused)
    state = _ACTIVE if owning else _DANGLING
    if not _is_absent(row.get("suspended")):
        said: Any = row["suspended"]
        suspended = said.get("BOOL") if isinstance(said, dict) else None
        if not isinstance(suspended, bool):
            # Somebody meant to say something about suspension; serving the address would be a guess.
            detail = "not a boolean; taken as suspended"
            refused.add(Refusal("row-type", "address", printable(key), "suspended", detail))
        if suspended is not False:
            state = _SUSPENDED
    return key, box, f"{box.name}\t{state}\t{owning}"


def _is_absent(value: Any) -> bool:
    """Tell whether a field says nothing: it is not there, or it is DynamoDB's NULL, as boto3 writes None."""
    return value is None or (isinstance(value, dict) and value.get("NULL") is True)


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
        if not _is_absent(row.get(field)):
            text = _string(row, field)
            if text is None:
                return Refusal("row-type", "address", printable(key), field, "not a string")
            parts[field] = text
    local, _, host = name.partition("@")
    subdomain = parts.get("subdomain", "")
    # Without a tld, the key's own: what follows as many labels as the subdomain has.
    own_tld = host.split(".", subdomain.count(".") + 1)[-1] if subdomain else host
    said_host = ".".join(part for part in (subdomain, parts.get("tld", own_tld)) if part)
    said = f"{parts.get('username', local)}@{said_host}"
    if said in (key, name):
        return None
    folded = syntax.mailbox(said)
    if isinstance(folded, syntax.Mailbox) and folded.name == name:
        return None
    detail = f"username, subdomain and tld say {printable(said)}"
    return Refusal("address-mismatch", "address", printable(key), "username/subdomain/tld", detail)


def _owners_of(row: RawRow, key: str, owners: Owners, refused: _Listed) -> str:
    if _is_absent(row.get("user")):
        refused.add(
            Refusal("user-missing", "address", printable(key), "user", "the address has no user; mail is deferred")
        )
        return ""
    value = _string(row, "user")
    if value is None:
        refused.add(Refusal("row-type", "address", printable(key), "user", "not a string; mail is deferred"))
        return ""
    found = owners.of(value)
    for unfit in found.unfit:
        refused.add(Refusal(unfit.code, "address", printable(key), "user", unfit.detail))
    return found.served
