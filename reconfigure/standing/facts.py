"""How a task stands in words, a label and a text for each fact: what the screen and the page both say.

Nothing is read here but the history's last lines.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from reconfigure.reporting.reports import QueueReport
from reconfigure.reporting.status import Status
from reconfigure.settings import Settings
from reconfigure.standing import Standing
from reconfigure.standing.document import last_change
from reconfigure.standing.fleet import summary
from reconfigure.standing.pieces import Piece, Tone, word
from reconfigure.wording import ago, by_reason, changes, counted, duration, moment, number, plain


class Fact(NamedTuple):
    """A label and its text."""

    label: str
    pieces: tuple[Piece, ...]


def verdict(standing: Standing) -> Tone:
    """Return the tone of a verdict's sentences."""
    return "bad" if standing.health.exit_code else "odd"


def facts(settings: Settings, standing: Standing, *, now: datetime) -> Iterator[Fact]:
    """Yield what there is to say, in order; what has nothing to say is left out.

    Args:
        settings: of the task.
        standing: how it stands.
        now: the present, with time zone.
    """
    for label, said in _all(settings, standing, now):
        pieces = (Piece(said),) if isinstance(said, str) else said
        if pieces and any(piece.text for piece in pieces):
            yield Fact(label, tuple(pieces))


_Rows = Iterator[tuple[str, str | Sequence[Piece] | None]]


def _all(settings: Settings, standing: Standing, now: datetime) -> _Rows:
    active, held, report, said = standing.active, standing.held, standing.report, standing.health.problems
    yield "generation", f"{active.id} (built {ago(active.created, now)})" if active else "none"
    yield "last change", _told_change(last_change(settings, standing), now)
    yield "serves", counted(active.counts) if active else None
    if held is not None:
        yield "held", f"{held.id} (since {ago(held.since, now)}); see 'reconfigure diff --held'"
    if standing.pinned is not None:
        told = standing.pinned.told
        more = "see above" if any(told in problem for problem in said) else plain(told)
        yield "pinned", f"{more} ({ago(standing.pinned.since, now)}); 'reconfigure resume' lifts it"
    if standing.paused is not None:
        yield "paused", f"ends {_end(standing, now)}; 'reconfigure resume' ends it now"
    if report is not None:
        yield from _of_report(report, now, said=said)
    if standing.supervisor_error is not None:
        yield "supervisord", f"cannot be asked: {plain(standing.supervisor_error)}"
    if standing.runbook is not None:
        yield "what to do", f"{standing.runbook.command}"


def _end(standing: Standing, now: datetime) -> str:
    until = standing.paused.until if standing.paused is not None else None
    return ago(until, now) if until is not None else "only by hand"


def _of_report(report: Status, now: datetime, *, said: Sequence[str]) -> _Rows:
    last = report.pass_
    if last is not None:
        when = f" {ago(last.started, now)}, {last.seconds:g} s, by {plain(last.trigger)}"
        yield "last pass", (word(last.outcome), Piece(when))
    yield "last success", ago(report.last_success, now)
    if report.last_error is not None:
        error = report.last_error
        is_said = (error.cause, report.state) == ("pin", "pinned") or any(error.error in problem for problem in said)
        what = "see above" if is_said else plain(error.error)
        cause = f"{plain(error.cause)}: " if error.cause else ""
        yield "last error", f"{moment(error.time)} ({ago(error.time, now)}): {cause}{what}"
    yield "next pass", ago(report.next_pass, now) if report.next_pass else None
    yield "waiting", changes(report.waiting) if report.waiting else None
    if report.queue is not None:
        yield "queue", queue(report.queue, now=now)
    refused = report.quarantine
    yield "quarantine", f"{refused.total} ({by_reason(refused.by_reason)})" if refused.total else "none"
    if report.fleet is not None:
        seen = Piece(f" (seen {ago(report.fleet.seen, now)})", "dim")
        yield "fleet", (*summary(report.fleet, tier=report.tier), seen)
    yield "reloads", tuple(reloads(report.reloads, said=" ".join(said)))
    yield "heartbeat", _heartbeat(report, now)
    for warning in report.warnings:
        yield "warning", plain(warning)


def queue(seen: QueueReport, *, now: datetime) -> tuple[Piece, ...]:
    """Return what there is to say of the queue."""
    if seen.visible is None:
        return (Piece(f"unknown: {plain(seen.error)}", "bad"),)
    delayed = f", {seen.delayed} delayed" if seen.delayed else ""
    oldest = seen.oldest_age_seconds
    age = f", the oldest in hand {duration(oldest)}" if oldest is not None else ""
    dead = "" if seen.dead_letters is None else number(seen.dead_letters, "dead letters")
    return (
        Piece(f"{seen.visible} waiting, {seen.in_flight} in flight{delayed}{age}"),
        *((Piece(", "), Piece(dead, "bad" if seen.dead_letters else "")) if dead else ()),
        Piece(f" (seen {ago(seen.seen, now)})", "dim"),
        *((Piece(f"; not since: {plain(seen.error)}", "odd"),) if seen.error else ()),
    )


def _heartbeat(report: Status, now: datetime) -> str | None:
    beat = report.heartbeat
    if not beat:
        return None
    if beat.get("enabled") is False:
        return "off (no ping URL)"
    said = f"delivered {ago(beat.get('last_ok'), now)}"
    if beat.get("consecutive_failures"):
        error = beat.get("last_error")
        why = error.get("error") if isinstance(error, dict) else error
        said += f"; {beat['consecutive_failures']} failed since: {plain(why)}"
    return said


def reloads(told: Iterable[Mapping[str, Any]], *, said: str = "") -> Iterator[Piece]:
    """Yield what became of each reload, one a line; details that were `said` already are left out."""
    for at, one in enumerate(told):
        yield Piece(f"{chr(10) if at else ''}{plain(one.get('program'))} ({plain(one.get('how'))}): ")
        yield word(one.get("result"))
        if one.get("detail") and str(one["detail"]) not in said:
            yield Piece(f": {plain(one['detail'])}")


def _told_change(line: Mapping[str, Any] | None, now: datetime) -> str | None:
    if line is None:
        return None
    counts = line.get("changes")
    did = changes(counts) if isinstance(counts, dict) else ""
    whose = f"{line.get('outcome')} by {line['by']}" if line.get("by") else ""
    return f"{plain(whose or did)} ({ago(line.get('time'), now)})"
