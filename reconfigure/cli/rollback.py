"""`reconfigure rollback`: return to an earlier generation."""

import sys

import click

from reconfigure.cli import confirm, differences, flip, naming, operator, reason_option, settings_of, tables, yes_option
from reconfigure.generations import difference
from reconfigure.generations.store import GenerationStore

LISTED = 10


@click.command("rollback")
@click.argument("generation", required=False, metavar="[GEN]", shell_complete=naming.complete)
@reason_option
@yes_option
@click.pass_context
def command(ctx: click.Context, *, generation: str | None, reason: str | None, yes: bool) -> None:
    """Return to an earlier generation (default: the one before the active one), pin it, and tell the daemons.

    The pin keeps it live: the source still says what it says, so the next pass would undo the rollback. Passes go on
    reading, and say what waits; nothing of it goes live until 'reconfigure resume' lifts the pin, and the heartbeat
    fails for as long as something waits. Mail goes on. Messages stay on the queue.

    Ends with 0 when all went well, with 1 when there is no such generation or a daemon could not be told.

    \b
    Examples:
      reconfigure rollback                 shows what that changes, and asks
      reconfigure rollback 4f2c --yes --reason "half of acme is gone"      to the one whose id ends with 4f2c
      reconfigure resume                   when the source is right again
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
    done = flip.flip(settings, "rolled back", lambda reconciler: reconciler.rollback(target, by=by, why=reason), by=by)
    pinned = f"{target} is pinned: nothing else goes live until 'reconfigure resume' lifts the pin."
    flip.show(done, more=[pinned])
    sys.exit(done.exit_code)
