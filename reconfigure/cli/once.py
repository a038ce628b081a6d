"""`reconfigure once`: one pass now, or what one would do."""

import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from reconfigure import account, assembly
from reconfigure.cli import differences, json_option, limit_option, log_to_stderr, naming, settings_of, tables
from reconfigure.cli.preview import Preview, preview, rendered
from reconfigure.directory.model import Quarantine
from reconfigure.errors import EX_DIFFERENT, EX_NOT_GOOD, EX_OK, ReconfigureError
from reconfigure.generations import difference
from reconfigure.generations.build import counts_of
from reconfigure.generations.difference import Difference
from reconfigure.outcome import PassResult
from reconfigure.reconcile import Reconciler
from reconfigure.reporting.orders import Orders
from reconfigure.settings import Settings
from reconfigure.standing.facts import reloads

KEYS = {
    "outcome": "`unchanged`, `changed`, `held`, `pinned`, `degraded` or `failed`; of a dry run what a pass would come "
    "to, were nothing pinned: `unchanged`, `changed` or `held`",
    "dry_run": "true when nothing could have been changed",
    "generation": "id of the active generation, or null",
    "held": "id of the generation that waits for approval, or null",
    "reason": "why it is not good; empty when it is",
    "seconds": "how long it took",
    "phases": "seconds by phase; not of a dry run",
    "changes": "numbers gained and lost, such as `addresses gained`",
    "quarantine": "`total` and `by_reason`; or null when the source could not be read",
    "reloads": "`program`, `how`, `result`, `detail` of each; not of a dry run",
    "diff": "as `diff --json` prints it, with `--diff`",
    "against": "with `--against`: `files`, each with `path`, `there`, the numbers `only_here`, `only_there` and "
    "`different`, and `listed` (`key`, `there`, `here`); `missing`: files that the folder lacks",
}


