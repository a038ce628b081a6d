"""How the commands' answers look: plain tables for 80 columns, colour only on a terminal, values never as markup.

The one module that knows rich. What is shown may come from a hostile table, so every value goes through `plain`.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconfigure.standing.pieces import Piece, Tone, word
from reconfigure.wording import ago, by_reason, changes, counted, duration, moment, number, plain

__all__ = ["ago", "by_reason", "changes", "counted", "duration", "moment", "number", "plain"]
__all__ += [
    "BAD",
    "DIM",
    "GOOD",
    "ODD",
    "TONES",
    "console",
    "emit",
    "facts",
    "note",
    "style_of",
    "styled",
    "table",
    "text",
]

USUAL = 80  # columns
NARROWEST = 60  # below that, columns of tables would be left out, and at 0 everything
GOOD, BAD, ODD, DIM = "green", "red", "yellow", "dim"

TONES: Mapping[Tone, str] = {"": "", "good": GOOD, "odd": ODD, "bad": BAD, "dim": DIM}


def console(*, stderr: bool = False) -> Console:
    """Return a console; NO_COLOR, TERM=dumb and a stream that is no terminal mean no colour (rich sees to that)."""
    stream = sys.stderr if stderr else sys.stdout
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII only
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    # A pseudo-terminal that nobody gave a size has 0 columns, and so may the variable COLUMNS say.
    made.width = max(made.width, NARROWEST) if made.width else USUAL
    return made


def emit(document: Mapping[str, Any]) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=2))


def styled(value: object) -> Text:
    """Return a state or outcome in its colour."""
    return Text(plain(value), style=style_of(value))


def text(pieces: Iterable[Piece]) -> Text:
    """Return pieces as one text, each in the colour of its tone."""
    return Text.assemble(*((piece.text, TONES[piece.tone]) for piece in pieces))


def style_of(value: object) -> str:
    """Return the colour of a state or outcome."""
    return TONES[word(value).tone]


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


def note(sentence: object, style: str = "", *, indent: int = 2) -> Padding:
    """Return a sentence that stays indented when it takes more than a line."""
    return Padding(Text(plain(sentence), style=style), (0, 0, 0, indent))
