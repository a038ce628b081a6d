"""This task's part in the fleet: hears of siblings' changes, records its own, keeps its row, and looks at the others.

One thread does all of it, so a table that hangs delays nobody but this. What cannot be written is kept and written
when the table is back. The loop asks for two things: to record what messages brought, which is waited for as long as
the table is well, and how far the log goes, which is known already.
"""

import contextvars
import queue
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from reconfigure.errors import ReconfigureError
from reconfigure.fleet.changelog import ChangeLog, Position
from reconfigure.fleet.roll import LONGEST_REASON, Limits, Row, called
from reconfigure.fleet.table import FleetTable
from reconfigure.inbox import FleetSeen, SiblingChanged, named
from reconfigure.reporting.reports import FleetReport, TaskReport
from reconfigure.reporting.status import Status
from reconfigure.settings import Tier
from reconfigure.sources.queue import Received

log = structlog.get_logger()

JITTER = 0.2  # share of the time between two readings by which each is moved
PATIENCE = 2.0  # seconds that a pass waits for its change to be recorded
LONGEST_PAUSE = 60.0  # seconds between two readings of a table that cannot be read
REMEMBERED = 1000  # messages that were recorded, so that one which comes again is not

_LOST = {
    "log": "changes that a sibling hears of are seen by the timer",
    "record": "siblings see what this task hears of by the timer",
    "row": "siblings do not know how this task is",
    "look": "how other tasks are is not known",
}

Tell = Callable[[FleetSeen | SiblingChanged], None]


class Mark(NamedTuple):
    """How far the log went when a pass began.

    Attributes:
        position: what is applied when the pass is good; None while the log is not known.
        named: the addresses of the changes in between; None: anything may have changed.
    """

    position: Position | None
    named: Collection[str] | None


@dataclass(frozen=True, kw_only=True)
class Spacing:
    """How often, in seconds.

    Attributes:
        read: between two readings of the log.
        forget: how long a row counts after it was written last.
        look: between two looks at the others.
    """

    read: float
    forget: float
    look: float = 60.0


