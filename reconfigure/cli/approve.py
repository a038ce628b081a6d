"""`reconfigure approve`: apply the held generation."""

import sys

import click

from reconfigure.cli import confirm, differences, flip, naming, operator, settings_of, tables, yes_option
from reconfigure.errors import GenerationError
from reconfigure.generations import difference
from reconfigure.generations.store import GenerationStore

LISTED = 20


@click.command("approve")
@click.argument("generation", required=False, metavar="[GEN]", shell_complete=naming.complete)
@yes_option
@click.pass_context
def command(ctx: click.Context, *, generation: str | None, yes: bool) -> None:
    """Apply the held generation, once, and tell the daemons.

    Shows why it is held and what would be lost, and asks. What is applied is exactly what was shown: if another
    generation is held by then, nothing is changed. With GEN, only that one is approved. A pin is lifted by that.

    Ends with 0 when all went well, with 1 when nothing is held or a daemon could not be told.

    \b
    Examples:
      reconfigure approve
      reconfigure approve 20261123T080000.000Z-5d41402a --yes
    """  # noqa: D301
    settings = settings_of(ctx)
    store = GenerationStore(settings.state_dir)
    held = store.held()
    if held is None:
        raise GenerationError("nothing is held, so there is nothing to approve; see 'reconfigure status'")
    wanted = held.id if generation is None else naming.resolve(store, generation)
    if wanted == held.id and not yes:
        console = tables.console()
        for reason in held.reasons:
            console.print(tables.note(f"held: {reason}", tables.ODD, indent=0))
        found = difference.between(store, naming.id_of(store.active()), held.id, limit=LISTED)
        differences.show(found, console, lines=False)
        confirm(f"Apply {held.id}?", yes=yes)
    done = flip.flip(settings, "approved", lambda reconciler: reconciler.approve(wanted), by=operator())
    flip.show(done)
    sys.exit(done.exit_code)
