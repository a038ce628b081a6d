"""`reconfigure status`: what is live, how the last pass went, what is wrong. Imports nothing of AWS."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click
from rich.text import Text

from reconfigure.cli import json_option, naming, settings_of, tables
from reconfigure.cli.standing import Standing, look
from reconfigure.errors import ReconfigureError
from reconfigure.reporting import history
from reconfigure.reporting.status import QuarantineReport, Status
from reconfigure.settings import Settings

HISTORY_LOOKED_AT = 200  # lines, from the newest, in which to look for what made the active generation

KEYS = {
    "health": "`status` (`ok`, `degraded`, `starting`, `failing`) and, unless ok, `problems`: a list of sentences",
    "active": "the active generation as found on disk: `id`, `created`, `parent`, `counts`; or null",
    "before": "id of the generation that was active before it, or null",
    "last_change": "the line of the [history](status.md) that made the active generation live, or null",
    "held": "the generation that waits for approval: `id`, `since`, `reasons`, `lost`; or null",
    "supervisor": "`error`: why it could not be asked, or null; `programs`, each with `name`, `state`, `pid` and "
    "`detail`, or null when it was not asked",
    "report": "the [status document](status.md) of the last pass, or null; `quarantine.listed` only with "
    "`--quarantine`",
}


@click.command("status")
@json_option
@click.option("--quarantine", is_flag=True, help="List what is not served, and why.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, quarantine: bool) -> None:
    """Show what is live, how the last pass went, and what is wrong.

    The first line says whether all is well. Ends with 0 when it is, with 1 when it is not: a pass that failed or is
    held counts, though `health` lets the container live with it.

    \b
    Examples:
      reconfigure status
      reconfigure status --quarantine       which rows are refused, and why?
      reconfigure status --json | jq .health
    """  # noqa: D301
    settings = settings_of(ctx)
    now = datetime.now(UTC)
    standing = look(settings, now=now)
    if as_json:
        tables.emit(_document(settings, standing, listed=quarantine))
    else:
        _show(settings, standing, now=now, listed=quarantine)
    sys.exit(0 if standing.health.status == "ok" else 1)


def _document(settings: Settings, standing: Standing, *, listed: bool) -> dict[str, Any]:
    active, held, programs = standing.active, standing.held, standing.programs
    report = standing.report.document() if standing.report is not None else None
    if report is not None and not listed:
        del report["quarantine"]["listed"]
    return {
        "health": standing.health.document(),
        "active": active
        and {"id": active.id, "created": active.created, "parent": active.parent, "counts": dict(active.counts)},
        "before": naming.id_of(standing.before),
        "last_change": _last_change(settings, standing),
        "held": held and {"id": held.id, "since": held.since, "reasons": list(held.reasons), "lost": dict(held.lost)},
        "supervisor": {
            "error": standing.supervisor_error,
            "programs": None
            if programs is None
            else [{"name": one.name, "state": one.state, "pid": one.pid, "detail": one.detail} for one in programs],
        },
        "report": report,
    }


def _show(settings: Settings, standing: Standing, *, now: datetime, listed: bool) -> None:
    console = tables.console()
    health, active, report = standing.health, standing.active, standing.report
    console.print(Text.assemble(f"{settings.tier} on {settings.task}: ", tables.styled(health.status)))
    for problem in health.problems:
        console.print(tables.note(problem, tables.BAD if health.exit_code else tables.ODD))
    rows: list[tuple[str, str | Text | None]] = [
        ("generation", f"{active.id} (built {tables.ago(active.created, now)})" if active else "none"),
        ("last change", _told_change(_last_change(settings, standing), now)),
        ("serves", tables.counted(active.counts) if active else None),
    ]
    if standing.held is not None:
        since = tables.ago(standing.held.since, now)
        rows.append(("held", f"{standing.held.id} (since {since}); see 'reconfigure diff --held'"))
    if report is not None:
        rows += _of_report(report, now, said=health.problems)
    if standing.supervisor_error is not None:
        rows.append(("supervisord", f"cannot be asked: {tables.plain(standing.supervisor_error)}"))
    console.print(tables.facts(rows))
    if standing.programs:
        made = tables.table("  program", "state", "pid", "", right=("pid",))
        for one in standing.programs:
            made.add_row(f"  {one.name}", tables.styled(one.state), str(one.pid or ""), tables.plain(one.detail))
        console.print(made)
    if listed and report is not None:
        _show_refusals(report.quarantine)


def _of_report(report: Status, now: datetime, *, said: Sequence[str]) -> Iterator[tuple[str, str | Text | None]]:
    last = report.pass_
    if last is not None:
        when = f" {tables.ago(last.started, now)}, {last.seconds:g} s, by {tables.plain(last.trigger)}"
        yield "last pass", Text.assemble(tables.styled(last.outcome), when)
    yield "last success", tables.ago(report.last_success, now)
    if report.last_error is not None:
        error = report.last_error
        what = "see above" if any(error.error in problem for problem in said) else tables.plain(error.error)
        yield "last error", f"{tables.moment(error.time)} ({tables.ago(error.time, now)}): {what}"
    yield "next pass", tables.ago(report.next_pass, now) if report.next_pass else None
    refused = report.quarantine
    yield "quarantine", f"{refused.total} ({tables.by_reason(refused.by_reason)})" if refused.total else "none"
    yield "reloads", tables.reloads(report.reloads, said=" ".join(said))
    yield "heartbeat", _heartbeat(report, now)
    for warning in report.warnings:
        yield "warning", tables.plain(warning)


def _heartbeat(report: Status, now: datetime) -> str | None:
    beat = report.heartbeat
    if not beat:
        return None
    if beat.get("enabled") is False:
        return "off (no ping URL)"
    said = f"delivered {tables.ago(beat.get('last_ok'), now)}"
    if beat.get("consecutive_failures"):
        error = beat.get("last_error")
        why = error.get("error") if isinstance(error, dict) else error
        said += f"; {beat['consecutive_failures']} failed since: {tables.plain(why)}"
    return said


def _show_refusals(quarantine: QuarantineReport) -> None:
    console = tables.console()
    console.print()
    for one in quarantine.listed:
        what = Text(f"  {tables.plain(one.code)}: {tables.plain(one.kind)} {tables.plain(one.key)}", style=tables.ODD)
        console.print(Text.assemble(what, f" ({tables.plain(one.field)}): {tables.plain(one.detail)}"), soft_wrap=True)
    more = quarantine.total - len(quarantine.listed)
    if more > 0:
        console.print(f"  ... and {more} more, which were only counted")


def _last_change(settings: Settings, standing: Standing) -> dict[str, Any] | None:
    """Return the history's line of the pass, or the operator, that made the active generation live last."""
    if standing.active is None:
        return None
    try:
        lines = history.read(settings.state_dir / history.HISTORY_NAME, limit=HISTORY_LOOKED_AT)
    except ReconfigureError:
        return None  # `history` says why; here it is a detail
    made = (line for line in lines if line.get("generation") == standing.active.id)
    return next((line for line in made if line.get("by") or (line.get("changes") and not line.get("held"))), None)


def _told_change(line: dict[str, Any] | None, now: datetime) -> str | None:
    if line is None:
        return None
    counts = line.get("changes")
    did = tables.changes(counts) if isinstance(counts, dict) else ""
    whose = f"{line.get('outcome')} by {line['by']}" if line.get("by") else ""
    return f"{tables.plain(whose or did)} ({tables.ago(line.get('time'), now)})"
