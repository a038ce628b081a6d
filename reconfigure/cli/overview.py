"""The command without a name: how the task stands, and what to type next."""

import sys
from datetime import UTC, datetime

import click
from rich.text import Text

from reconfigure.cli import fail, settings_of, tables
from reconfigure.cli.screen import screen
from reconfigure.cli.steps import steps
from reconfigure.errors import ConfigurationError
from reconfigure.standing import look


def show(ctx: click.Context) -> None:
    """Print the screen of `status`, then the most useful commands; end with the exit code of `status`."""
    try:
        settings = settings_of(ctx)
    except ConfigurationError as error:
        click.echo("reconfigure: nothing to show here without settings; see 'reconfigure --help'", err=True)
        fail(error)
    now = datetime.now(UTC)
    standing = look(settings, now=now)
    console = tables.console()
    console.print(screen(settings, standing, now=now))
    console.print()
    console.print(Text("next", style="bold"))
    console.print(tables.facts((f"reconfigure {step.command}", step.why) for step in steps(standing)))
    sys.exit(0 if standing.health.status == "ok" else 1)
