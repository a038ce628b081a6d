"""`reconfigure queue peek` and `redrive`: what messages say, and the way back for dead letters."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from reconfigure.cli import json_option, log_to_stderr, settings_of, tables
from reconfigure.cli.queue_naming import Queues, dlq_option
from reconfigure.errors import EX_NOT_GOOD, ReconfigureError
from reconfigure.sources.peek import Look, Peeked
from reconfigure.sources.peek import peek as look
from reconfigure.sources.redrive import Moved, MoveTaskMissingError, by_task, one_by_one

BODY_SHOWN = 300  # characters, without --full
LINE_EVERY = 10.0  # seconds between lines of progress where there is no terminal


@click.command("peek")
@dlq_option
@click.option("--limit", type=click.IntRange(min=1, max=1000), default=10, show_default=True, help="Messages at most.")
@click.option("--full", is_flag=True, help="Show bodies whole.")
@json_option
@click.pass_context
def peek(ctx: click.Context, *, dlq: bool, limit: int, full: bool, as_json: bool) -> None:
    """Look into messages and leave them there.

    SQS can only look by receiving, so each message's receive count climbs by one. Once it reaches the redrive policy's
    maxReceiveCount, the next receive makes a dead letter of it; so on a queue with a policy messages are taken one by
    one, and the first that has reached it ends the look. A message in flight is not seen.

    \b
    Examples:
      reconfigure queue peek
      reconfigure queue peek --dlq --limit 100 --json | jq -r '.messages[].error'
    """  # noqa: D301
    settings = settings_of(ctx)
    log_to_stderr(settings, least="warning")
    queues = Queues(settings)
    chosen = queues.chosen(dlq=dlq)
    found = look(queues.client, chosen, limit=limit)
    now = datetime.now(UTC)
    if as_json:
        sent = [one.message.sent for one in found.seen if one.message.sent is not None]
        tables.emit(
            {
                "oldest_age_seconds": round(now.timestamp() - min(sent), 3) if sent else None,
                "messages": [_message(one, full=full) for one in found.seen],
                "at_brink": found.at_brink,
                "interrupted": found.interrupted,
                "not_returned": found.not_returned,
            }
        )
    else:
        _show(found, now, name=chosen.name, full=full)
    sys.exit(EX_NOT_GOOD if found.interrupted else 0)


@click.command("redrive")
@click.option("--all", "everything", is_flag=True, help="Move what no pass can read, too; by SQS itself.")
@click.option("--one-by-one", is_flag=True, help="With --all: send and delete each here instead.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Move N messages at most, one by one.")
@json_option
@click.pass_context
def redrive(ctx: click.Context, *, everything: bool, one_by_one: bool, limit: int | None, as_json: bool) -> None:
    """Move dead letters back to the queue.

    Only those that a pass can read, one by one: each is sent, and deleted only after that. The others would only come
    back; 'peek --dlq' says what is wrong with them. With --all SQS moves them all by itself (StartMessageMoveTask);
    where that is missing, they are moved one by one too. A moved message counts its receives anew.

    \b
    Examples:
      reconfigure queue redrive
      reconfigure queue redrive --limit 1     try one first
      reconfigure queue redrive --all
    """  # noqa: D301
    settings = settings_of(ctx)
    log_to_stderr(settings, least="warning")
    queues = Queues(settings)
    queue, dead = queues.pair()
    if queue.name.endswith(".fifo") or dead.name.endswith(".fifo"):
        raise ReconfigureError(
            f"moving messages of {dead.name} was not tried: FIFO queues are not supported, since a message moved behind"
            " others of its group changes their order; use standard queues"
        )
    if queue.arn == dead.arn:
        raise ReconfigureError(f"{dead.name} is its own dead-letter queue; correct SQS_DLQ_URL")
    alone = one_by_one or limit is not None or not everything
    with _progress(dead.total if limit is None else min(limit, dead.total)) as progress:
        result = _move(queues, (queue, dead), alone=alone, limit=limit, everything=everything, progress=progress)
    if as_json:
        tables.emit(asdict(result))
    else:
        _tell(result, dead.name, queue.name)
    sys.exit(EX_NOT_GOOD if result.error is not None or result.interrupted else 0)


def _move(
    queues: Queues,
    pair: tuple[Any, Any],
    *,
    alone: bool,
    limit: int | None,
    everything: bool,
    progress: Callable[[int], None],
) -> Moved:
    queue, dead = pair
    if not alone:
        try:
            return by_task(queues.client, dead, queue, wait=time.sleep, progress=progress)
        except MoveTaskMissingError:
            click.echo("this endpoint has no StartMessageMoveTask; moving one by one", err=True)
    return one_by_one(queues.client, dead, queue, limit=limit, everything=everything, progress=progress)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show how far it is: a bar on a terminal, else a line now and then; both on standard error."""
    if sys.stderr.isatty():
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

        columns = (TextColumn("moving"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=tables.console(stderr=True), transient=True) as bar:
            task = bar.add_task("moving", total=total)
            yield lambda moved: bar.update(task, completed=moved)
        return
    last = time.monotonic()

    def line(moved: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY:
            last = time.monotonic()
            click.echo(f"moved {moved} of about {total}", err=True)

    yield line


def _tell(result: Moved, dead: str, queue: str) -> None:
    how = "by SQS" if result.way == "task" else "one by one"
    click.echo(f"moved {tables.number(result.moved, 'messages')} from {dead} to {queue} ({how})")
    for count, text in (
        (result.unreadable, "left, since no pass can read them; see 'reconfigure queue peek --dlq'"),
        (result.copies, "moved but not deleted, so they are in both queues; that costs a pass, nothing else"),
        (result.failed, "could not be sent, and stay where they were"),
    ):
        if count:
            click.echo(f"  {count} {text}")
    if result.interrupted and result.way == "task":
        click.echo("  interrupted: SQS goes on moving by itself")
    elif result.interrupted:
        click.echo("  interrupted: what was not moved is where it was")
    if result.error is not None:
        click.echo(f"reconfigure: {tables.plain(result.error)}", err=True)


def _message(one: Peeked, *, full: bool) -> dict[str, Any]:
    sent = one.message.sent
    return {
        "id": one.message.id,
        "sent": None if sent is None else datetime.fromtimestamp(sent, UTC).isoformat(),
        "receive_count": one.message.receive_count,
        "event": one.hint and one.hint.event,
        "addresses": None if one.hint is None else list(one.hint.addresses),
        "full": None if one.hint is None else one.hint.full,
        "error": one.error,
        "body": one.message.body if full else one.message.body[:BODY_SHOWN],
    }


def _show(found: Look, now: datetime, *, name: str, full: bool) -> None:
    console = tables.console()
    console.print(f"{tables.plain(name)}: {tables.number(len(found.seen), 'messages')} seen")
    for one in found.seen:
        entry = _message(one, full=full)
        what = tables.plain(one.hint.event) if one.hint is not None else "unreadable"
        console.print(
            f"  {tables.plain(one.message.id)}: {what}, sent {tables.ago(entry['sent'], now)}, received"
            f" {one.message.receive_count} times, this look included"
        )
        if one.error is not None:
            console.print(tables.note(one.error, tables.BAD, indent=4))
        elif one.hint is not None and one.hint.addresses:
            listed = one.hint.addresses if full else one.hint.addresses[:10]
            more = len(one.hint.addresses) - len(listed)
            console.print(tables.note(", ".join(listed) + (f" and {more} more" if more else ""), indent=4))
        if full or one.error is not None:
            cut = "" if full or len(one.message.body) <= BODY_SHOWN else " ... (--full shows the rest)"
            console.print(tables.note(entry["body"] + cut, tables.DIM, indent=4))
    if found.at_brink:
        console.print(
            tables.note(
                "the last one had its last receive: the next makes a dead letter of it, so the look ended here",
                tables.ODD,
            )
        )
    if found.not_returned:
        text = f"{tables.number(found.not_returned, 'messages')} could not be given back: visible within a minute"
        console.print(tables.note(text, tables.ODD))
    if found.interrupted:
        console.print(tables.note("interrupted; all that was taken was given back", tables.ODD))
