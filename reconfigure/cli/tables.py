"""How the commands' answers look: plain tables for 80 columns, colour only on a terminal, values never as markup.

The one module that knows rich. What is shown may come from a hostile table, so every value goes through `plain`.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

MINUTE, HOUR, DAY = 60, 3600, 86_400
GOOD, BAD, ODD, DIM = "green", "red", "yellow", "dim"

SHORT = {"addresses": "addr", "domains": "dom"}

STYLES = {
    "ok": GOOD,
    "unchanged": GOOD,
    "changed": GOOD,
    "approved": GOOD,
    "told": GOOD,
    "RUNNING": GOOD,
    "held": ODD,
    "degraded": ODD,
    "rolled back": ODD,
    "starting": ODD,
    "starts later": ODD,
    "failed": BAD,
    "failing": BAD,
    "damaged": BAD,
    "FATAL": BAD,
    "BACKOFF": BAD,
}


def console(*, stderr: bool = False) -> Console:
    """Return a console; NO_COLOR, TERM=dumb and a stream that is no terminal mean no colour (rich sees to that)."""
    stream = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII only
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=2))


def plain(value: object) -> str:
    """Return a value as text that moves no cursor and forges no line."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def styled(word: object) -> Text:
    """Return a state or outcome in its colour."""
    return Text(plain(word), style=STYLES.get(str(word), ""))


def facts(rows: Iterable[tuple[str, str | Text | None]]) -> Table:
    """Return labels with their values, one a line; rows whose value is None or empty are left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in rows:
        if value:
            grid.add_row(f"  {label}", value if isinstance(value, Text) else Text(value))
    return grid


def table(*columns: str, right: Iterable[str] = (), whole: Iterable[str] = ()) -> Table:
    """Return an empty table without lines: a bold head, two blanks between columns.

    Args:
        columns: heads, from the left; a column gives way by folding its values.
        right: heads of the columns that hold numbers.
        whole: heads of the columns that are never folded, such as ids that somebody will copy.
    """
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        made.add_column(column, overflow="fold", justify=justify, no_wrap=column in whole)
    return made


def note(text: object, style: str = "", *, indent: int = 2) -> Padding:
    """Return a sentence that stays indented when it takes more than a line."""
    return Padding(Text(plain(text), style=style), (0, 0, 0, indent))


def ago(stamp: object, now: datetime) -> str:
    """Return how long ago (or in what time) an ISO time is; `never` for None, the value itself when it is no time."""
    if stamp is None:
        return "never"
    try:
        seconds = (now - datetime.fromisoformat(str(stamp))).total_seconds()
    except (ValueError, TypeError):  # TypeError: a time without zone
        return plain(stamp)
    return f"in {duration(-seconds)}" if seconds < 0 else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    if seconds < HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:.0f} days"


def moment(stamp: object) -> str:
    """Return an ISO time to the second in UTC; the value itself when it is no time."""
    try:
        return datetime.fromisoformat(str(stamp)).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return plain(stamp)


def counted(counts: Mapping[str, Any]) -> str:
    """Return what a generation holds: `24 addresses (22 active, 1 suspended, 1 dangling), 4 domains, 6 users`."""
    states = ", ".join(f"{counts[state]} {state}" for state in ("active", "suspended", "dangling") if counts.get(state))
    parts = [number(counts[kind], kind) for kind in ("addresses", "domains", "users") if kind in counts]
    if parts and states:
        parts[0] += f" ({states})"
    return ", ".join(parts)


def changes(mapping: Mapping[str, Any], *, short: bool = False) -> str:
    """Return `{"addresses gained": 2, "addresses lost": 1}` as `addresses +2 -1`, or shorter as `addr +2 -1`."""
    kinds: dict[str, list[str]] = {}
    for what, how_many in mapping.items():
        kind, _, way = str(what).partition(" ")
        sign = {"gained": "+", "lost": "-", "changed": "~"}.get(way, f"{way} ")
        kinds.setdefault(SHORT.get(kind, kind) if short else kind, []).append(f"{sign}{how_many}")
    return ", ".join(f"{plain(kind)} {' '.join(ways)}" for kind, ways in kinds.items())


def by_reason(counts: Mapping[str, int]) -> str:
    """Return the quarantine's counts, most frequent first."""
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{plain(reason)} {how_many}" for reason, how_many in most_first)


def reloads(told: Iterable[Mapping[str, Any]], *, said: str = "") -> Text:
    """Return what became of each reload, one a line; details that were `said` already are left out."""
    return Text("\n").join(
        Text.assemble(
            f"{plain(one.get('program'))} ({plain(one.get('how'))}): ",
            styled(one.get("result")),
            f": {plain(one['detail'])}" if one.get("detail") and str(one["detail"]) not in said else "",
        )
        for one in told
    )


def number(how_many: int, things: str) -> str:
    """Return `1 address` or `2 addresses` for `addresses`."""
    one = {"addresses": "address", "entries": "entry", "passes": "pass"}.get(things, things.removesuffix("s"))
    return f"{how_many} {one if how_many == 1 else things}"
