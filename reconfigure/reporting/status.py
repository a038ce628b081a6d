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

from reconfigure.directory.model import Quarantine
from reconfigure.reporting import documents

STATUS_NAME = "status.json"

State = Literal["starting", "ok", "held", "failed", "degraded"]
Outcome = Literal["unchanged", "changed", "held", "failed", "degraded"]

_GIVEN_UP = {
    "FATAL": "supervisord gave up on it",
    "BACKOFF": "it ends as soon as it is started",
    "EXITED": "it ended with an error, and is not started again",
}
_AT_WORK = {"STARTING", "RUNNING"}
_MARGIN = 60.0

PREPARING = "prepare"  # the program that ends once the container is ready


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
    """The last thing that went wrong, and when (ISO time)."""

    time: str
    error: str


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
class Status:
    """The whole document. Times are ISO 8601 in UTC with offset; durations are seconds.

    Attributes:
        tier: the tier.
        task: the task or host.
        version: of this program.
        pid: of the process that wrote the document.
        state: "starting" before the first pass, "ok", "held", "failed", or "degraded" (applied, but a reload failed).
        generation: id of the active generation.
        generation_created: when that was built.
        pass_: the last pass (in JSON: `pass`).
        last_success: when live state last was seen to equal desired state.
        last_change: when a generation was last activated.
        last_error: the last error, kept after recovery.
        counts: what the active generation holds, such as addresses, domains, users.
        quarantine: what is not served, and why.
        held: the generation that waits for approval.
        reloads: reloads done or owed, one mapping a program.
        heartbeat: `Heartbeat.state()`.
        queue: depth and age as the loop last saw them; None without a queue.
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
    pass_: PassReport | None = None
    last_success: str | None = None
    last_change: str | None = None
    last_error: ErrorReport | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    quarantine: QuarantineReport = field(default_factory=QuarantineReport)
    held: HeldReport | None = None
    reloads: tuple[Mapping[str, Any], ...] = ()
    heartbeat: Mapping[str, Any] = field(default_factory=dict)
    queue: Mapping[str, Any] | None = None
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
) -> Health:
    """Judge this task.

    Args:
        status: the status document.
        now: the present, with time zone.
        interval: seconds between timer passes; a loop silent for two of them and a minute is stuck or dead.
        programs: supervisord's state names by program, such as {"sendmail": "RUNNING"}; none that ended well.
        generation: id of the generation that `current` points to, as found on disk.
    """
    complaints = _complaints(status)
    given_up = [f"{name} is {state}: {_GIVEN_UP[state]}" for name, state in programs.items() if state in _GIVEN_UP]
    none_yet = [] if generation else [f"no generation yet: {'; '.join(complaints) or 'no pass has come to one'}"]
    if programs.get(PREPARING) in _AT_WORK and not given_up:
        return Health("starting", (*(none_yet or ["the mail daemons start once the first pass has ended"]),))
    silence = _silence(status, now=now, limit=timedelta(seconds=2 * interval + _MARGIN))
    if none_yet or silence or given_up:
        return Health("failing", (*none_yet, *silence, *given_up, *(() if none_yet else complaints)))
    return Health("degraded" if complaints else "ok", complaints)


def _silence(status: Status | None, *, now: datetime, limit: timedelta) -> list[str]:
    if status is None or status.pass_ is None:
        return ["no pass has finished yet"]
    try:
        finished = datetime.fromisoformat(status.pass_.started) + timedelta(seconds=status.pass_.seconds)
        if now - finished <= limit:
            return []
    except (ValueError, TypeError, OverflowError):  # TypeError: a time without zone
        return [f"the status document is damaged: {status.pass_.started!r} is not a time; the next pass replaces it"]
    since = finished.isoformat(timespec="seconds")
    return [f"no pass has finished since {since}, more than two intervals ago: the loop is stuck or not running"]


def _complaints(status: Status | None) -> tuple[str, ...]:
    if status is None or status.state in {"ok", "starting"}:
        return ()
    if status.held is not None and status.state == "held":
        return (f"generation {status.held.generation} is held: {'; '.join(status.held.reasons)}",)
    said = status.last_error.error if status.last_error else "no error was recorded"
    kind = "a reload failed" if status.state == "degraded" else "the last pass failed"
    return (f"{kind}: {said}",)
