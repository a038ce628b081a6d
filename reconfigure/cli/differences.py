"""How differences are shown: as lines for people and as JSON, the same for `diff`, `once --diff` and `approve`."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from reconfigure.cli import tables
from reconfigure.generations.compare import Change
from reconfigure.generations.difference import Difference, FileDifference, FolderDifference, Turnover

SIGNS = {"gained": ("+", tables.GOOD), "lost": ("-", tables.BAD), "changed": ("~", tables.ODD)}

KEYS = {
    "from": "id of the first generation; null when there is none",
    "to": "id of the second generation, or `source`",
    "different": "whether anything differs",
    "addresses": "the numbers `gained`, `lost` and `changed`, and `listed`: the first of them (`--limit`), each with "
    "`name`, `change` (`gained`, `lost`, `changed`), `old` and `new` (`state` and `users`; null where it is not)",
    "domains": "the same; `old` and `new` are empty objects or null",
    "users": "the same; `old` and `new` have `uid`",
    "files": "each with `path`, `change` (`changed`, `added`, `removed`; `unreadable`: it differs, and this user may "
    "not read how), the numbers of entries `added`, `removed` and `changed`, and with `--files` `lines`: the first of "
    "them, each with `old` and `new`",
}


def document(found: Difference, *, lines: bool) -> dict[str, Any]:
    """Return a difference as plain JSON values (see `KEYS`); `lines` adds those of the files."""
    return {
        "from": found.old,
        "to": found.new,
        "different": found.is_there,
        **{
            kind: {
                "gained": turnover.gained,
                "lost": turnover.lost,
                "changed": turnover.changed,
                "listed": [_listed(kind, change) for change in turnover.listed],
            }
            for kind, turnover in found.worlds.items()
        },
        "files": [
            {
                "path": file.path,
                "change": file.kind,
                "added": file.entries.gained,
                "removed": file.entries.lost,
                "changed": file.entries.changed,
                **({"lines": [{"old": one.old, "new": one.new} for one in file.entries.listed]} if lines else {}),
            }
            for file in found.files
        ],
    }


def show(found: Difference, console: Console, *, lines: bool) -> None:
    """Print a difference: what is served first, then the files; `lines` shows those of the files, too."""
    console.print(Text(f"{found.old or 'nothing'} -> {found.new}", style="bold"))
    if not found.is_there:
        console.print("  no difference")
        return
    for kind, turnover in found.worlds.items():
        if turnover.total:
            console.print(Text.assemble((f"{kind}  ", "bold"), summary(turnover)))
            for change in turnover.listed:
                console.print(_line(kind, change), soft_wrap=True)
            _more(turnover, console)
    if found.files:
        console.print(Text("files", style="bold"))
        width = max(len(file.path) for file in found.files)
        for file in found.files:
            about = summary(file.entries, "added", "removed") or "only comments or the order differ"
            if file.kind == "unreadable":
                about = "differs; this user may not read it"
            whole = {"added": " (new)", "removed": " (gone)"}.get(file.kind, "")
            console.print(f"  {file.path:<{width}}  {about}{whole}")
            if lines:
                _show_lines(file, console)


def show_folder(compared: Iterable[FolderDifference], missing: Iterable[str], console: Console) -> None:
    """Print how the files compare with those of another folder."""
    for file in compared:
        entries = file.entries
        about = summary(entries, "only here", "only there", "with another value") or "the same"
        console.print(Text.assemble((file.path, "bold"), f" against {tables.plain(file.there)}: {about}"))
        for change in entries.listed:
            console.print(_entry_line(change), soft_wrap=True)
        _more(entries, console)
    absent = ", ".join(missing)
    if absent:
        console.print(f"not there, so not compared: {absent}")


def folder_document(compared: Iterable[FolderDifference], missing: Iterable[str]) -> dict[str, Any]:
    """Return the same as plain JSON values."""
    return {
        "files": [
            {
                "path": file.path,
                "there": str(file.there),
                "only_here": file.entries.gained,
                "only_there": file.entries.lost,
                "different": file.entries.changed,
                "listed": [{"key": one.key, "there": one.old, "here": one.new} for one in file.entries.listed],
            }
            for file in compared
        ],
        "missing": list(missing),
    }


def summary(turnover: Turnover, gained: str = "gained", lost: str = "lost", changed: str = "changed") -> str:
    """Return `1 gained, 2 lost`, without the zeros."""
    counts = ((turnover.gained, gained), (turnover.lost, lost), (turnover.changed, changed))
    return ", ".join(f"{how_many} {what}" for how_many, what in counts if how_many)


def _line(kind: str, change: Change) -> Text:
    sign, style = SIGNS[change.way]
    about = tables.plain(change.about(kind))
    return Text(f"  {sign} {tables.plain(change.name)}{f'  {about}' if about else ''}", style=style)


def _listed(kind: str, change: Change) -> dict[str, Any]:
    return {
        "name": change.key,
        "change": change.way,
        "old": _fields(kind, change.old),
        "new": _fields(kind, change.new),
    }


def _fields(kind: str, line: str | None) -> dict[str, Any] | None:
    if line is None:
        return None
    _, *fields = line.split("\t")
    if kind == "addresses":
        state, users = (*fields, "", "")[:2]
        return {"state": state, "users": users.split("/") if users else []}
    return {"uid": int(fields[0])} if fields and fields[0].isdigit() else {}


def _show_lines(file: FileDifference, console: Console) -> None:
    for change in file.entries.listed:
        for sign, line, style in (("-", change.old, tables.BAD), ("+", change.new, tables.GOOD)):
            if line is not None:
                shown = "\t".join(map(tables.plain, line.split("\t")))
                console.print(Text(f"    {sign}{shown}", style=style), soft_wrap=True)
    _more(file.entries, console, indent="    ")


def _entry_line(change: Change) -> Text:
    sign, style = SIGNS[change.way]
    was, is_now = (None if value is None else tables.plain(value) for value in (change.old, change.new))
    about = f"there {was!r}, here {is_now!r}" if was is not None and is_now is not None else was or is_now or ""
    return Text(f"  {sign} {tables.plain(change.key)}  {about}".rstrip(), style=style)


def _more(turnover: Turnover, console: Console, *, indent: str = "  ") -> None:
    more = turnover.total - len(turnover.listed)
    if more:
        console.print(f"{indent}... and {more} more; see them with --limit {turnover.total}")
