"""`reconfigure sending`: who has sent how much, and what stops an account."""

import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from reconfigure.cli import json_option, operator, reason_option, settings_of, tables
from reconfigure.directory import syntax
from reconfigure.errors import EX_NOT_GOOD, ReconfigureError
from reconfigure.sending import ledger
from reconfigure.sending.counts import Standing
from reconfigure.sending.holds import Hold, Holds
from reconfigure.sending.limits import Granted, limits_of
from reconfigure.sending.queued import MailQueue
from reconfigure.settings import Tier

if TYPE_CHECKING:
    from reconfigure.settings import Settings

KEYS = {
    "accounts": "(show) of each account that did anything in the last 24 hours, is held or has mail in the queue:"
    " `user`, `messages`, `recipients` and `refused` in 24 hours, `messages_limit`, `recipients_limit`, `state`"
    " (`open`, `limited`, `held`), `queued`, `quarantined` (both null where the queue cannot be read), `hold`"
    " (`by`, `since`, `why`; or null)",
    "queue_error": "(show) why the mail queue could not be looked at; or null",
    "user": "(hold, release) the account",
    "held": "(hold) messages of it that are in quarantine now",
    "dropped": "(hold) messages of it that were thrown away",
    "not_held": "(hold) messages of it that are being delivered just now, and could not be held",
    "served": "(hold) whether the live generation has such a user; null when unknown",
    "was_held": "(release) whether it was held",
    "released": "(release) messages of it that may go again",
}


