"""Who hears of a pass: the status document, the history, the heartbeat and the log, each told once at its end.

A report that cannot be written is logged and changes nothing: what is live does not depend on who knows of it.
"""

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from reconfigure import __version__
from reconfigure.daemons import ReloadOutcome
from reconfigure.errors import ReconfigureError
from reconfigure.fleet.siblings import Siblings
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import Held
from reconfigure.inbox import Seen
from reconfigure.outcome import Outcome, PassResult
from reconfigure.reporting import emf, history, status
from reconfigure.reporting.heartbeat import Heartbeat, body
from reconfigure.reporting.orders import Orders
from reconfigure.reporting.reports import (
    ErrorReport,
    HeldReport,
    PassReport,
    Pause,
    QuarantineReport,
    QueueReport,
    State,
)
from reconfigure.reporting.status import Status
from reconfigure.settings import Settings

if TYPE_CHECKING:
    from reconfigure.metrics import Metrics

log = structlog.get_logger()

_STATES: Mapping[Outcome, State] = {
    Outcome.UNCHANGED: "ok",
    Outcome.CHANGED: "ok",
    Outcome.HELD: "held",
    Outcome.PINNED: "pinned",
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
        metrics: what counts passes; None where nobody asks for it.
        emf: takes the log lines that CloudWatch makes metrics of, as they are; None for none.
        siblings: the other tasks of the tier; None where there is no fleet, or for a pass by hand.
    """

    def __init__(
        self,
        settings: Settings,
        heartbeat: Heartbeat | None,
        *,
        metrics: "Metrics | None" = None,
        emf: Callable[[str], None] | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self._settings = settings
        self._heartbeat = heartbeat
        self._metrics = metrics
        self._emf = emf
        self._status: Path = settings.state_dir / status.STATUS_NAME
        self._history: Path = settings.state_dir / history.HISTORY_NAME
        self._orders = Orders(settings.state_dir)
        self._seen: Seen | None = None
        self._oldest: float | None = None
        self._receive_error: str | None = None
        self._delete_error: str | None = None
        self._siblings = siblings or Siblings(settings, None, own_check=lambda: False)
        self._was_good = False

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
        self._was_good = result.outcome.is_good
        self._beat(result)
        if result.outcome is not Outcome.UNCHANGED:
            self._try(lambda: history.append(self._history, _line(result), limit_bytes=self._settings.history_bytes))
        document = self.document(result, next_pass=next_pass)
        self._try(lambda: status.write(self._status, document))
        self._siblings.tell(document)
        if self._metrics is not None:
            self._metrics.passed(result)
        self._measure(document, pass_seconds=result.seconds)
        structlog.contextvars.unbind_contextvars("pass")

    def saw(self, seen: Seen, *, oldest: float | None) -> None:
        """Queue and daemons were looked at: the document says so from here on."""
        self._seen, self._oldest = seen, oldest
        document = self._amend()
        self._siblings.tell(document)
        self._measure(document)

    def saw_fleet(self) -> None:
        """Something new is known of the fleet: the document says so, and the heartbeat when siblings are (not) well."""
        document = self._amend()
        # While this task is not well itself, or rests, that was told, and goes on.
        if self._siblings.has_changed() and self._was_good and document.paused is None:
            self._ping(document, self._siblings.trouble())

    def _ping(self, document: Status, trouble: str | None) -> None:
        """Say by a ping of its own, beside passes, that siblings have got into trouble, or out of it."""
        if self._heartbeat is None:
            return
        text = body(
            outcome="siblings unwell" if trouble else "siblings well",
            tier=self._settings.tier.value,
            task=self._settings.task,
            generation=document.generation,
            seconds=0.0,
            counts=document.counts,
            quarantine=document.quarantine.by_reason,
            reason=trouble,
        )
        (self._heartbeat.success if trouble is None else self._heartbeat.fail)(str(uuid.uuid4()), text)

    def received(self, *, error: str | None) -> None:
        """Messages cannot be received, or can be again: the document says so at once, if the queue was looked at."""
        if error != self._receive_error:
            self._receive_error = error
            self._amend()

    def deleted(self, *, error: str | None) -> None:
        """Messages cannot be deleted, or can be again: the document says so at once, if the queue was looked at."""
        if error != self._delete_error:
            self._delete_error = error
            self._amend()

    def rest(self, pause: Pause, *, first: bool) -> None:
        """The loop rests: told by a success ping with the reason in it, since a pause has an end; else by a failure."""
        if first:
            log.warning("paused", pause=pause.told)
        self._siblings.tell(self._amend())
        structlog.contextvars.unbind_contextvars("pass")
        if self._heartbeat is None:
            return
        before = self._last()
        text = body(
            outcome="paused",
            tier=self._settings.tier.value,
            task=self._settings.task,
            generation=before.generation if before else None,
            seconds=0.0,
            counts=before.counts if before else {},
            quarantine=before.quarantine.by_reason if before else {},
            reason=pause.told,
        )
        (self._heartbeat.success if pause.error is None else self._heartbeat.fail)(str(uuid.uuid4()), text)

    def rested(self, *, in_time: bool) -> None:
        """The pause is over; in the history that is a line here only when it ended by itself."""
        log.warning("resumed", why="the pause is over" if in_time else "an operator ended it")
        if in_time:
            line = history.order(self._settings.state_dir, outcome="pause over", by=None, reason="")
            self._try(lambda: history.append(self._history, line, limit_bytes=self._settings.history_bytes))

    def _amend(self) -> Status:
        """Write the last document again, with what is new beside passes, and return it."""
        before = self._last()
        if before is None:  # the first pass will write one
            settings = self._settings
            before = Status(
                tier=settings.tier.value, task=settings.task, version=__version__, pid=os.getpid(), state="starting"
            )
        document = self._with_orders(replace(before, pid=os.getpid(), written=_stamp(datetime.now(UTC))))
        self._try(lambda: status.write(self._status, document))
        return document

    def _measure(self, document: Status, *, pass_seconds: float | None = None) -> None:
        """Write the figures for CloudWatch into the log: after each pass, and once a minute with each look around."""
        if self._emf is None or self._settings.emf_namespace is None:
            return
        now = datetime.now(UTC)
        verdict = status.health(
            document,
            now=now,
            interval=self._settings.interval,
            programs=document.programs.states if document.programs is not None else {},
            generation=document.generation,
            paused=document.paused,
            pinned=document.pinned,
        )
        self._emf(emf.line(self._settings.emf_namespace, document, verdict, now=now, pass_seconds=pass_seconds))

    def _with_orders(self, document: Status) -> Status:
        """Return the document with the orders in force, and what was seen of queue and daemons."""
        document = replace(document, paused=self._orders.pause(), pinned=self._orders.pin())
        if self._settings.fleet_table is None:  # what an earlier life with a fleet saw is nobody's trouble any more
            document = replace(document, fleet=None)
        elif (fleet := self._siblings.report()) is not None:
            document = replace(document, fleet=fleet)
        if self._seen is None:  # a pass by hand, say: what the loop has written of them stays
            return document
        queue = self._seen.queue
        if queue is not None:
            queue = self._with_errors(replace(queue, oldest_age_seconds=self._oldest))
        return replace(document, queue=queue, programs=self._seen.programs)

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
        pinned = self._orders.pin()
        state: State = "degraded" if failed else "pinned" if pinned else "held" if held else "ok"
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
            digest=active.input_digest,
            last_change=now,
            last_success=now if state == "ok" else before.last_success,
            last_error=ErrorReport(time=now, error=failed, cause="daemon") if failed else before.last_error,
            counts=active.counts,
            held=_held(held),
            waiting={},
            reloads=tuple(told._asdict() for told in reloads),
            paused=self._orders.pause(),
            pinned=pinned,
        )
        reason = failed or (pinned.why or "" if pinned is not None else "")
        line = history.order(settings.state_dir, outcome=outcome, by=by, reason=reason) | {
            "held": held.id if held else None,
            "reloads": [told._asdict() for told in reloads if told.result != "unchanged"],
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
            digest=active.input_digest if active else None,
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
            last_change=_stamp(ended) if result.outcome is Outcome.CHANGED or result.withdrawn is not None else None,
            last_error=None
            if result.outcome.is_good
            else ErrorReport(time=_stamp(ended), error=result.reason, cause=result.cause),
            counts=active.counts if active else {},
            held=_held(held),
            waiting=result.changes if result.outcome in {Outcome.HELD, Outcome.PINNED} else {},
            reloads=tuple(told._asdict() for told in result.reloads),
            written=_stamp(datetime.now(UTC)),
            heartbeat=self._heartbeat.state() if self._heartbeat is not None else {},
            next_pass=_stamp(ended + timedelta(seconds=next_pass)) if next_pass is not None else None,
            warnings=settings.warnings,
        )
        if result.quarantine is not None:
            document = replace(document, quarantine=QuarantineReport.of(result.quarantine))
        if before is not None:
            document = _remembering(document, before, has_read=result.quarantine is not None)
        return self._with_orders(document)

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
            **({"reloads": reloads} if (reloads := _told(result)) else {}),
            **({"phases": dict(result.phases)} if result.outcome is Outcome.CHANGED else {}),
            **({"quarantine": result.quarantine.total} if result.quarantine else {}),
            **({"next_pass": round(next_pass, 1)} if next_pass is not None else {}),
        }
        # A pin is ordered, so it is no error; a warning, since something waits.
        say = log.info if good else log.warning if result.outcome is Outcome.PINNED else log.error
        say("pass_finished", **said)

    def _beat(self, result: PassResult) -> None:
        if self._heartbeat is None:
            return
        siblings = self._siblings.trouble()
        text = body(
            outcome=result.outcome.value,
            tier=self._settings.tier.value,
            task=self._settings.task,
            generation=result.active.id if result.active else None,
            seconds=result.seconds,
            counts=(result.active.counts if result.active else None) or {},
            quarantine=result.quarantine.counts if result.quarantine is not None else self._last_quarantine(),
            reason=result.reason or siblings or self._trouble_with_the_queue(),
        )
        is_well = result.outcome.is_good and siblings is None
        (self._heartbeat.success if is_well else self._heartbeat.fail)(result.id, text)

    def _trouble_with_the_queue(self) -> str | None:
        """Return what does not work of it: no failure, since the timer's pass does all; whoever waits shall know."""
        return "; ".join(self._with_errors(QueueReport(seen="")).troubles) or None

    def _with_errors(self, queue: QueueReport) -> QueueReport:
        return replace(queue, receive_error=self._receive_error, delete_error=self._delete_error)

    def _last_quarantine(self) -> Mapping[str, int]:
        """Return the refusals of the last full read, by reason: a short pass counts none."""
        before = self._last()
        return before.quarantine.by_reason if before is not None else {}

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
        queue=before.queue,
        programs=before.programs,
        fleet=before.fleet,
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
        **({"withdrawn": dict(result.withdrawn)} if result.withdrawn is not None else {}),
        "reloads": [told._asdict() for told in result.reloads if told.result != "unchanged"],
        "reason": result.reason,
    }


def _told(result: PassResult) -> list[str]:
    """Return what each reload that was to be done came to, in words."""
    return [f"{told.program} ({told.how}): {told.result}" for told in result.reloads if told.result != "unchanged"]


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