class Member:
    """This task in the fleet.

    Args:
        table: the fleet table.
        tier: this task's tier.
        task: its name.
        spacing: how often.
        limits: when others are silent or behind.
        chance: returns a number from 0 to 1.
    """

    def __init__(
        self,
        table: FleetTable,
        *,
        tier: Tier,
        task: str,
        spacing: Spacing,
        limits: Limits,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._table = table
        self._tier = tier.value
        self._task = task
        self._spacing = spacing
        self._limits = limits
        self._chance = chance
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._tell: Tell = lambda _: None
        self._looked = threading.Event()  # the first reading has ended, one way or the other
        self._log: ChangeLog | None = None
        self._applied: Position | None = None
        self._asked: Position | None = None  # how far the last pass began, good or not
        self._recorded: OrderedDict[str, None] = OrderedDict()
        self._owed: set[str] | None = set()  # addresses to record still; None: anything
        self._has_row = False
        self._seen = _stamp()
        self._tasks: tuple[TaskReport, ...] = ()
        self._errors: Mapping[str, str] = {}  # replaced, never changed: the loop's thread reads it
        self._failures = 0
        self._next_read = self._next_look = time.monotonic()
        context = contextvars.copy_context()  # so that its log lines name the tier
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="fleet", daemon=True)

    # What the loop and the reporter call; none of it raises.

    def start(self, tell: Tell) -> None:
        """Begin, and wait a moment for the first reading, so that the first pass knows what it covers."""
        self._tell = tell
        self._thread.start()
        self._looked.wait(PATIENCE)

    def record(self, messages: Sequence[Received]) -> None:
        """Record what messages say, each once however often it comes, and wait for that while the table is well."""
        new = [message for message in messages if message.id not in self._recorded]
        if not new:
            return
        self._recorded.update(dict.fromkeys(message.id for message in new))
        while len(self._recorded) > REMEMBERED:
            self._recorded.popitem(last=False)
        addresses = named(new)
        done = threading.Event()

        def order() -> None:
            self._owed = None if addresses is None or self._owed is None else self._owed | set(addresses)
            self._do("record", self._settle_debts)
            done.set()

        is_well = not self._errors
        self._orders.put(order)
        if is_well:
            done.wait(PATIENCE)

    def mark(self) -> Mark:
        """A pass begins: return what it covers."""
        changes = self._log
        if changes is None:
            return Mark(None, frozenset())
        self._asked = changes.end
        return Mark(changes.end, changes.named_since(self._applied))

    def reached(self, mark: Mark) -> None:
        """A pass that began at the mark was good."""
        if mark.position is not None:
            self._applied = mark.position

    @property
    def is_behind(self) -> bool:
        """Whether there are changes that no pass has begun with."""
        return self._log is not None and self._log.end != self._asked

    def report(self) -> FleetReport:
        """Return what is known."""
        changes, applied = self._log, self._applied
        return FleetReport(
            seen=self._seen,
            sequence=changes.sequence if changes is not None else None,
            applied=applied.sequence if applied is not None else None,
            tasks=self._tasks,
            error="; ".join(dict.fromkeys(self._errors.values())) or None,
        )

    def tell(self, status: Status) -> None:
        """Write this task's row by its status document: after each pass, and once a minute as a sign of life."""

        def order() -> None:
            self._do("row", lambda: self._renew(status))

        self._orders.put(order)

    def leave(self, timeout: float) -> None:
        """Remove this task's row and end the thread; what takes longer than `timeout` seconds is left undone."""
        self._orders.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)

    # The thread.

    def _run(self) -> None:
        while True:
            try:
                order = self._orders.get(timeout=max(0.0, self._next_read - time.monotonic()))
            except queue.Empty:
                self._read()
                continue
            if order is None:
                break
            order()
        if self._has_row:
            self._do("row", lambda: self._table.remove(self._tier, self._task))

    def _read(self) -> None:
        is_read = self._do("log", self._read_log)
        self._looked.set()
        self._failures = 0 if is_read else self._failures + 1
        pause = min(LONGEST_PAUSE, self._spacing.read * 2.0 ** min(self._failures, 10))
        self._next_read = time.monotonic() + self._about(pause)
        if not is_read:
            return
        if self._owes:
            self._do("record", self._settle_debts)
        if self.is_behind:
            self._tell(SiblingChanged())
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._about(self._spacing.look)
            self._do("look", self._look)

    def _read_log(self) -> None:
        self._log = self._table.log(self._tier) or self._table.begin(self._tier)

    def _look(self) -> None:
        tiers = self._table.tiers([tier.value for tier in Tier])
        self._tasks = tuple(called(tiers, now=self._table.now(), limits=self._limits))
        self._seen = _stamp()
        self._tell(FleetSeen())

    @property
    def _owes(self) -> bool:
        return self._owed is None or bool(self._owed)

    def _settle_debts(self) -> None:
        """Record what is still to be recorded; when that fails, it stays owed."""
        self._log = self._table.append(self._tier, self._log, self._owed, task=self._task)
        self._owed = set()

    def _renew(self, status: Status) -> None:
        now = self._table.now()
        row = _row(status, now=now, applied=self._applied)
        self._table.put(replace(row, written=round(now, 3), expires=int(now + self._spacing.forget)))
        self._has_row = True

    def _about(self, seconds: float) -> float:
        return seconds * (1 + JITTER * (2 * self._chance() - 1))

    def _do(self, part: str, action: Callable[[], None]) -> bool:
        """Do something with the table, and say once when that begins to fail and when it is well again."""
        try:
            action()
        except ReconfigureError as error:
            self._failed(part, str(error))
        except Exception as error:  # noqa: BLE001 - a dead thread would leave this task behind for ever
            self._failed(part, f"{type(error).__name__}: {error}", error)
        else:
            if part in self._errors:
                self._errors = {each: why for each, why in self._errors.items() if each != part}
                log.info("fleet_recovered", part=part)
                self._tell(FleetSeen())
            return True
        return False

    def _failed(self, part: str, why: str, defect: Exception | None = None) -> None:
        is_new = part not in self._errors
        self._errors = {**self._errors, part: why}
        if is_new:
            log.warning("fleet_failed", part=part, error=why, meanwhile=_LOST[part], exc_info=defect)
            self._tell(FleetSeen())


def _row(status: Status, *, now: float, applied: Position | None) -> Row:
    """Return a task's row by its status document; its times are moved to the clock of AWS."""
    ahead = now - datetime.now(UTC).timestamp()
    paused = status.paused
    error = status.last_error.error if status.last_error is not None and status.state != "ok" else ""
    reason = paused.told if paused is not None else error
    state = "paused" if paused is not None and paused.error is None else status.state
    return Row(
        tier=status.tier,
        task=status.task,
        version=status.version,
        state=state,
        reason=reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…",
        generation=status.generation,
        digest=status.digest,
        log=applied.log if applied is not None else None,
        applied=applied.sequence if applied is not None else None,
        success=_seconds(status.last_success, ahead),
        quarantine=status.quarantine.total,
        addresses=status.counts.get("active", 0),
        domains=status.counts.get("domains", 0),
        users=status.counts.get("users", 0),
        owners=status.counts.get("owners", 0),
    )


def _seconds(stamp: str | None, ahead: float) -> float | None:
    try:
        return None if stamp is None else round(datetime.fromisoformat(stamp).timestamp() + ahead, 3)
    except (ValueError, OverflowError):
        return None


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
