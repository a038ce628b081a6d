"""`reconfigure rollback`: return to an earlier generation."""

import sys

import click

from reconfigure.cli import confirm, differences, flip, naming, operator, settings_of, tables, yes_option
from reconfigure.generations import difference
from reconfigure.generations.store import GenerationStore

LISTED = 10


@click.command("rollback")
@click.argument("generation", required=False, metavar="[GEN]", shell_complete=naming.complete)
@yes_option
@click.pass_context
def command(ctx: click.Context, *, generation: str | None, yes: bool) -> None:
    """Return to an earlier generation (default: the one before the active one), and tell the daemons.

    The generation that is left is held: the source still says what it says, so the next pass would bring it back at
    once. It comes back by itself when the source says something else (then as a new generation), or by 'reconfigure
    approve'.

    Ends with 0 when all went well, with 1 when there is no such generation or a daemon could not be told.

    \b
    Examples:
      reconfigure rollback                 shows what that changes, and asks
      reconfigure rollback 4f2c --yes      to the generation whose id ends with 4f2c
    """  # noqa: D301
    settings = settings_of(ctx)
    store = GenerationStore(settings.state_dir)
    left = naming.resolve(store, naming.ACTIVE)
    target = naming.resolve(store, generation or naming.BEFORE)
    if not yes and target != left:
        found = difference.between(store, left, target, limit=LISTED)
        differences.show(found, tables.console(), lines=False)
    confirm(f"Return to {target}?", yes=yes)
    by = operator()  # asked before this process may become another account
    done = flip.flip(settings, "rolled back", lambda reconciler: reconciler.rollback(target, by=by), by=by)
    stays_away = "it stays away until the source says something else, or until 'reconfigure approve' brings it back."
    flip.show(done, more=[f"{left} is held: {stays_away}"] if done.held else [])
    sys.exit(done.exit_code)
