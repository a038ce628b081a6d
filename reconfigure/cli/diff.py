"""`reconfigure diff`: what differs between two generations, or between what is live and the source."""

import click

from reconfigure.cli import json_option, limit_option, log_to_stderr, naming, settings_of, tables
from reconfigure.cli.differences import KEYS as DIFFERENCE_KEYS
from reconfigure.cli.differences import document, show
from reconfigure.generations import difference
from reconfigure.generations.difference import Difference
from reconfigure.generations.store import GenerationStore, Held
from reconfigure.settings import Settings

KEYS = {
    **DIFFERENCE_KEYS,
    "held": "id of the generation that waits for approval, when it is not one of the two; or null",
}


@click.command("diff")
@click.argument("generations", nargs=-1, metavar="[GEN [GEN]]", shell_complete=naming.complete)
@click.option("--source", is_flag=True, help="Compare what is live with what the source says now; applies nothing.")
@click.option("--held", is_flag=True, help="Compare what is live with what is held.")
@click.option("--files", is_flag=True, help="Show the lines of the files that differ.")
@limit_option(100, "Changes listed in full, of each kind and of each file.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    generations: tuple[str, ...],
    source: bool,
    held: bool,
    files: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Show what differs: addresses, domains and users gained, lost and changed, then the files.

    Without GEN: what the last change did. With one GEN: from it to what is live. With two: from the first to the
    second. Ends with 0 whether or not anything differs.

    \b
    Examples:
      reconfigure diff                      what did the last change do?
      reconfigure diff --source             what is not live yet?
      reconfigure diff --held               what would 'approve' do?
      reconfigure diff 4f2c active --files  line by line, from the generation whose id ends with 4f2c
    """  # noqa: D301
    if len(generations) + 2 * source + 2 * held > 2:  # noqa: PLR2004
        raise click.UsageError("give at most two generations, or --source alone, or --held alone")
    settings = settings_of(ctx)
    store = GenerationStore(settings.state_dir)
    if source:
        found = _against_source(settings, limit)
    else:
        old, new = _ends(store, generations, held=held)
        found = difference.between(store, old, new, limit=limit)
    waiting = store.held()
    if waiting is not None and waiting.id in {found.old, found.new}:
        waiting = None
    if as_json:
        tables.emit({**document(found, lines=files), "held": naming.id_of(waiting)})
        return
    console = tables.console()
    show(found, console, lines=files)
    if waiting is not None:
        console.print()
        console.print(tables.note(_mention(waiting), tables.ODD, indent=0))


def _ends(store: GenerationStore, names: tuple[str, ...], *, held: bool) -> tuple[str | None, str]:
    if held:
        return naming.id_of(store.active()), naming.resolve(store, naming.HELD)
    if len(names) == 2:  # noqa: PLR2004
        return naming.resolve(store, names[0]), naming.resolve(store, names[1])
    new = naming.resolve(store, naming.ACTIVE)
    if names:
        return naming.resolve(store, names[0]), new
    return naming.id_of(store.before()), new


def _against_source(settings: Settings, limit: int) -> Difference:
    from reconfigure import assembly  # noqa: PLC0415 - templates and AWS, which no other diff needs
    from reconfigure.cli.preview import preview, rendered  # noqa: PLC0415

    log_to_stderr(settings, least="warning")
    reconciler = assembly.reconciler(settings)
    directory = preview(reconciler).directory
    return difference.from_active(reconciler.store, directory, rendered(reconciler, directory), limit=limit)


def _mention(held: Held) -> str:
    return f"{held.id} is held ({'; '.join(held.reasons)}); see 'reconfigure diff --held'"
