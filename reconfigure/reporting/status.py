"""The status document: what this task serves, how the last pass went, and what is wrong; and the health drawn from it.

`status.json` is replaced after each pass, whatever came of it, and read by `status`, `health` and the HTTP
endpoints. The fields are public and described in docs/reference/status.md. Nothing here looks at the system: what the
document says is handed in by whoever did the pass.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from reconfigure.reporting import documents
from reconfigure.reporting.reports import (
    ErrorReport,
    FleetReport,
    HeldReport,
    PassReport,
    Pause,
    Pin,
    ProgramsReport,
    QuarantineReport,
    QueueReport,
    State,
    siblings_in_trouble,
)

STATUS_NAME = "status.json"

_GIVEN_UP = {
    "FATAL": "supervisord gave up on it",
    "BACKOFF": "it ends as soon as it is started",
    "EXITED": "it ended with an error, and is not started again",
}
_AT_WORK = {"STARTING", "RUNNING"}
_MARGIN = 60.0

PREPARING = "prepare"  # the program that ends once the container is ready


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole document. Times are ISO 8601 in UTC with offset; durations are seconds.

    Attributes:
        tier: the tier.
        task: the task or host.
        version: of this program.
        pid: of the process that wrote the document.
        state: "starting" before the first pass, "ok", "held", "pinned" (the source says otherwise than the pinned
            generation), "failed", or "degraded" (applied, but a reload failed).
        generation: id of the active generation.
        generation_created: when that was built.
        digest: input digest of the active generation: equal for tasks of one version that serve the same.
        pass_: the last pass (in JSON: `pass`).
        last_success: when live state last was seen to equal desired state.
        last_change: when a generation was last activated.
        last_error: the last error, kept after recovery.
        counts: what the active generation holds, such as addresses, domains, users.
        quarantine: what is not served, and why.
        held: the generation that waits for approval.
        waiting: what the source would change if nothing were pinned or held, in numbers such as "addresses gained".
        reloads: reloads done or owed, one mapping a program.
        heartbeat: `Heartbeat.state()`.
        queue: depth and age as the loop last saw them; None without a queue, or before it looked.
        programs: supervisord's programs as the loop last saw them; None without supervisord, or before it looked.
        fleet: the fleet as the loop last saw it; None without a fleet table.
        paused: the pause that was in force when this was written; the file itself is what counts.
        pinned: the same of the pin.
        written: when the loop, or a pass of another process, wrote this document (ISO time).
        next_pass: when the timer fires next.
        warnings: what a person should know, one sentence each.
    """

    tier: str
    task: str
    version: str
    pid: int
    state: State
    generation: str | None = None
    generation_created: str | None = None
    digest: str | None = None
    pass_: PassReport | None = None
    last_success: str | None = None
    last_change: str | None = None
    last_error: ErrorReport | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    quarantine: QuarantineReport = field(default_factory=QuarantineReport)
    held: HeldReport | None = None
    waiting: Mapping[str, int] = field(default_factory=dict)
    reloads: tuple[Mapping[str, Any], ...] = ()
    heartbeat: Mapping[str, Any] = field(default_factory=dict)
    queue: QueueReport | None = None
    programs: ProgramsReport | None = None
    fleet: FleetReport | None = None
    paused: Pause | None = None
    pinned: Pin | None = None
    written: str | None = None
    next_pass: str | None = None
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return the document as plain JSON values."""
        encoded: dict[str, Any] = documents.encode(self)
        return encoded


@dataclass(frozen=True)
class Health:
    """Whether this task does its work: "failing" is for the container's health check, "degraded" for people."""

    status: Literal["ok", "degraded", "starting", "failing"]
    problems: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 when failing or not serving yet, else 0: what serves well is not restarted because its source is away."""
        return int(self.status in {"failing", "starting"})

    def document(self) -> dict[str, Any]:
        """Return `{"status": "ok"}`, or the status and the problems."""
        return {"status": self.status, **({"problems": list(self.problems)} if self.problems else {})}


def write(path: Path, status: Status) -> None:
    """Replace the status document atomically.

    Raises:
        ReconfigureError: it could not be written; the old one is untouched.
    """
    documents.replace(path, status)


def read(path: Path) -> Status | None:
    """Return the status document, or None before the first pass.

    Raises:
        ReconfigureError: it cannot be read or is damaged.
    """
    return documents.load(Status, path, consequence="The next pass will replace it.")


def health(
    status: Status | None,
    *,
    now: datetime,
    interval: float,
    programs: Mapping[str, str],
    generation: str | None,
    paused: Pause | None = None,
    pinned: Pin | None = None,
) -> Health:
    """Judge this task.

    Args:
        status: the status document.
        now: the present, with time zone.
        interval: seconds between timer passes; a loop silent for two of them and a minute is stuck or dead.
        programs: supervisord's state names by program, such as {"sendmail": "RUNNING"}; none that ended well or
            that a setting leaves off.
        generation: id of the generation that `current` points to, as found on disk.
        paused: the pause in force; a loop at rest writes the document once an interval: its sign of life.
        pinned: the pin in force; a complaint only when it keeps something back.
    """
    complaints = _complaints(status, pinned)
    if paused is not None:
        complaints = (paused.told, *complaints)
    given_up = [f"{name} is {state}: {_GIVEN_UP[state]}" for name, state in programs.items() if state in _GIVEN_UP]
    none_yet = [] if generation else [f"no generation yet: {'; '.join(complaints) or 'no pass has come to one'}"]
    if programs.get(PREPARING) in _AT_WORK and not given_up:
        return Health("starting", (*(none_yet or ["the mail daemons start once the first pass has ended"]),))
    silence = _silence(status, now=now, limit=timedelta(seconds=2 * interval + _MARGIN), resting=paused is not None)
    # Somebody's order, so the container is not replaced for it; but until they start it again it does nothing for mail.
    complaints = (
        *(f"{name} is STOPPED: 'supervisorctl start {name}'" for name, state in programs.items() if state == "STOPPED"),
        *complaints,
    )
    if none_yet or silence or given_up:
        return Health("failing", (*none_yet, *silence, *given_up, *(() if none_yet else complaints)))
    return Health("degraded" if complaints else "ok", complaints)


def _silence(status: Status | None, *, now: datetime, limit: timedelta, resting: bool) -> list[str]:
    if status is None or (status.pass_ is None and not resting):
        return ["no pass has finished yet"]
    stamp, seconds, what = status.written or "", 0.0, "nothing has been heard of the loop, which is paused,"
    if status.pass_ is not None and not (resting and status.written):
        stamp, seconds, what = status.pass_.started, status.pass_.seconds, "no pass has finished"
    try:
        heard = datetime.fromisoformat(stamp) + timedelta(seconds=seconds)
        if now - heard <= limit:
            return []
    except (ValueError, TypeError, OverflowError):  # TypeError: a time without zone
        return [f"the status document is damaged: {stamp!r} is not a time; the next pass replaces it"]
    since = heard.isoformat(timespec="seconds")
    return [f"{what} since {since}, more than two intervals ago: the loop is stuck or not running"]


def _complaints(status: Status | None, pinned: Pin | None) -> tuple[str, ...]:
    queue = status.queue.troubles if status is not None and status.queue is not None else ()
    return (*_complaints_of_passes(status, pinned), *queue, *complaints_of_fleet(status))


def complaints_of_fleet(status: Status | None) -> tuple[str, ...]:
    """Return what is wrong with the fleet table, and with this task's siblings."""
    if status is None or status.fleet is None:
        return ()
    lost = status.fleet.error
    without = (f"the fleet table cannot be used, so siblings see changes by the timer: {lost}",) if lost else ()
    unwell = siblings_in_trouble(status.fleet.tasks, tier=status.tier, task=status.task)
    return (*without, *(one.told for one in unwell))


def _complaints_of_passes(status: Status | None, pinned: Pin | None) -> tuple[str, ...]:
    broken = (pinned.told,) if pinned is not None and pinned.error is not None else ()
    if status is None or status.state in {"ok", "starting"}:
        return broken
    if status.state == "held" and status.held is not None:
        return (*broken, f"generation {status.held.generation} is held: {'; '.join(status.held.reasons)}")
    if status.state == "pinned":
        if pinned is None:
            return ("the pin is lifted; the next pass applies what the source says",)
        return (f"{pinned.told}; the source says otherwise",)
    said = status.last_error.error if status.last_error else "no error was recorded"
    kind = "a reload failed" if status.state == "degraded" else "the last pass failed"
    return (*broken, f"{kind}: {said}")
