"""The roll of a tier's tasks: what each says of itself in its row, and who of them is behind, silent or not well.

Pure. Rows bear times by the clock of AWS, as its answers date themselves, so that a task whose own clock is wrong is
not taken for a silent one. Equal input gives equal digests, so tasks of one version that have applied the same
changes can be compared.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from reconfigure.fleet.changelog import ChangeLog, Position
from reconfigure.reporting.reports import TaskReport
from reconfigure.wording import duration

LONGEST_REASON = 300  # characters
# States in which the task itself would ping success, or has not come to its first ping.
_WELL = {"ok", "paused", "starting"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a task says of itself. Times are seconds since the epoch by the clock of AWS.

    Attributes:
        tier: its tier.
        task: its name; the same name is the same task.
        version: of this program.
        state: as in the status document, or `paused`.
        reason: why it is not `ok`, in short.
        generation: id of the active generation; None before the first.
        digest: input digest of that.
        log: id of the change log that it has applied; None before it has.
        applied: up to which number.
        success: when live state last was seen to equal desired state.
        quarantine: how many refusals.
        addresses: how many that take mail it serves.
        domains: how many it serves.
        users: how many it serves.
        owners: how many of these have an address.
        written: when the task wrote this; the sign of life of its loop.
        expires: when nobody needs to look at it any more; then DynamoDB removes it in its own time.
    """

    tier: str
    task: str
    version: str
    state: str
    reason: str = ""
    generation: str | None = None
    digest: str | None = None
    log: str | None = None
    applied: int | None = None
    success: float | None = None
    quarantine: int = 0
    addresses: int = 0
    domains: int = 0
    users: int = 0
    owners: int = 0
    written: float = 0.0
    expires: int = 0

    @property
    def position(self) -> Position | None:
        """How far it has applied the change log."""
        return None if self.log is None or self.applied is None else Position(self.log, self.applied)

    def item(self) -> dict[str, Any]:
        """Return the row in DynamoDB's notation; what is None is left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: {"S": value} if isinstance(value, str) else {"N": str(value)}
            for name, value in values.items()
            if value is not None
        }

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Row":
        """Return the row in an item of the table; attributes that a newer version added are ignored.

        Raises:
            ValueError: it is not one.
        """
        try:
            values = {field.name: _value(item[field.name]) for field in fields(cls) if field.name in item}
            row = cls(**values)
            counts = (row.quarantine, row.addresses, row.domains, row.users, row.owners)
            numbers = (row.success or 0.0, row.written, row.expires, row.applied or 0, *counts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"it is not a task's row: {type(error).__name__}: {error}") from error
        if not all(isinstance(number, int | float) for number in numbers):
            raise ValueError("it is not a task's row: a text stands where a number belongs")
        return row


class Tier(NamedTuple):
    """One tier as the table has it: its change log (None before the first change) and its tasks' rows."""

    log: ChangeLog | None
    rows: tuple[Row, ...]


class Limits(NamedTuple):
    """How long a task may be silent, and how far behind, before somebody is told; seconds."""

    silent: float
    behind: float


def most_served(rows: Iterable[Row], *, now: float) -> dict[str, int]:
    """Return the most addresses, domains and owners of addresses that one task serves; empty where none serves any.

    Args:
        rows: of one tier; those that expired do not count.
        now: seconds since the epoch by the clock of AWS.
    """
    present = [row for row in rows if row.expires > now]
    kinds = ("addresses", "domains", "owners")
    most = {kind: max((getattr(row, kind) for row in present), default=0) for kind in kinds}
    return {kind: count for kind, count in most.items() if count}


def called(tiers: Mapping[str, Tier], *, now: float, limits: Limits) -> Iterator[TaskReport]:
    """Yield a report of every task of every tier, in order of their names; rows that expired are no tasks.

    Args:
        tiers: the tiers by name.
        now: seconds since the epoch by the clock of AWS.
        limits: when to complain.
    """
    for tier in sorted(tiers):
        rows = [row for row in tiers[tier].rows if row.expires > now]
        usual = _usual_digests(rows)
        for row in sorted(rows, key=lambda row: row.task):
            yield _report(row, tiers[tier].log, now=now, limits=limits, usual=usual)


def _report(
    row: Row, log: ChangeLog | None, *, now: float, limits: Limits, usual: Mapping[tuple[str, Position | None], str]
) -> TaskReport:
    since = log.waiting_since(row.position) if log is not None else None
    lag = 0.0 if since is None else max(0.0, now - since)
    silent = max(0.0, now - row.written)
    missing = 0 if log is None else log.sequence - (row.applied or 0 if row.log == log.id else 0)
    troubles: list[str] = []
    if silent > limits.silent:
        troubles.append(f"silent for {duration(silent)}: it was ended, hangs, or cannot reach the table")
    elif row.state not in _WELL:
        troubles.append(f"{row.state}{f': {row.reason}' if row.reason else ''}")
    elif lag > limits.behind and row.state == "ok":
        troubles.append(f"behind: it has not applied what was recorded {duration(lag)} ago")
    differs = row.state == "ok" and usual.get((row.version, row.position), row.digest) != row.digest
    notes = [row.reason or row.state] if row.state in _WELL - {"ok"} else []
    if differs:
        notes.append("its digest differs from its siblings', though they have applied the same changes")
    return TaskReport(
        tier=row.tier,
        task=row.task,
        version=row.version,
        state=row.state,
        generation=row.generation,
        digest=row.digest,
        applied=row.applied,
        missing=max(0, missing),
        lag_seconds=round(lag, 1),
        silent_seconds=round(silent, 1),
        success_seconds=None if row.success is None else round(max(0.0, now - row.success), 1),
        quarantine=row.quarantine,
        trouble="; ".join(troubles) or None,
        note="; ".join(notes) or None,
        is_silent=silent > limits.silent,
    )


def _usual_digests(rows: Iterable[Row]) -> dict[tuple[str, Position | None], str]:
    """Return the digest that most tasks have, by version and position; tasks that are not well do not count."""
    votes: dict[tuple[str, Position | None], Counter[str]] = {}
    for row in rows:
        if row.state == "ok" and row.digest is not None:
            votes.setdefault((row.version, row.position), Counter())[row.digest] += 1
    return {key: min(count, key=lambda digest: (-count[digest], digest)) for key, count in votes.items()}


def _value(attribute: Mapping[str, str]) -> Any:
    if "S" in attribute:
        return attribute["S"]
    number = float(attribute["N"])
    return int(number) if number.is_integer() and "." not in attribute["N"] else number
