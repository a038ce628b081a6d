"""`reconfigure fleet`: every task of every tier, as the fleet table has it now, and who is behind."""

import sys
from dataclasses import asdict

import click

from reconfigure.cli import json_option, log_to_stderr, settings_of, tables
from reconfigure.errors import EX_NOT_GOOD, ReconfigureError
from reconfigure.reporting.reports import TaskReport
from reconfigure.settings import Tier

WIDEST = 1000  # columns that the table may want

KEYS = {
    "tasks": "each with `tier`, `task`, `version`, `state` (as in the status document, or `paused`), `generation`, "
    "`digest` (equal for tasks of one version that serve the same), `applied` (number of the last change it has "
    "applied), `missing` (changes it has not), `lag_seconds`, `silent_seconds`, `success_seconds` (since its last good "
    "pass), `quarantine`, `trouble` (what is wrong with it, or null), `note` (what else to know, or null) and "
    "`is_silent`",
    "sequences": "by tier: the number of its last change; null before the first",
}


@click.command("fleet")
@click.option("--tier", type=click.Choice([tier.value for tier in Tier]), help="Only tasks of this tier.")
@click.option(
    "--behind",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Complain of a task that is further behind than this; RECONFIGURE_FLEET_SILENT_SECONDS unless given.",
)
@json_option
@click.pass_context
def command(ctx: click.Context, *, tier: str | None, behind: float | None, as_json: bool) -> None:
    """Show every task of every tier: what it serves, up to which change, and who is behind or silent.

    Asks the fleet table now, so it also answers in a task whose loop is down. A task that ended well leaves the table
    at once; one that was killed is forgotten after RECONFIGURE_FLEET_FORGET_SECONDS. Ends with 0 when every task is
    well, else with 1, also when there is none.

    \b
    Examples:
      reconfigure fleet
      reconfigure fleet --tier imap --behind 5
      reconfigure fleet --json | jq '.tasks[] | select(.trouble)'
    """  # noqa: D301
    from reconfigure import assembly  # noqa: PLC0415 - nothing that --help needs
    from reconfigure.fleet.roll import called  # noqa: PLC0415
    from reconfigure.sources.aws import Clients  # noqa: PLC0415

    settings = settings_of(ctx)
    log_to_stderr(settings, least="error")
    table = assembly.fleet_table(settings, Clients(settings.aws_region, settings.aws_endpoint_url))
    if table is None:
        raise ReconfigureError("there is no fleet: FLEET_TABLE is not set. Every task has its queue and its timer")
    limits = assembly.fleet_limits(settings)
    if behind is not None:
        limits = limits._replace(behind=behind)
    tiers = table.tiers([tier] if tier is not None else [one.value for one in Tier])
    tasks = list(called(tiers, now=table.now(), limits=limits))
    sequences = {name: found.log.sequence if found.log is not None else None for name, found in tiers.items()}
    if as_json:
        tables.emit({"tasks": [asdict(one) for one in tasks], "sequences": sequences})
    else:
        _show(tasks, sequences)
    sys.exit(EX_NOT_GOOD if not tasks or any(one.trouble for one in tasks) else 0)


def _show(tasks: list[TaskReport], sequences: dict[str, int | None]) -> None:
    from rich.measure import Measurement  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from reconfigure.standing.fleet import HEADS, RIGHT, lines  # noqa: PLC0415

    console = tables.console()
    unwell = sum(one.trouble is not None for one in tasks)
    well = "all well" if not unwell else f"{unwell} not well"
    first = f"{tables.number(len(tasks), 'tasks')}: {well}" if tasks else "no task is in the fleet table"
    console.print(first, style=tables.BAD if unwell or not tasks else tables.GOOD)
    if not tasks:
        return
    rows = list(lines(tasks))
    made = tables.table(*HEADS, right=RIGHT, whole=HEADS)
    for line in rows:
        made.add_row(*line.cells, style=tables.TONES[line.tone] if line.tone != "good" else "")
    if Measurement.get(console, console.options.update(width=WIDEST), made).maximum <= console.width:
        console.print(made)
    else:  # a table that folds its cells is read by nobody
        for line in rows:
            console.print(Text(line.first, style=tables.TONES[line.tone] if line.tone != "good" else ""))
            console.print(tables.note(line.second, tables.DIM))
    for line in rows:
        if line.said:
            console.print(tables.note(f"{line.name}: {line.said}", tables.TONES[line.tone], indent=0))
    known = ", ".join(f"{tier} {sequence}" for tier, sequence in sequences.items() if sequence is not None)
    console.print(f"last changes: {known or 'none yet'}", style=tables.DIM)