@click.group("sending", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Show what accounts have sent, stop one that sends what it should not, let it go on.

    All of it is about this task of smtp-out alone: run it on each. Without a command: show.

    \b
    Examples:
      reconfigure sending                         who has sent how much in 24 hours?
      reconfigure sending hold bob                nothing of bob's leaves any more
      reconfigure sending hold bob --drop         and what is in the queue is thrown away
      reconfigure sending release bob             bob may send again, and what was held goes
    """  # noqa: D301
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, as_json=as_json)
    elif as_json:
        raise click.UsageError(f"say --json after the command: reconfigure sending {ctx.invoked_subcommand} --json")


@click.command("show")
@json_option
@click.pass_context
def show(ctx: click.Context, *, as_json: bool) -> None:
    """Show what each account has sent in the last 24 hours, those first that have sent most.

    A message in 'queued' waits to be sent, one in 'quarantined' until its account is released.

    \b
    Example:
      reconfigure sending show --json | jq -r '.accounts[] | select(.state != "open").user'
    """  # noqa: D301
    settings = _settings(ctx)
    holds = Holds(settings.sending_dir).all()
    standings = _standings(settings)
    waiting: Counter[str] | None = Counter()
    quarantined: Counter[str] | None = Counter()
    error = None
    try:
        messages = list(_queue(settings).all())
        waiting = Counter(each.user for each in messages if not each.held)
        quarantined = Counter(each.user for each in messages if each.held)
    except OSError as raised:
        waiting, quarantined, error = None, None, f"{raised.filename}: {raised.strerror}"
    names = {*standings, *holds, *(waiting or ()), *(quarantined or ())}
    granted = Granted(settings.state_dir, limits_of(settings))
    rows = [
        _row(
            name,
            standings.get(name, Standing(0, 0, 0)),
            granted=granted,
            hold=holds.get(name),
            queued=None if waiting is None or quarantined is None else (waiting[name], quarantined[name]),
        )
        for name in names
    ]
    rows.sort(key=lambda row: (-row["recipients"], row["user"]))
    if as_json:
        tables.emit({"accounts": rows, "queue_error": error})
    else:
        _show(rows, error)


@click.command("hold")
@click.argument("user")
@reason_option
@click.option("--drop", is_flag=True, help="Throw its queued mail away, instead of holding it.")
@click.option("--yes", "name", metavar="USER", help="With --drop: do not ask; USER is the account's name once more.")
@json_option
@click.pass_context
def hold(ctx: click.Context, user: str, *, reason: str | None, drop: bool, name: str | None, as_json: bool) -> None:
    """Stop an account at once, and hold what it has in the queue.

    From now on it is told "may not send for now" (451) at MAIL, in sessions that are open, too, and at the end of a
    message that is under way. Its mail in the queue goes into sendmail's quarantine; --drop throws all of it away, what
    was held before, too, and asks for the account's name. Its mailbox stays open to whoever has the password: change
    that, or disable the user in Cognito. Ends with 1 when something is being delivered and could not be held; run it
    again. It lasts until 'release', or until this container is replaced where RECONFIGURE_SENDING_DIR is on no volume.

    \b
    Examples:
      reconfigure sending hold bob --reason "sends spam since 8:00"
      reconfigure sending hold bob --drop --yes bob
    """  # noqa: D301
    settings = _settings(ctx)
    user = _user(user)
    if drop:
        _confirm_drop(user, name)
    Holds(settings.sending_dir).put(user, Hold(operator(), datetime.now(UTC).isoformat(timespec="seconds"), reason))
    served = _is_served(settings, user)
    console = tables.console(stderr=as_json)
    # Now, for whatever comes of the queue.
    console.print(tables.note(f"{user} is held: nothing of it is taken any more on this task", indent=0))
    if served is False:
        console.print(tables.note("no such user is served here; look at the name", tables.ODD))
    queue = _queue(settings)
    left = queue.hold(user)
    dropped = queue.drop(user) if drop else 0
    held = sum(each.held for each in queue.of(user))
    if as_json:
        tables.emit({"user": user, "held": held, "dropped": dropped, "not_held": left, "served": served})
    else:
        if drop:
            console.print(tables.note(f"{tables.number(dropped, 'messages')} thrown away"))
        console.print(tables.note(f"{tables.number(held, 'messages')} held; 'mailq -qQ' lists what is in quarantine"))
        if left:
            console.print(
                tables.note(f"{tables.number(left, 'messages')} being delivered just now; run this again", tables.BAD)
            )
    sys.exit(EX_NOT_GOOD if left else 0)


@click.command("release")
@click.argument("user")
@json_option
@click.pass_context
def release(ctx: click.Context, user: str, *, as_json: bool) -> None:
    """Let an account send again, and let go what was held of it.

    What was held leaves with the next run of the queue, within a minute. To throw it away instead, run 'hold' with
    --drop before. Ends with 0, also when the account was not held.

    \b
    Example:
      reconfigure sending release bob
    """  # noqa: D301
    settings = _settings(ctx)
    user = _user(user)
    lifted = Holds(settings.sending_dir).lift(user)
    released = _queue(settings).release(user)
    if as_json:
        tables.emit({"user": user, "was_held": lifted, "released": released})
        return
    console = tables.console()
    console.print(tables.note(f"{user} may send again" if lifted else f"{user} was not held", indent=0))
    if released:
        console.print(tables.note(f"{tables.number(released, 'messages')} go with the next run of the queue"))


def _settings(ctx: click.Context) -> "Settings":
    settings = settings_of(ctx)
    if settings.tier is not Tier.SMTP_OUT:
        raise ReconfigureError(f"nobody sends through {settings.tier}; run this on smtp-out")
    return settings


def _user(text: str) -> str:
    name = syntax.user_name(text.lower())
    if isinstance(name, syntax.Unfit):
        raise click.BadParameter(f"no account can be named so: {name.code}, {name.detail}", param_hint="USER")
    return name


def _confirm_drop(user: str, name: str | None) -> None:
    if name is None:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask at; look first, then say --yes with the account's name")
        click.echo(f"All mail of {user} in the queue will be lost, and nobody is told of it.", err=True)
        name = click.prompt("Type the account's name to go on", err=True)
    if name != user:
        raise ReconfigureError(f"{tables.plain(name)} is not the account's name, {user}; nothing was done")


def _standings(settings: "Settings") -> Mapping[str, Standing]:
    now = time.time()
    try:
        return dict(ledger.read(settings.sending_dir, now=now).standings(now))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ReconfigureError(
            f"reading {ledger.path_of(settings.sending_dir)} failed: {error}; the login helper writes it anew with the"
            " next message"
        ) from error


def _is_served(settings: "Settings", user: str) -> bool | None:
    from reconfigure.login.served import Served  # noqa: PLC0415

    return Served(settings.state_dir)(user)


def _queue(settings: "Settings") -> MailQueue:
    return MailQueue(settings.mail_queue_dir, timeout=settings.tool_timeout)


def _row(
    name: str, standing: Standing, *, granted: Granted, hold: Hold | None, queued: tuple[int, int] | None
) -> dict[str, Any]:
    day = granted(name).day
    return {
        "user": name,
        **standing._asdict(),
        "messages_limit": day.messages,
        "recipients_limit": day.recipients,
        "state": "held" if hold else "limited" if standing.reaches(day) else "open",
        "queued": None if queued is None else queued[0],
        "quarantined": None if queued is None else queued[1],
        "hold": None if hold is None else asdict(hold),
    }


def _show(rows: list[dict[str, Any]], error: str | None) -> None:
    console = tables.console()
    if not rows:
        console.print("nobody has sent anything through this task in the last 24 hours")
    else:
        right = ("messages", "recipients", "refused", "queued", "quarantined")
        table = tables.table("account", *right, "state", right=right, whole=("account",))
        for row in rows:
            table.add_row(
                tables.plain(row["user"]),
                f"{row['messages']} of {row['messages_limit']}",
                f"{row['recipients']} of {row['recipients_limit']}",
                str(row["refused"]),
                *("?" if row[name] is None else str(row[name]) for name in ("queued", "quarantined")),
                tables.styled(row["state"]),
            )
        console.print(table)
    for row in rows:
        if row["hold"] is not None:
            by, since, why = (row["hold"][name] for name in ("by", "since", "why"))
            said = f"{row['user']} is held since {since or '?'} by {by or '?'}" + (f": {why}" if why else "")
            console.print(tables.note(said))
    if error is not None:
        console.print(tables.note(f"the mail queue cannot be looked at: {error}", tables.BAD))


for _one in (show, hold, release):
    command.add_command(_one)
