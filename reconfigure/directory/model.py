"""What is true: the addresses, users and domains that a tier serves, and what was refused, as plain values.

Nothing here reads or writes. `Directory` keeps a million addresses as sorted text lines rather than as objects:
a line is a third of the memory, sorts at C speed, and is at the same time what the snapshot on disk holds, what
the input digest is taken over and what two generations are compared by.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

RawRow = Mapping[str, Mapping[str, Any]]
"""A DynamoDB item as the low-level API answers it: attribute name → {type code: value}."""


class CognitoUser(NamedTuple):
    """A user as Cognito's ListUsers answers it, unjudged."""

    name: str
    confirmed: bool
    enabled: bool
    osid: str | None
    sending_limit: str | None = None


class User(NamedTuple):
    """A user that validated: its account name, and the UID that is also its GID."""

    name: str
    uid: int


class SendingLimit(NamedTuple):
    """How many messages, and how many recipients, a user may send in 24 hours, where that is not what all may."""

    user: str
    number: int


class State(StrEnum):
    """What an address is to the mail tiers."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DANGLING = "dangling"  # none of its users is served


class Address(NamedTuple):
    """One hosted address in canonical form, and the users served through it (sorted; none when dangling)."""

    name: str
    state: str
    users: tuple[str, ...]


class Refusal(NamedTuple):
    """Why a row, or one value in it, is not served: `code` is stable and documented in the reference."""

    code: str
    kind: str  # "address" or "user": what the key names
    key: str  # printable and shortened; never rendered into anything a daemon reads
    field: str
    detail: str


@dataclass(frozen=True)
class Quarantine:
    """What was refused: exact counts, and the first refusals in full (a hostile table must not fill the memory)."""

    counts: Mapping[str, int] = field(default_factory=dict)
    listed: Sequence[Refusal] = ()

    @property
    def total(self) -> int:
        """How many refusals there were, listed or not."""
        return sum(self.counts.values())


def pack(address: Address) -> str:
    """Return the line that stands for an address: name, state and users, parted by tabs (which none can contain)."""
    return f"{address.name}\t{address.state}\t{'/'.join(address.users)}"


def unpack(line: str) -> Address:
    """Return the address that a packed line stands for."""
    name, state, users = line.split("\t")
    return Address(name, state, tuple(users.split("/")) if users else ())


def owners_of(lines: Iterable[str]) -> set[str]:
    """Return the users who are served through at least one of some packed addresses, whatever its state."""
    return {name for users in {line.rpartition("\t")[2] for line in lines} for name in users.split("/") if name}


@dataclass(frozen=True)
class Directory:
    """Everything a tier's templates may be rendered from.

    Attributes:
        lines: packed addresses, sorted by name, each name once.
        users: users served, sorted by name. Empty where the tier takes users as present (`users_known` false).
        users_known: whether a user pool was read.
        domains: every domain of an address, sorted.
        quarantine: what was refused.
        rows: how many address rows the source held, refused ones included.
        folded: how many of the addresses have a row whose key is written otherwise.
        sending_limits: of users that have one of their own, sorted by user.
    """

    lines: Sequence[str]
    users: Sequence[User]
    users_known: bool
    domains: Sequence[str]
    quarantine: Quarantine
    rows: int
    folded: int = 0
    sending_limits: Sequence[SendingLimit] = ()

    def addresses(self) -> Iterator[Address]:
        """Yield the addresses in order of their names."""
        return map(unpack, self.lines)

    def user_lines(self) -> Iterator[str]:
        """Yield `name TAB uid` for each user, the form the snapshot keeps."""
        return (f"{user.name}\t{user.uid}" for user in self.users)

    def limit_lines(self) -> Iterator[str]:
        """Yield `name TAB number` for each limit of a user's own, the form the snapshot keeps."""
        return (f"{user}\t{number}" for user, number in self.sending_limits)

    def digest(self) -> str:
        """Return the SHA-256 (hex) of everything that may be rendered: equal content, equal digest, on any task."""
        sha = hashlib.sha256()
        for start in range(0, len(self.lines), 10_000):
            sha.update("\n".join(self.lines[start : start + 10_000]).encode("ascii"))
            sha.update(b"\n")
        sha.update(b"users\n" if self.users_known else b"users taken as present\n")
        sha.update("\n".join(self.user_lines()).encode("ascii"))
        if self.sending_limits:
            sha.update("\nlimits\n".encode("ascii") + "\n".join(self.limit_lines()).encode("ascii"))
        return sha.hexdigest()
