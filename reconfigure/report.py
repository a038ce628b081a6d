"""Who hears of a pass: the status document, the history, the heartbeat and the log, each told once at its end.

A report that cannot be written is logged and changes nothing: what is live does not depend on who knows of it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from reconfigure import __version__
from reconfigure.daemons import ReloadOutcome
from reconfigure.errors import ReconfigureError
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import Held
from reconfigure.outcome import Outcome, PassResult
from reconfigure.reporting import history, status
from reconfigure.reporting.heartbeat import Heartbeat, body
from reconfigure.reporting.status import ErrorReport, HeldReport, PassReport, QuarantineReport, State, Status
from reconfigure.settings import Settings

log = structlog.get_logger()

_STATES: Mapping[Outcome, State] = {
    Outcome.UNCHANGED: "ok",
    Outcome.CHANGED: "ok",
    Outcome.HELD: "held",
    Outcome.DEGRADED: "degraded",
    Outcome.FAILED: "failed",
}


def bind(settings: Settings) -> None:
    """Name the tier and the active generation in every log line of this thread from here on."""
    current = settings.state_dir / "current"
    generation = current.readlink().name if current.is_symlink() else None
    structlog.contextvars.bind_contextvars(tier=settings.tier.value, generation=generation)


class Reporter:
    """Tells everybody of passes.

    Args:
        settings: the tier's.
        heartbeat: where pings go; None for a pass nobody waits for.
    """

    def __init__(self, settings: Settings, heartbeat: Heartbeat | None) -> None:
        self._settings = settings
        self._heartbeat = heartbeat
        self._status: Path = settings.state_dir / status.STATUS_NAME
        self._history: Path = settings.state_dir / history.HISTORY_NAME

    def begin(self, pass_id: str) -> None:
        """A pass begins work: `pass` is bound to every log line from here on."""
        bind(self._settings)
        structlog.contextvars.bind_contextvars(**{"pass": pass_id[:8]})
        if self._heartbeat is not None:
            self._heartbeat.start(pass_id)

    def finish(self, result: PassResult, *, next_pass: float | None = None) -> None:
        """A pass ended.

        Args:
            result: what came of it.
            next_pass: seconds until the next one, when a loop makes it.
        """
        self._log(result, next_pass)
        self._beat(result)
        if result.outcome is not Outcome.UNCHANGED:
            self._try(lambda: history.append(self._history, _line(result), limit_bytes=self._settings.history_bytes))
        self._try(lambda: status.write(self._status, self.document(result, next_pass=next_pass)))
        structlog.contextvars.unbind_contextvars("pass")

    def flipped(
        self,
        active: Manifest,
        *,
        outcome: str,
        held: Held | None,
        reloads: Sequence[ReloadOutcome],
        by: str,
    ) -> None:
        """An operator put another generation in place, without a pass.

        Args:
            active: what is live now.
            outcome: what the history calls it: `rolled back` or `approved`.
            held: what waits for approval now.
            reloads: what became of telling the daemons.
            by: who did it.
        """
        now = _stamp(datetime.now(UTC))
        failed = "; ".join(f"{told.program} ({told.how}): {told.detail}" for told in reloads if told.result == "failed")
        state: State = "held" if held else "degraded" if failed else "ok"
        settings = self._settings
        before = self._last() or Status(
            tier=settings.tier.value, task=settings.task, version=__version__, pid=os.getpid(), state=state
        )
        document = replace(
            before,
            version=__version__,
            pid=os.getpid(),
            state=state,
            generation=active.id,
            generation_created=active.created,
            last_change=now,
            last_success=before.last_success if held or failed else now,
            last_error=ErrorReport(time=now, error=failed) if failed else before.last_error,
            counts=active.counts,
            held=_held(held),
            reloads=tuple(told._asdict() for told in reloads),
        )
        line: dict[str, Any] = {
            "time": now,
            "pass": None,
            "trigger": "operator",
            "by": by,
            "outcome": outcome,
            "generation": active.id,
            "held": held.id if held else None,
            "seconds": None,
            "changes": {},
            "reloads": [told._asdict() for told in reloads if told.result != "unchanged"],
            "reason": failed,
        }
        log.warning("generation_put_in_place", outcome=outcome, generation=active.id, by=by)
        self._try(lambda: history.append(self._history, line, limit_bytes=settings.history_bytes))
        self._try(lambda: status.write(self._status, document))

    def document(self, result: PassResult, *, next_pass: float | None) -> Status:
        """Return the status document after a pass, with what the one before it remembers."""
        before = self._last()
        ended = result.started + timedelta(seconds=result.seconds)
        settings, active, held = self._settings, result.active, result.held
        document = Status(
            tier=settings.tier.value,
            task=settings.task,
            version=__version__,
            pid=os.getpid(),
            state=_STATES[result.outcome],
            generation=active.id if active else None,
            generation_created=active.created if active else None,
            pass_=PassReport(
                id=result.id,
                trigger=result.trigger,
                outcome=result.outcome.value,
                started=_stamp(result.started),
                seconds=result.seconds,
                phases=result.phases,
                requests=result.requests,
            ),
            last_success=_stamp(ended) if result.outcome.is_good else None,
            last_change=_stamp(ended) if result.outcome is Outcome.CHANGED else None,
            last_error=None if result.outcome.is_good else ErrorReport(time=_stamp(ended), error=result.reason),
            counts=active.counts if active else {},
            held=_held(held),
            reloads=tuple(told._asdict() for told in result.reloads),
            heartbeat=self._heartbeat.state() if self._heartbeat is not None else {},
            next_pass=_stamp(ended + timedelta(seconds=next_pass)) if next_pass is not None else None,
            warnings=settings.warnings,
        )
        if result.quarantine is not None:
            document = replace(document, quarantine=QuarantineReport.of(result.quarantine))
        return document if before is None else _remembering(document, before, has_read=result.quarantine is not None)

    def _last(self) -> Status | None:
        try:
            return status.read(self._status)
        except ReconfigureError:
            return None  # damaged: this pass replaces it

    def _log(self, result: PassResult, next_pass: float | None) -> None:
        good = result.outcome.is_good
        structlog.contextvars.bind_contextvars(generation=result.active.id if result.active else None)
        said: dict[str, Any] = {
            "outcome": result.outcome.value,
            "trigger": result.trigger,
            "seconds": result.seconds,
            **({"changes": dict(result.changes)} if result.changes else {}),
            **({} if good else {"error": result.reason}),
            **({"phases": dict(result.phases)} if result.outcome is Outcome.CHANGED else {}),
            **({"quarantine": result.quarantine.total} if result.quarantine else {}),
            **({"next_pass": round(next_pass, 1)} if next_pass is not None else {}),
        }
        (log.info if good else log.error)("pass_finished", **said)

    def _beat(self, result: PassResult) -> None:
        if self._heartbeat is None:
            return
        text = body(
            outcome=result.outcome.value,
            tier=self._settings.tier.value,
            task=self._settings.task,
            generation=result.active.id if result.active else None,
            seconds=result.seconds,
            counts=(result.active.counts if result.active else None) or {},
            quarantine=result.quarantine.counts if result.quarantine else {},
            reason=result.reason or None,
        )
        (self._heartbeat.success if result.outcome.is_good else self._heartbeat.fail)(result.id, text)

    def _try(self, write: Any) -> None:
        try:
            write()
        except ReconfigureError as error:
            log.error("report_not_written", error=str(error))


def _held(held: Held | None) -> HeldReport | None:
    if held is None:
        return None
    return HeldReport(generation=held.id, since=held.since, reasons=held.reasons, lost=held.lost)


def _remembering(document: Status, before: Status, *, has_read: bool) -> Status:
    return replace(
        document,
        last_success=document.last_success or before.last_success,
        last_change=document.last_change or before.last_change,
        last_error=document.last_error or before.last_error,
        quarantine=document.quarantine if has_read else before.quarantine,
        heartbeat=document.heartbeat or before.heartbeat,
        next_pass=document.next_pass or before.next_pass,
    )


def _line(result: PassResult) -> dict[str, Any]:
    """Return the history line of a pass."""
    return {
        "time": _stamp(result.started),
        "pass": result.id,
        "trigger": result.trigger,
        "outcome": result.outcome.value,
        "generation": result.active.id if result.active else None,
        "held": result.held.id if result.held else None,
        "seconds": result.seconds,
        "changes": dict(result.changes),
        "reloads": [told._asdict() for told in result.reloads if told.result != "unchanged"],
        "reason": result.reason,
    }


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
