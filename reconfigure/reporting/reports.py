"""The parts of the status document, and of the orders in the state folder: plain data, written and read as JSON.

What each field means to others is public (docs/reference/status.md). Times are ISO 8601 with offset, durations seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from reconfigure.directory.model import Quarantine

State = Literal["starting", "ok", "held", "pinned", "failed", "degraded"]
Outcome = Literal["unchanged", "changed", "held", "pinned", "failed", "degraded"]


@dataclass(frozen=True, kw_only=True)
class PassReport:
    """One pass: `started` is an ISO time, `seconds` and `phases` are durations, `requests` counts calls by source."""

    id: str
    trigger: str
    outcome: Outcome
    started: str
    seconds: float
    phases: Mapping[str, float] = field(default_factory=dict)
    requests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ErrorReport:
    """The last thing that went wrong, when (ISO time), and in one word why (see `outcome.Cause`); "" where unknown."""

    time: str
    error: str
    cause: str = ""


@dataclass(frozen=True, kw_only=True)
class RefusalReport:
    """One refusal of the quarantine."""

    code: str
    kind: str
    key: str
    field: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class QuarantineReport:
    """What is not served: exact numbers by reason code, and the first refusals in full."""

    total: int = 0
    by_reason: Mapping[str, int] = field(default_factory=dict)
    listed: tuple[RefusalReport, ...] = ()

    @classmethod
    def of(cls, quarantine: Quarantine, *, listed: int | None = None) -> "QuarantineReport":
        """Return the report of a quarantine, with at most `listed` refusals in full."""
        return cls(
            total=quarantine.total,
            by_reason=dict(sorted(quarantine.counts.items())),
            listed=tuple(RefusalReport(**refusal._asdict()) for refusal in quarantine.listed[:listed]),
        )


@dataclass(frozen=True, kw_only=True)
class HeldReport:
    """A generation that waits for approval: since when (ISO time), why, and what would be lost, by kind."""

    generation: str
    since: str
    reasons: tuple[str, ...] = ()
    lost: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class QueueReport:
    """The tier's queue as it was last asked about: numbers of messages, which SQS calls approximate.

    Attributes:
        seen: when (ISO time).
        visible: those that the next poll may bring.
        in_flight: those received and neither deleted nor visible again.
        delayed: those that may not be received yet.
        oldest_age_seconds: how long ago the oldest was sent of those that this task has in hand; None without any.
        dead_letters: on the dead-letter queue; None when there is none, or it may not be asked.
        error: why the queue could not be asked; the numbers are those of the last time then, or None.
        receive_error: why no messages can be received; None while they can be.
        delete_error: why messages that were acted on could not be deleted the last time; None when they could.
    """

    seen: str
    visible: int | None = None
    in_flight: int | None = None
    delayed: int | None = None
    oldest_age_seconds: float | None = None
    dead_letters: int | None = None
    error: str | None = None
    receive_error: str | None = None
    delete_error: str | None = None

    @property
    def troubles(self) -> tuple[str, ...]:
        """What does not work, with what that means; nothing while all does."""
        deaf, stuck = self.receive_error, self.delete_error
        return (
            *(() if deaf is None else (f"no messages are received, changes wait for the timer: {deaf}",)),
            *(
                ()
                if stuck is None
                else (f"messages are not deleted, so they come again and end as dead letters: {stuck}",)
            ),
        )


@dataclass(frozen=True, kw_only=True)
class ProgramReport:
    """One of supervisord's programs.

    Attributes:
        name: `group:name`, or `name` alone.
        state: supervisord's word.
        pid: 0 when there is no process.
        since: ISO time of its start, or of its end when it has ended; None when it was never started.
        detail: why it is not running, or "".
        restarts: how often another process was seen under this name than at the look before.
        up: whether it runs, has done its work, or was never meant to run here.
    """

    name: str
    state: str
    pid: int
    since: str | None = None
    detail: str = ""
    restarts: int = 0
    up: bool = True


@dataclass(frozen=True, kw_only=True)
class ProgramsReport:
    """What the loop sees of supervisord's programs, once a minute and after each pass.

    Attributes:
        seen: when it looked last (ISO time).
        counted_since: when it looked first: `restarts` begin there. supervisord itself counts none.
        listed: the programs, by name.
        error: why supervisord could not be asked; `listed` is what it said the last time then.
    """

    seen: str
    counted_since: str
    listed: tuple[ProgramReport, ...] = ()
    error: str | None = None

    @property
    def states(self) -> Mapping[str, str]:
        """Supervisord's word for each program, but for those that have done their work or are left off."""
        return {one.name: one.state for one in self.listed if one.state == "RUNNING" or not one.up}


