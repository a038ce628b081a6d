"""`reconfigure queue`: how the queue of changes and its dead letters stand, and what an operator may do to them."""

import sys
from typing import Any

import click

from reconfigure.cli import json_option, settings_of, tables
from reconfigure.cli.queue_messages import peek, redrive
from reconfigure.cli.queue_naming import Queues, dlq_option
from reconfigure.errors import EX_NOT_GOOD, ReconfigureError, SourceError
from reconfigure.sources.queue_facts import QueueFacts, source

KEYS = {
    "queue": "(show) `name`, `arn`, `visible`, `in_flight`, `delayed`, `retention_seconds`, "
    "`visibility_timeout_seconds`, `max_receive_count`, `dead_letter_arn`; the last two are null without a redrive "
    "policy",
    "dead_letters": "(show) the same of the dead-letter queue; null without one, or with an error",
    "dead_letters_error": "(show) why the dead-letter queue could not be looked at; or null",
    "matches_policy": "(show) whether the redrive policy names that dead-letter queue; null when unknown",
    "oldest_age_seconds": "(peek) age of the oldest message *seen*; null when none was. `show` cannot know it",
    "messages": "(peek) `id`, `sent`, `receive_count`, `event`, `addresses`, `full`, `error`, `body`",
    "at_brink": "(peek) the last message seen has had its last receive, so the look ended there",
    "interrupted": "(peek, redrive) somebody ended it early",
    "not_returned": "(peek) messages that become visible again only within a minute",
    "moved": "(redrive) messages that are on the queue again; also `way`, `unreadable`, `copies`, `failed`, `error`",
    "purged": "(purge) about how many messages were thrown away, from which `name`",
}

IN_PROGRESS = frozenset({"PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress"})


@click.group("queue", invoke_without_command=True)
@json_option
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Look at the queue of changes and its dead letters, move those back, or empty either.

    Messages are only hints: the timer's pass reads everything anyway. Without a command: show.

    \b
    Examples:
      reconfigure queue                     how many wait, how many are dead letters?
      reconfigure queue peek --dlq          what do the dead letters say?
      reconfigure queue redrive             move them back
      reconfigure queue purge --dlq         throw them away
    """  # noqa: D301
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, as_json=as_json)
    elif as_json:
        raise click.UsageError(f"say --json after the command: reconfigure queue {ctx.invoked_subcommand} --json")


@click.command("show")
@json_option
@click.pass_context
def show(ctx: click.Context, *, as_json: bool) -> None:
    """Show numbers and settings of the queue and of its dead-letter queue.

    SQS does not say how old the oldest message is (CloudWatch does: ApproximateAgeOfOldestMessage); 'peek' says it of
    the messages that it sees. Ends with 1 when the dead-letter queue cannot be looked at, or is another than the
    redrive policy names.

    \b
    Example:
      reconfigure queue show --json | jq .dead_letters.visible
    """  # noqa: D301
    queues = Queues(settings_of(ctx))
    queue = queues.queue()
    error, dead = None, None
    try:
        dead = queues.dead_letters(queue)
    except SourceError as raised:
        error = str(raised)
    matches = None if dead is None else dead.arn == queue.dead_letter_arn
    if as_json:
        document = {"queue": _document(queue), "dead_letters": dead and _document(dead)}
        tables.emit({**document, "dead_letters_error": error, "matches_policy": matches})
    else:
        _show(queue, dead, error=error)
    sys.exit(EX_NOT_GOOD if error is not None or matches is False else 0)


@click.command("purge")
@dlq_option
@click.option("--yes", "name", metavar="NAME", help="Do not ask; NAME is the queue's, as 'show' prints it.")
@json_option
@click.pass_context
def purge(ctx: click.Context, *, dlq: bool, name: str | None, as_json: bool) -> None:
    """Throw all messages of the queue (or all dead letters) away.

    No change is lost by that: the timer's pass reads everything; it only comes later. Asks for the queue's name.

    \b
    Examples:
      reconfigure queue purge --dlq
      reconfigure queue purge --dlq --yes imap-dead
    """  # noqa: D301
    queues = Queues(settings_of(ctx))
    chosen = queues.chosen(dlq=dlq)
    if name is None:
        if not sys.stdin.isatty():
            raise click.UsageError("there is no terminal to ask at; look first, then say --yes with the queue's name")
        click.echo(
            f"About {tables.number(chosen.total, 'messages')} of {chosen.name} will be lost. They are hints: the"
            " timer's pass reads everything anyway.",
            err=True,
        )
        name = click.prompt("Type the queue's name to go on", err=True)
    if name != chosen.name:
        raise ReconfigureError(f"{tables.plain(name)} is not the queue's name, {chosen.name}; nothing was purged")
    _purge(queues, chosen)
    if as_json:
        tables.emit({"purged": chosen.total, "name": chosen.name})
    else:
        click.echo(
            f"purged {chosen.name} of about {tables.number(chosen.total, 'messages')}; SQS takes a minute for it"
        )


def _purge(queues: Queues, chosen: QueueFacts) -> None:
    from reconfigure.sources.retry import aws_errors, failure  # noqa: PLC0415

    try:
        queues.client.purge_queue(QueueUrl=chosen.url)
    except aws_errors() as error:
        if str(getattr(error, "response", {}).get("Error", {}).get("Code")) in IN_PROGRESS:
            raise ReconfigureError(
                f"purging {chosen.name} was refused: it was purged less than a minute ago, and SQS is still at it;"
                " try again in a minute if messages are left"
            ) from error
        raise failure(error, "the answer to PurgeQueue", source=source(chosen.arn, "sqs:PurgeQueue")) from error


def _document(facts: QueueFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "arn": facts.arn,
        "visible": facts.visible,
        "in_flight": facts.in_flight,
        "delayed": facts.delayed,
        "retention_seconds": facts.retention,
        "visibility_timeout_seconds": facts.visibility_timeout,
        "max_receive_count": facts.max_receive_count,
        "dead_letter_arn": facts.dead_letter_arn,
    }


def _show(queue: QueueFacts, dead: QueueFacts | None, *, error: str | None) -> None:
    console = tables.console()
    for title, one in (("queue", queue), ("dead letters", dead)):
        if one is None:
            continue
        console.print(f"{title}: {tables.plain(one.name)}")
        rows: list[tuple[str, Any]] = [
            ("messages", f"{one.visible} visible, {one.in_flight} in flight, {one.delayed} delayed"),
            ("oldest", "not told by SQS; see 'reconfigure queue peek'" if one.total else None),
            ("kept for", one.retention and tables.duration(one.retention)),
            ("hidden for", one.visibility_timeout and f"{tables.duration(one.visibility_timeout)} once received"),
            ("redrive", one.max_receive_count and f"after {one.max_receive_count} receives to {one.dead_letter_arn}"),
        ]
        console.print(tables.facts(rows))
    if error is not None:
        console.print(tables.note(f"the dead-letter queue cannot be looked at: {error}", tables.BAD))
    elif dead is None:
        console.print(tables.note("no dead-letter queue: no redrive policy, and SQS_DLQ_URL is not set", tables.ODD))
    elif dead.arn != queue.dead_letter_arn:
        named = queue.dead_letter_arn or "none"
        text = f"SQS_DLQ_URL is {dead.arn}, but the queue's redrive policy names {named}; correct one of them"
        console.print(tables.note(text, tables.BAD))


for _one in (show, peek, redrive, purge):
    command.add_command(_one)
