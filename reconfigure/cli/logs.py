"""`reconfigure logs`: the last passes in words, from the history."""

import json
import time
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from reconfigure.cli import json_option, settings_of, tables
from reconfigure.errors import ReconfigureError
from reconfigure.reporting import history, status

POLL = 0.5  # seconds between two looks at a history that is followed
REREAD = 1000  # lines, from the newest, in which a follower finds the one it showed last

KEYS = {
    "passes": "oldest first, each with `words` (the line that people get) and `record`, the line of the "
    "[history](status.md)",
    "last_pass": "the last pass, as the [status document](status.md) has it, or null: one that found nothing to do is "
    "not in the history",
}

VERBS = {
    "changed": "applied",
    "held": "held",
    "pinned": "kept back by a pin",
    "degraded": "applied, but not everywhere",
    "failed": "failed",
    "unchanged": "found nothing to do",
}


@click.command("logs")
@click.option(
    "-n", "limit", type=click.IntRange(min=0), default=20, show_default=True, metavar="N", help="Passes shown."
)
@click.option("--follow", "-f", is_flag=True, help="Go on with those to come, until Ctrl-C.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, limit: int, follow: bool, as_json: bool) -> None:
    """Tell the last passes in words, oldest first; also what operators did.

    Passes that found nothing to do are not kept; the last one is told all the same. Times are UTC. With --json and
    --follow, each pass is one document on a line of its own.

    \b
    Examples:
      reconfigure logs
      reconfigure logs -n 5 --follow
      reconfigure logs --json | jq -r '.passes[].words'
    """  # noqa: D301
    settings = settings_of(ctx)
    path = settings.state_dir / history.HISTORY_NAME
    newest = history.read(path, limit=max(1, limit))
    records = newest[:limit]
    if follow:
        _follow(path, records, after=newest[0] if newest else None, as_json=as_json)
        return
    last = _last_pass(settings.state_dir / status.STATUS_NAME)
    if as_json:
        passes = [{"words": words(record), "record": record} for record in reversed(records)]
        tables.emit({"passes": passes, "last_pass": last})
        return
    days = _Days()
    for record in reversed(records):
        days.show(record)
    if last is not None and last["outcome"] == "unchanged":
        days.show({**last, "time": last["started"]})
    if not records and last is None:
        tables.console().print("no pass yet; 'reconfigure once' makes one")


def words(record: Mapping[str, Any]) -> str:
    """Return a line of the history in words; whatever the line holds, there is something to say."""
    outcome = str(record.get("outcome"))
    seconds, trigger, by, reason = (record.get(name) for name in ("seconds", "trigger", "by", "reason"))
    if outcome == "paused" and reason:
        return tables.plain(reason)
    if by or outcome == "pause over":  # no pass
        done = f"{outcome} by {by}" if by else outcome
        live = f"; live since: {record.get('generation')}" if outcome in {"rolled back", "approved"} else ""
        return tables.plain(f"{done}{f': {reason}' if reason else ''}{live}")
    said = [VERBS.get(outcome, outcome)]
    said += [_counts(record["changes"])] if isinstance(record.get("changes"), dict) else []
    said += [f"in {seconds:.2f} s"] if isinstance(seconds, int | float) else []
    said += [f"by {trigger}"] if trigger else []
    told = " ".join(filter(None, said))
    if reason:
        told += f": {reason}"
    elif record.get("generation"):
        told += f"; generation {record['generation']}"
    return tables.plain(told)


def _counts(changes: Mapping[str, Any]) -> str:
    """Return `{"addresses gained": 2, "addresses lost": 1}` as `2 addresses gained, 1 address lost`."""
    parts = []
    for what, number in changes.items():
        kind, _, way = str(what).partition(" ")
        parts.append(f"{tables.number(number, kind) if isinstance(number, int) else number} {way}".strip())
    return ", ".join(parts)


class _Days:
    """Prints lines with their times, and the day once above those of each."""

    def __init__(self) -> None:
        self._day = ""
        self._console = tables.console()

    def show(self, record: Mapping[str, Any]) -> None:
        """Print one line."""
        moment = tables.moment(record.get("time"))
        day, _, clock = moment.partition(" ")
        if day != self._day:
            self._day = day
            self._console.print(Text(day, style="bold"))
        outcome = record.get("outcome")
        line = Table.grid(padding=(0, 2))
        line.add_column(no_wrap=True)
        line.add_column(overflow="fold")
        line.add_row(f"  {clock or '?'}", Text(words(record), style=tables.style_of(outcome)))
        self._console.print(line)


def _last_pass(path: Path) -> dict[str, Any] | None:
    try:
        report = status.read(path)
    except ReconfigureError:
        return None  # `status` says why; here it is a detail
    last: dict[str, Any] | None = report.document()["pass"] if report is not None else None
    return last


def _follow(path: Path, records: list[dict[str, Any]], *, after: Mapping[str, Any] | None, as_json: bool) -> None:
    """Show records, then those that come, until Ctrl-C."""
    days = _Days()
    try:
        for record in chain(reversed(records), _coming(path, after=after)):
            if as_json:
                click.echo(json.dumps({"words": words(record), "record": record}))
            else:
                days.show(record)
    except KeyboardInterrupt:
        return


def _coming(path: Path, *, after: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield each record that comes after one; a file that is rotated meanwhile loses none."""
    seen: object = None
    while True:
        found = _identity(path)
        if found != seen:
            seen = found
            fresh = []
            for record in history.read(path, limit=REREAD):
                if record == after:
                    break
                fresh.append(record)
            yield from reversed(fresh)
            after = fresh[0] if fresh else after
        time.sleep(POLL)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size
