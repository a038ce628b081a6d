"""`reconfigure once`: one pass now, or what one would do."""

import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from reconfigure import assembly
from reconfigure.cli import differences, json_option, limit_option, log_to_stderr, settings_of, tables
from reconfigure.cli.preview import Preview, preview, rendered
from reconfigure.errors import EX_DIFFERENT, EX_NOT_GOOD, EX_OK
from reconfigure.generations import difference
from reconfigure.generations.difference import Difference
from reconfigure.settings import Settings

if TYPE_CHECKING:
    from reconfigure.reconcile import PassResult, Reconciler

KEYS = {
    "outcome": "`unchanged`, `changed`, `held`, `degraded`, `failed`; of a dry run `unchanged`, `changed` or `held`: what "
    "a pass would come to",
    "dry_run": "whether anything could have been changed",
    "generation": "id of the active generation, or null",
    "held": "id of the generation that waits for approval, or null",
    "reason": "why it is not good; empty when it is",
    "seconds": "how long it took",
    "phases": "seconds by phase; not of a dry run",
    "changes": "numbers gained and lost, such as `addresses gained`",
    "quarantine": "`total` and `by_reason`; or null when the source could not be read",
    "reloads": "`program`, `how`, `result`, `detail` of each; not of a dry run",
    "diff": "as `diff --json` prints it, with `--diff`",
    "against": "with `--against`: `files`, each with `path`, `there`, the numbers `only_here`, `only_there`, `different` "
    "and `listed` (`key`, `there`, `here`); `missing`: files that the folder lacks",
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
@limit_option(100, "Changes listed in full, of each kind and of each file.")
@json_option
@click.pass_context
def command(  # noqa: PLR0913 - one for each option
    ctx: click.Context,
    *,
    dry_run: bool,
    with_diff: bool,
    files: bool,
    against: Path | None,
    limit: int,
    as_json: bool,
) -> None:
    """Make one pass now, or see what one would do.

    Waits for the daemon's pass to end, if one runs. Ends with 0 when live state equals desired state, else with 1. A
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
    sys.exit(_dry_run(settings, how) if dry_run else _pass(settings, how))
