"""`reconfigure runbook`: the pages that say what to do in trouble, where the trouble is."""

import click

from reconfigure import runbooks
from reconfigure.cli import json_option, settings_of, tables

KEYS = {
    "pages": "without a name: all pages, each with `number`, `name`, `title` and `seen`, the signs by which to know it",
    "number": "with a name: the page's number; also `name`, `title`, `seen`, and `text`, the page in Markdown",
}


@click.command("runbook")
@click.argument("name", metavar="[NAME|NUMBER]", required=False)
@json_option
@click.pass_context
def command(ctx: click.Context, *, name: str | None, as_json: bool) -> None:
    """List the runbooks, or print one.

    A page says how a trouble looks, what it means for mail, how to be sure, and what to type. Its commands work here.
    'status', 'doctor' and 'explain' name the page that fits. A part of a page's name is enough.

    \b
    Examples:
      reconfigure runbook
      reconfigure runbook 13
      reconfigure runbook dead-letters
    """  # noqa: D301
    folder = settings_of(ctx).runbooks_dir
    if name is not None:
        page = runbooks.page(folder, name)
        if as_json:
            tables.emit({key: getattr(page, key) for key in ("number", "name", "title", "seen", "text")})
        else:
            click.echo(page.text.rstrip("\n"))
        return
    found = runbooks.pages(folder)
    if as_json:
        tables.emit(
            {"pages": [{key: getattr(one, key) for key in ("number", "name", "title", "seen")} for one in found]}
        )
        return
    console = tables.console()
    for one in found:
        console.print(f"{one.number:2}  {tables.plain(one.title)}")
        console.print(tables.note(one.seen, tables.DIM, indent=4))
