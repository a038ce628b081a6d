"""A tier's change log: its last changes, numbered without a gap, in an item that is never larger than one read unit.

Pure. The numbers order everything and no clock does; times are only shown to people. Whoever has applied the log up
to some number reads again the addresses of the changes behind it, or everything when the log no longer holds them
all. So a change that is recorded twice or late costs a pass, and one that is missed cannot be.
"""

import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

# A strongly consistent read is billed by 4,096 bytes of the item, names of attributes included.
LARGEST = 3_000
LARGEST_CHANGE = 1_500


class Position(NamedTuple):
    """How far somebody has applied a log: up to and including the change of that number, of the log of that id."""

    log: str
    sequence: int


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change.

    Attributes:
        sequence: its number; the first is 1.
        time: when it was recorded, seconds since the epoch by the clock of AWS.
        task: who recorded it.
        addresses: what may have changed; None: anything.
    """

    sequence: int
    time: float
    task: str
    addresses: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class ChangeLog:
    """The log as it was read.

    Attributes:
        id: of the log; another one when somebody emptied the table, so that equal numbers do not deceive.
        sequence: number of the last change; 0 before the first.
        changes: the last changes, oldest first, without a gap up to `sequence`.
    """

    id: str
    sequence: int = 0
    changes: tuple[Change, ...] = ()

    @classmethod
    def new(cls) -> "ChangeLog":
        """Return an empty log with an id that no other has."""
        return cls(id=uuid.uuid4().hex[:12])

    @property
    def end(self) -> Position:
        """The position of whoever has applied all of it."""
        return Position(self.id, self.sequence)

    def missing(self, applied: Position | None) -> tuple[Change, ...] | None:
        """Return the changes after a position, or None when the log does not say them all."""
        if applied is None or applied.log != self.id or applied.sequence > self.sequence:
            return None
        missing = tuple(change for change in self.changes if change.sequence > applied.sequence)
        return missing if len(missing) == self.sequence - applied.sequence else None

    def named_since(self, applied: Position | None) -> Collection[str] | None:
        """Return the addresses that may have changed after a position; None: anything may have."""
        missing = self.missing(applied)
        if missing is None:
            return None
        named: set[str] = set()
        for change in missing:
            if change.addresses is None:
                return None
            named.update(change.addresses)
        return named

    def waiting_since(self, applied: Position | None) -> float | None:
        """Return when the oldest change after a position was recorded; None when there is none.

        When the log no longer holds it, that is the oldest that it does hold: it has waited at least as long.
        """
        if applied == self.end:
            return None
        missing = self.missing(applied)
        held = missing if missing is not None else self.changes
        return held[0].time if held else None

    def appended(self, addresses: Collection[str] | None, *, task: str, time: float) -> "ChangeLog":
        """Return the log with one more change; the oldest go, so that it stays small."""
        names = None if addresses is None else tuple(sorted(addresses))
        if names is not None and len(json.dumps(names)) > LARGEST_CHANGE:
            names = None
        made = Change(sequence=self.sequence + 1, time=round(time, 3), task=task, addresses=names)
        log = replace(self, sequence=made.sequence, changes=(*self.changes, made))
        while len(log.text().encode()) > LARGEST:
            log = replace(log, changes=log.changes[1:])
        return log

    def text(self) -> str:
        """Return the changes as JSON, as they lie in the table."""
        rows = [[change.sequence, change.time, change.task, change.addresses] for change in self.changes]
        return json.dumps(rows, separators=(",", ":"))

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "ChangeLog":
        """Return the log in an item of the table, in DynamoDB's own notation.

        Raises:
            ValueError: it is not one.
        """
        try:
            changes = tuple(
                Change(
                    sequence=int(sequence),
                    time=float(time),
                    task=str(task),
                    addresses=None if names is None else tuple(str(name) for name in names),
                )
                for sequence, time, task, names in json.loads(item["changes"]["S"])
            )
            log = cls(id=str(item["log"]["S"]), sequence=int(item["sequence"]["N"]), changes=changes)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ValueError(f"it is not a change log: {type(error).__name__}: {error}") from error
        numbers = [change.sequence for change in log.changes]
        if numbers != list(range(log.sequence - len(numbers) + 1, log.sequence + 1)):
            raise ValueError("it is not a change log: its numbers have a gap")
        return log
