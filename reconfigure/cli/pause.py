"""`reconfigure pause`: stop applying for a while."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconfigure import account
from reconfigure.cli import json_option, operator, reason_option, settings_of, tables
from reconfigure.errors import LockHeldError, ReconfigureError
from reconfigure.generations.lock import exclusive
from reconfigure.reporting import history
from reconfigure.reporting.orders import LONGEST_PAUSE, Orders

if TYPE_CHECKING:
    from reconfigure.reporting.reports import Pause
    from reconfigure.settings import Settings

KEYS = {
    "paused": "`until`, `since`, `by` and `why` of the pause, times in ISO 8601",
    "quiet": "whether no pass is under way any more: from here on nothing is applied",
    "pass_under_way": "who holds the state folder, where it is not quiet; or null",
}

PATIENCE = 10.0  # seconds for a pass to reach its next step
SHORTEST = timedelta(seconds=1)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours"}


def length_of(text: str) -> timedelta:
    """Return a length of time such as 90s, 30m, 2h or 1h30m; a bare number is seconds.

    Raises:
        click.BadParameter: it is none, or not within what is allowed.
    """
    said = text.strip().lower()
    parts = [(said, "s")] if re.fullmatch(r"[0-9]{1,6}", said) else []
    if re.fullmatch(r"([0-9]{1,6}[smh])+", said):
        parts = re.findall(r"([0-9]+)([smh])", said)
    if not parts:
        raise click.BadParameter(f"{text[:40]!r} is no length of time; write it as 90s, 30m, 2h or 1h30m")
    length = sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
    if not SHORTEST <= length <= LONGEST_PAUSE:
        most = int(LONGEST_PAUSE.total_seconds() // 3600)
        raise click.BadParameter(f"a pause lasts 1 s to {most} h; prolong it by another 'reconfigure pause' in time")
    return length


@click.command("pause")
@click.option(
    "--for",
    "length",
    default="2h",
    show_default=True,
    metavar="LENGTH",
    callback=lambda _ctx, _param, text: length_of(text),
    help="How long: 90s, 30m, 1h30m; at most 24h.",
)
@reason_option
@json_option
@click.pass_context
def command(ctx: click.Context, *, length: timedelta, reason: str | None, as_json: bool) -> None:
    """Stop applying for a while. Mail goes on; messages stay on the queue unharmed.

    The loop makes no pass and receives nothing; a pass under way ends before it would change anything. The pause ends
    by itself, or by 'reconfigure resume'; another 'pause' takes its place. It survives a restart of this container
    where the state folder does. The heartbeat says who paused and why, as a success: a pause has an end, 24 h away at
    the most, so it need not wake anybody.

    Ends with 0 once nothing is applied any more; with 1 when the pause could not be ordered, or when a pass holds the
    state folder for ten seconds (the pause is in force then, but what that pass was about to apply may yet go live).

    \b
    Examples:
      reconfigure pause --for 30m --reason "moving the address table"
      reconfigure pause                    two hours
      reconfigure resume
    """  # noqa: D301
    settings = settings_of(ctx)
    by = operator()  # asked before this process may become another account
    account.become(settings.user)
    if not settings.state_dir.is_dir():
        raise ReconfigureError(
            f"there is no {settings.state_dir}, so nothing runs here that could be paused; "
            "look at RECONFIGURE_STATE_DIR, and whether this is the right container"
        )
    made = Orders(settings.state_dir).set_pause(length, by=by, why=reason)
    _note(settings, made)
    under_way = _under_way(settings)
    if as_json:
        document = {name: getattr(made, name) for name in ("until", "since", "by", "why")}
        tables.emit({"paused": document, "quiet": under_way is None, "pass_under_way": under_way})
    else:
        console = tables.console()
        console.print(tables.note(made.told, tables.ODD, indent=0))
        console.print(tables.note("Nothing is applied until then, or until 'reconfigure resume'. Mail goes on."))
        if under_way is not None:
            console.print(tables.note(f"A pass is still under way: {under_way}", tables.BAD))
    ctx.exit(0 if under_way is None else 1)


def _note(settings: "Settings", made: "Pause") -> None:
    """Put it into the history; an order in force is not undone because that cannot be written."""
    line = history.order(settings.state_dir, outcome="paused", by=made.by, reason=made.told)
    try:
        history.append(settings.state_dir / history.HISTORY_NAME, line, limit_bytes=settings.history_bytes)
    except ReconfigureError as error:
        click.echo(f"reconfigure: it is paused, but the history does not say so: {error}", err=True)


def _under_way(settings: "Settings") -> str | None:
    """Wait for a pass that may be past its last look at the order; return who makes it when that takes too long."""
    try:
        with exclusive(settings.state_dir, wait=min(PATIENCE, settings.lock_wait)):
            return None
    except LockHeldError as error:
        return str(error)
    except OSError as error:
        return f"whether one is could not be seen: {error}"
