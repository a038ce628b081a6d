"""`reconfigure resume`: end a pause, lift a pin."""

import click

from reconfigure import account
from reconfigure.cli import json_option, operator, settings_of, tables
from reconfigure.errors import ReconfigureError
from reconfigure.reporting import history
from reconfigure.reporting.orders import Orders

KEYS = {
    "pause_ended": "the pause that was in force, as a sentence; or null",
    "pin_lifted": "the pin that was in force, as a sentence; or null",
}


@click.command("resume")
@json_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """End a pause and lift a pin, whatever they say: the loop makes a full pass within a second.

    That pass applies what the source says now; what would take too much away is held, as ever. Without a running loop,
    'reconfigure once' makes the pass. Ends with 0, also when nothing was paused or pinned.

    \b
    Examples:
      reconfigure resume
      reconfigure once --dry-run --diff    before it: what would be applied?
    """  # noqa: D301
    settings = settings_of(ctx)
    by = operator()  # asked before this process may become another account
    account.become(settings.user)
    orders = Orders(settings.state_dir)
    pause, pin = orders.pause(), orders.pin()
    over = orders.end_pause() and pause is not None  # one whose time was over is removed without a word
    lifted = orders.lift_pin()
    ended = {
        "resumed": pause.told if over and pause is not None else None,
        "unpinned": pin.told if lifted and pin is not None else None,
    }
    for outcome, told in ended.items():
        if told is not None:
            line = history.order(settings.state_dir, outcome=outcome, by=by, reason=f"it was {told}")
            try:
                history.append(settings.state_dir / history.HISTORY_NAME, line, limit_bytes=settings.history_bytes)
            except ReconfigureError as error:
                click.echo(f"reconfigure: done, but the history does not say so: {error}", err=True)
    if as_json:
        tables.emit({"pause_ended": ended["resumed"], "pin_lifted": ended["unpinned"]})
        return
    console = tables.console()
    for told in filter(None, ended.values()):
        console.print(tables.note(f"no longer {told}", indent=0))
    if any(ended.values()):
        console.print(tables.note("The next pass, now where the loop runs, applies what the source says."))
    else:
        console.print("nothing was paused or pinned")
