"""`reconfigure history`: passes that changed something, were held or failed; and the generations on disk."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click
from rich.text import Text

from reconfigure.cli import json_option, limit_option, naming, settings_of, tables
from reconfigure.errors import ReconfigureError
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import GenerationStore
from reconfigure.reporting import history

LOOKED_AT = 1000  # lines, from the newest, in which to look for how a generation came about
KINDS = ("addresses", "domains", "users")

KEYS = {
    "passes": "lines of the [history](status.md), newest first",
    "generations": "what lies on disk, newest first: `id`, `created`, `parent`, `marks` (of `active`, `before`, "
    "`held`), `counts`, `changes` (against its parent, such as `addresses gained`; null when the history does not say "
    "any more) and `error` (why it cannot be read, or null)",
}


class Entry(NamedTuple):
    """A generation in the list; without a manifest, `error` says why."""

    id: str
    manifest: Manifest | None
    marks: tuple[str, ...]
    changes: Mapping[str, int] | None
    error: str | None


@click.command("history")
@limit_option(20, "Passes and generations listed.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, limit: int, as_json: bool) -> None:
    """List the passes that changed something, were held or failed, and the generations on disk; newest first.

    Passes that found nothing to do are not kept.

    \b
    Examples:
      reconfigure history
      reconfigure history --limit 100
      reconfigure history --json | jq -r '.generations[].id'
    """  # noqa: D301
    settings = settings_of(ctx)
    store = GenerationStore(settings.state_dir)
    known = history.read(settings.state_dir / history.HISTORY_NAME, limit=max(limit, LOOKED_AT))
    passes = known[:limit]
    entries = _entries(store, known, limit)
    if as_json:
        tables.emit({"passes": passes, "generations": [_document(entry) for entry in entries]})
        return
    now = datetime.now(UTC)
    console = tables.console()
    if passes:
        _show_passes(passes)
        console.print()
    if not entries:
        console.print(f"no generations in {store.folder}; 'reconfigure once' makes the first")
        return
    _show_generations(entries, now)


def _entries(store: GenerationStore, passes: Iterable[Mapping[str, Any]], limit: int) -> list[Entry]:
    marks = _marks(store)
    made = {}
    for line in passes:  # newest first, so the oldest line that names a generation wins: the one of its birth
        if isinstance(line.get("changes"), dict) and line["changes"]:
            made[line.get("held") or line.get("generation")] = line["changes"]
        if line.get("held") and isinstance(line.get("withdrawn"), dict):
            made[line.get("generation")] = line["withdrawn"]
    entries = []
    for name in naming.ids(store)[:limit]:
        try:
            manifest, error = store.load(name), None
        except ReconfigureError as wrong:
            manifest, error = None, str(wrong)
        entries.append(Entry(name, manifest, marks.get(name, ()), made.get(name), error))
    return entries


def _marks(store: GenerationStore) -> dict[str, tuple[str, ...]]:
    """Return by id what a generation is, from the links alone, so that a damaged manifest hides nothing."""
    marks: dict[str, tuple[str, ...]] = {}
    for word, link in ((naming.ACTIVE, store.current), (naming.BEFORE, store.previous)):
        if link.is_symlink():
            name = link.readlink().name
            marks[name] = (*marks.get(name, ()), word)
    try:
        held = store.held()
    except ReconfigureError:
        held = None  # `status` says that it is damaged
    if held is not None:
        marks[held.id] = (*marks.get(held.id, ()), naming.HELD)
    return marks


def _document(entry: Entry) -> dict[str, Any]:
    manifest = entry.manifest
    return {
        "id": entry.id,
        "created": manifest and manifest.created,
        "parent": manifest and manifest.parent,
        "marks": list(entry.marks),
        "counts": manifest and dict(manifest.counts),
        "changes": entry.changes,
        "error": entry.error,
    }


def _show_passes(passes: Iterable[Mapping[str, Any]]) -> None:
    console = tables.console()
    console.print(Text(f"{'when (UTC)':<19}  {'outcome':<11}  {'by':<10}  {'took':>8}", style="bold"))
    for line in passes:
        seconds, changes, outcome = line.get("seconds"), line.get("changes"), tables.plain(line.get("outcome"))
        took = f"{seconds:.2f} s" if isinstance(seconds, int | float) else ""
        by = tables.plain(line.get("by") or line.get("trigger") or "")
        console.print(
            Text.assemble(
                f"{tables.moment(line.get('time')):<19}  ",
                (f"{outcome:<11}", tables.style_of(outcome)),
                f"  {by:<10}  {took:>8}  {_changes(changes)}".rstrip(),
            )
        )
        more = line.get("reason") or (f"live since: {line.get('generation')}" if line.get("by") else "")
        if more:
            console.print(tables.note(more, tables.DIM, indent=21))


def _changes(changes: object) -> str:
    return tables.changes(changes, short=True) if isinstance(changes, dict) else ""


def _show_generations(entries: Sequence[Entry], now: datetime) -> None:
    numbers = ("addr", "dom", "users")
    made = tables.table("generation", "age", "", *numbers, "changed", right=numbers, whole=("generation", "age"))
    made.columns[2].max_width = max(map(len, naming.WORDS))  # two marks stand one above the other
    for entry in entries:
        mark = Text(" ".join(entry.marks), style=tables.GOOD if naming.ACTIVE in entry.marks else tables.ODD)
        if entry.manifest is None:
            made.add_row(entry.id, "", mark, "", "", "", tables.styled("damaged"))
            continue
        counts = (str(entry.manifest.counts.get(kind, "")) for kind in KINDS)
        age = tables.ago(entry.manifest.created, now).removesuffix(" ago")
        changes = _changes(entry.changes)
        if entry.manifest.parent is None:
            changes = "the first"
        made.add_row(entry.id, age, mark, *counts, changes)
    console = tables.console()
    console.print(made)
    for entry in entries:
        if entry.error is not None:
            console.print(tables.note(entry.error, tables.BAD))