@click.command("once")
@click.option("--dry-run", is_flag=True, help="Read and render only: apply, write and lock nothing.")
@click.option("--diff", "with_diff", is_flag=True, help="Show what differs.")
@click.option("--files", is_flag=True, help="With --diff: show the lines of the files that differ.")
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Compare with the files that lie in a folder such as /etc/mail, as a dry run.",
)
@click.option("--even-paused", is_flag=True, help="Make the pass although applying is paused.")
@limit_option(100, "Changes listed in full, of each kind and of each file.")
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    *,
    dry_run: bool,
    with_diff: bool,
    files: bool,
    against: Path | None,
    even_paused: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Make one pass now, or see what one would do.

    Waits for the daemon's pass to end, if one runs. Refuses in a pause, unless told --even-paused; a pin it keeps.

    Ends with 0 when live state equals desired state, else with 1. A
    dry run ends with 0 when there is no difference and with 3 when there is one. It may run as any user who may read
    the state folder.

    --against compares entry by entry, whatever their order, comments, spacing and the case of keys; files that the
    folder lacks are named, and do not count as a difference.

    \b
    Examples:
      reconfigure once                          now, instead of waiting for the timer
      reconfigure once --dry-run --diff         what would it change?
      reconfigure once --against /etc/mail      does it say what my own maps say?
    """  # noqa: D301
    settings = settings_of(ctx)
    how = _How(with_diff=with_diff or files, files=files, limit=limit, as_json=as_json)
    if against is not None:
        sys.exit(_against(settings, against, how))
    if dry_run:
        sys.exit(_dry_run(settings, how))
    paused = None if even_paused else Orders(settings.state_dir).pause()
    if paused is not None:
        raise ReconfigureError(
            f"{paused.told.rstrip('.')}. See 'reconfigure resume', or say --even-paused for this pass alone"
        )
    sys.exit(_pass(settings, how))


class _How(NamedTuple):
    """What the options say of the answer."""

    with_diff: bool
    files: bool
    limit: int
    as_json: bool


def _pass(settings: Settings, how: _How) -> int:
    account.become(settings.user)
    with _progress(settings) as on_phase, assembly.reporter(settings) as (reconciler, reporter):
        before = _live(reconciler)
        pass_id = str(uuid.uuid4())
        reporter.begin(pass_id)
        result = reconciler.reconcile("operator", pass_id=pass_id, on_phase=on_phase)
        reporter.finish(result)
    found = _difference(reconciler, before, result, how.limit) if how.with_diff else None
    if how.as_json:
        tables.emit(_document(result) | ({"diff": differences.document(found, lines=how.files)} if found else {}))
    else:
        _show(settings, result)
        if found is not None:
            differences.show(found, tables.console(), lines=how.files)
    return EX_OK if result.outcome.is_good else EX_NOT_GOOD


def _dry_run(settings: Settings, how: _How) -> int:
    with _progress(settings) as on_phase:
        reconciler = assembly.reconciler(settings)
        found = preview(reconciler, on_phase=on_phase)
        texts = rendered(reconciler, found.directory)
        # Always made, so that a template that cannot be rendered is found, too.
        differs = difference.from_active(reconciler.store, found.directory, texts, limit=how.limit)
    if how.as_json:
        diff = {"diff": differences.document(differs, lines=how.files)} if how.with_diff else {}
        tables.emit(_preview_document(found) | diff)
    else:
        _show_preview(settings, found, differs)
        if how.with_diff:
            differences.show(differs, tables.console(), lines=how.files)
    return EX_DIFFERENT if found.differs else EX_OK


def _against(settings: Settings, folder: Path, how: _How) -> int:
    with _progress(settings) as on_phase:
        reconciler = assembly.reconciler(settings)
        found = preview(reconciler, on_phase=on_phase)
        maps = {spec.path: spec.map for spec in reconciler.tier.files if spec.map is not None}
        texts = rendered(reconciler, found.directory)
        compared, missing = difference.against(texts, folder, maps=maps, limit=how.limit)
    if not compared:
        names = ", ".join(missing)
        raise click.UsageError(f"{folder} has none of this tier's files ({names}); name the folder that has")
    if how.as_json:
        tables.emit(_preview_document(found) | {"against": differences.folder_document(compared, missing)})
    else:
        differences.show_folder(compared, missing, tables.console())
    return EX_DIFFERENT if any(file.entries.total for file in compared) else EX_OK


@contextmanager
def _progress(settings: Settings) -> Iterator[Callable[[str], None]]:
    """Show the phase on a terminal, and on nothing else; the log goes to standard error in any case."""
    console = tables.console(stderr=True)
    if not console.is_terminal:
        log_to_stderr(settings)
        yield lambda _: None
        return
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        # Only now: standard error is rich's while it draws, so that log lines come out above what it draws.
        log_to_stderr(settings, least="warning")
        task = progress.add_task("start", total=None)
        yield lambda phase: progress.update(task, description=phase)


def _live(reconciler: Reconciler) -> str | None:
    try:
        active = reconciler.store.active()
    except ReconfigureError:
        return None  # the pass meets it, too, and reports it
    return naming.id_of(active)


def _difference(reconciler: Reconciler, before: str | None, result: PassResult, limit: int) -> Difference | None:
    """Return what the pass changed, or would have changed had its generation not been held."""
    active = naming.id_of(result.active)
    if result.held is not None:
        before, active = active, result.held.id
    if active is None:
        return None
    return difference.between(reconciler.store, before, active, limit=limit)


def _document(result: PassResult) -> dict[str, Any]:
    return {
        "outcome": result.outcome.value,
        "dry_run": False,
        "generation": naming.id_of(result.active),
        "held": naming.id_of(result.held),
        "reason": result.reason,
        "seconds": result.seconds,
        "phases": dict(result.phases),
        "changes": dict(result.changes),
        "quarantine": result.quarantine and _quarantine(result.quarantine),
        "reloads": [told._asdict() for told in result.reloads],
    }


def _preview_document(found: Preview) -> dict[str, Any]:
    return {
        "outcome": found.outcome,
        "dry_run": True,
        "generation": naming.id_of(found.active),
        "held": naming.id_of(found.held),
        "reason": found.reason,
        "seconds": found.seconds,
        "changes": found.changes,
        "quarantine": _quarantine(found.directory.quarantine),
    }


def _quarantine(quarantine: Quarantine) -> dict[str, Any]:
    return {"total": quarantine.total, "by_reason": dict(quarantine.counts)}


def _show(settings: Settings, result: PassResult) -> None:
    console = tables.console()
    console.print(Text.assemble(f"{settings.tier}: ", tables.styled(result.outcome.value), f" in {result.seconds:g} s"))
    if result.reason:
        console.print(tables.note(result.reason, tables.BAD))
    active = result.active
    console.print(
        tables.facts(
            [
                ("generation", active.id if active else "none"),
                ("held", f"{result.held.id}; see 'reconfigure diff --held'" if result.held else None),
                ("changes", tables.changes(result.changes)),
                ("serves", tables.counted(active.counts) if active else None),
                ("quarantine", _told_quarantine(result.quarantine)),
                ("reloads", tables.text(reloads((told._asdict() for told in result.reloads), said=result.reason))),
            ]
        )
    )


def _show_preview(settings: Settings, found: Preview, differs: Difference) -> None:
    console = tables.console()
    would = {"unchanged": "nothing to change", "changed": "would change", "held": "would be held"}[found.outcome]
    style = tables.style_of(found.outcome)
    console.print(Text.assemble(f"{settings.tier}: ", (would, style), f" (dry run, {found.seconds:g} s)"))
    if found.reason:
        console.print(tables.note(found.reason, tables.ODD))
    console.print(
        tables.facts(
            [
                ("generation", found.active.id if found.active else "none"),
                ("held", naming.id_of(found.held)),
                ("changes", tables.changes(found.changes)),
                ("files", ", ".join(file.path for file in differs.files)),
                ("serves", tables.counted(counts_of(found.directory))),
                ("quarantine", _told_quarantine(found.directory.quarantine)),
            ]
        )
    )


def _told_quarantine(quarantine: Quarantine | None) -> str | None:
    if quarantine is None:
        return None  # nothing was read
    return f"{quarantine.total} ({tables.by_reason(quarantine.counts)})" if quarantine.total else "none"
