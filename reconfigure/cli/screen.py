"""The one screen that says how a task stands: for `status`, for `status --watch` and for the command without a name.

What there is to say is in `standing.facts`; here it becomes a terminal's lines. Whether it is drawn once or again and
again is the commands' business.
"""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reconfigure.cli import tables
from reconfigure.daemons import Program
from reconfigure.reporting.reports import QuarantineReport
from reconfigure.settings import Settings
from reconfigure.standing import Standing
from reconfigure.standing.document import restarts
from reconfigure.standing.facts import facts, verdict


def screen(settings: Settings, standing: Standing, *, now: datetime, listed: bool = False) -> Group:
    """Return the screen.

    Args:
        settings: of the task.
        standing: how it stands.
        now: the present, with time zone.
        listed: whether to list what is refused.
    """
    health, report = standing.health, standing.report
    parts: list[RenderableType] = [
        Text.assemble(f"{settings.tier} on {tables.plain(settings.task)}: ", tables.styled(health.status))
    ]
    parts += [tables.note(problem, tables.TONES[verdict(standing)]) for problem in health.problems]
    parts.append(
        tables.facts((fact.label, tables.text(fact.pieces)) for fact in facts(settings, standing, now=now)),
    )
    if standing.programs:
        parts.append(_programs(standing, now))
    if listed and report is not None:
        parts += _refusals(report.quarantine)
    return Group(*parts)


def _programs(standing: Standing, now: datetime) -> Table:
    made = tables.table("  program", "state", "since", "pid", "restarts", "", right=("pid", "restarts"))
    for one in standing.programs or ():
        seen = restarts(standing, one.name)
        again = Text("" if seen is None else str(seen), style=tables.ODD if seen else "")
        made.add_row(
            f"  {tables.plain(one.name)}",
            tables.styled(one.state),
            _since(one, now),
            str(one.pid or ""),
            again,
            tables.plain(one.detail),
        )
    return made


def _since(one: Program, now: datetime) -> str:
    return "" if one.since is None else tables.duration(max(0.0, now.timestamp() - one.since))


def _refusals(quarantine: QuarantineReport) -> Iterator[RenderableType]:
    yield Text("")
    for one in quarantine.listed:
        what = Text(f"  {tables.plain(one.code)}: {tables.plain(one.kind)} {tables.plain(one.key)}", style=tables.ODD)
        what.append(f" ({tables.plain(one.field)}): {tables.plain(one.detail)}", style="default")
        yield what
    more = quarantine.total - len(quarantine.listed)
    if more > 0:
        yield Text(f"  ... and {more} more, which were only counted")