@dataclass(frozen=True, kw_only=True)
class TaskReport:
    """One task of the fleet, judged by its row in the fleet table.

    Attributes:
        tier: its tier.
        task: its name.
        version: of its program.
        state: as in its status document, or `paused`.
        generation: id of its active generation.
        digest: input digest of that: equal for tasks of one version that serve the same.
        applied: number of the last change of its tier that it has applied; None before it said so.
        missing: how many changes it has not applied.
        lag_seconds: how long the oldest of those has waited; 0 when there is none.
        silent_seconds: how long ago it gave its last sign of life.
        success_seconds: how long ago its last good pass ended; None before the first.
        quarantine: how many refusals it has.
        trouble: what is wrong with it, for its tier's heartbeat; None when it is well.
        note: what else a person should know of it; None for nothing.
        is_silent: whether it gave no sign of life for too long; what it said last may be out of date.
    """

    tier: str
    task: str
    version: str
    state: str
    generation: str | None = None
    digest: str | None = None
    applied: int | None = None
    missing: int = 0
    lag_seconds: float = 0.0
    silent_seconds: float = 0.0
    success_seconds: float | None = None
    quarantine: int = 0
    trouble: str | None = None
    note: str | None = None
    is_silent: bool = False

    @property
    def told(self) -> str:
        """Return its trouble in one sentence."""
        return f"{self.tier} task {self.task} is {self.trouble}"


def siblings_in_trouble(tasks: Iterable[TaskReport], *, tier: str, task: str) -> list[TaskReport]:
    """Return those of a task's siblings that are not well."""
    return [one for one in tasks if one.trouble is not None and one.tier == tier and one.task != task]


@dataclass(frozen=True, kw_only=True)
class FleetReport:
    """The fleet as this task saw it last, once a minute.

    Attributes:
        seen: when it looked (ISO time).
        sequence: number of the last change of this task's tier; None before it is known.
        applied: up to which this task has applied them; None before its first full pass.
        tasks: every task of every tier, this one among them.
        error: why the fleet table cannot be used; the rest is as it was seen the last time then.
    """

    seen: str
    sequence: int | None = None
    applied: int | None = None
    tasks: tuple[TaskReport, ...] = ()
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A pause in force. Without `error`, `until` and `since` are ISO times with zone.

    Attributes:
        until: when it ends by itself.
        since: when it was ordered.
        by: who ordered it.
        why: the reason given.
        error: why the order cannot be read; it is in force all the same, and has no end.
    """

    until: str | None = None
    since: str | None = None
    by: str | None = None
    why: str | None = None
    error: str | None = None

    @property
    def told(self) -> str:
        """Return it in one sentence, for people."""
        if self.error is not None:
            return f"paused without an end: {self.error}"
        return f"paused until {_minute(self.until)} by {self.by}{f': {self.why}' if self.why else ''}"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A pin in force.

    Attributes:
        generation: id of the generation that stays live; None when the order cannot be read.
        by: who ordered it.
        since: when it was ordered (ISO time with zone).
        why: the reason given.
        error: why the order cannot be read; whatever is live stays live then.
    """

    generation: str | None = None
    by: str | None = None
    since: str | None = None
    why: str | None = None
    error: str | None = None

    @property
    def told(self) -> str:
        """Return it in one sentence, for people."""
        if self.error is not None:
            return f"pinned to what is live: {self.error}"
        why = f": {self.why}" if self.why else ""
        return f"pinned to generation {self.generation} by {self.by} since {_minute(self.since)}{why}"


def _minute(stamp: str | None) -> str:
    try:
        return f"{datetime.fromisoformat(str(stamp)).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError):
        return str(stamp)
