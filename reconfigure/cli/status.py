"""`reconfigure status`: what is live, how the last pass went, what is wrong. Imports nothing of AWS."""

import json
import signal
import sys
import time
from datetime import UTC, datetime
from types import FrameType

import click

from reconfigure.cli import json_option, settings_of, tables
from reconfigure.cli.screen import screen
from reconfigure.settings import Settings
from reconfigure.standing import Standing, look
from reconfigure.standing.document import KEYS, document

__all__ = ["KEYS", "command"]

EVERY = 2.0  # seconds between two screens, unless told otherwise


@click.command("status")
@json_option
@click.option("--quarantine", is_flag=True, help="List what is not served, and why.")
@click.option(
    "--watch",
    "every",
    is_flag=False,
    flag_value=EVERY,
    type=click.FloatRange(min=0.2, max=3600),
    metavar="[SECONDS]",
    help=f"Look again and again, every {EVERY:g} s unless told otherwise, until Ctrl-C.",
)
@click.pass_context
def command(ctx: click.Context, *, as_json: bool, quarantine: bool, every: float | None) -> None:
    """Show what is live, how the last pass went, and what is wrong.

    The first line says whether all is well. Ends with 0 when it is, with 1 when it is not: a pass that failed or is
    held, a pin that keeps something back and a pause count, though `health` lets the container live with them.

    --watch draws the screen anew on a terminal; elsewhere it prints one after the other, with --json one document a
    line. Ctrl-C ends it, with the exit code of the last screen.

    \b
    Examples:
      reconfigure status
      reconfigure status --watch
      reconfigure status --quarantine       which rows are refused, and why?
      reconfigure status --json | jq .health
    """  # noqa: D301
    settings = settings_of(ctx)
    if every is None:
        standing = look(settings, now=datetime.now(UTC))
        if as_json:
            tables.emit(document(settings, standing, listed=quarantine))
        else:
            tables.console().print(screen(settings, standing, now=datetime.now(UTC), listed=quarantine))
    else:
        standing = _watch(settings, every, as_json=as_json, listed=quarantine)
    sys.exit(0 if standing.health.status == "ok" else 1)


def _watch(settings: Settings, every: float, *, as_json: bool, listed: bool) -> Standing:
    """Show the screen again and again until Ctrl-C or SIGTERM; return the last one's standing."""
    from rich.live import Live  # noqa: PLC0415 - only here, and not cheap

    console = tables.console()
    # As Ctrl-C, so that the terminal is given back as it was.
    signal.signal(signal.SIGTERM, _interrupt)
    standing = look(settings, now=datetime.now(UTC))
    try:
        if as_json:
            while True:
                click.echo(json.dumps(document(settings, standing, listed=listed)))
                time.sleep(every)
                standing = look(settings, now=datetime.now(UTC))
        if not console.is_terminal:
            while True:
                console.print(screen(settings, standing, now=datetime.now(UTC), listed=listed))
                console.print()
                time.sleep(every)
                standing = look(settings, now=datetime.now(UTC))
        with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                live.update(screen(settings, standing, now=datetime.now(UTC), listed=listed), refresh=True)
                time.sleep(every)
                standing = look(settings, now=datetime.now(UTC))
    except KeyboardInterrupt:
        return standing


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
