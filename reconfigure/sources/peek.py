"""Looking into messages without consuming them: each is received, read and made visible again.

SQS has no other way to look, and counts every receive. Once a message was received as often as the redrive policy
allows, the next receive moves it to the dead-letter queue, and SQS tells the count only with the message. So from a
queue with a policy messages are taken one by one, and the first that stands at its last receive ends the looking.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconfigure.errors import SourceError
from reconfigure.sources.interrupts import Interrupts
from reconfigure.sources.messages import Hint, UnreadableMessageError, parse
from reconfigure.sources.queue import BATCH, Queue, Received
from reconfigure.sources.queue_facts import QueueFacts, source
from reconfigure.sources.retry import aws_errors, failure

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HELD_SECONDS = 60  # how long a message stays hidden if this process is killed before it gives it back


@dataclass(frozen=True, kw_only=True)
class Peeked:
    """A message that was looked into: its `hint`, or the `error` why it has none."""

    message: Received
    hint: Hint | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look found.

    Attributes:
        seen: the messages, as they came.
        not_returned: how many could not be made visible again at once; they are within a minute.
        at_brink: the last one seen was received as often as the redrive policy allows, so the look ended there.
        interrupted: somebody asked for its end.
    """

    seen: tuple[Peeked, ...]
    not_returned: int
    at_brink: bool
    interrupted: bool


def peek(client: "SQSClient", queue: QueueFacts, *, limit: int) -> Look:
    """Look into at most `limit` messages.

    Raises:
        SourceError: the queue could not be read, what was taken until then was given back; or its policy allows a
            single receive, so that looking would be all that is ever done with a message.
    """
    most = queue.max_receive_count
    if most is not None and most <= 1:
        raise SourceError(
            f"looking into SQS queue {queue.url} was not tried: its redrive policy allows {most} receive, and looking"
            " is one; raise maxReceiveCount, or look into the dead-letter queue (--dlq)"
        )
    taken: dict[str, Received] = {}
    held = Queue(client, queue.url, poll_seconds=0, visibility_seconds=HELD_SECONDS)
    at_brink = False
    with Interrupts() as interrupts:
        try:
            while len(taken) < limit and not interrupts.asked() and not at_brink:
                found = _take(client, queue.url, BATCH if most is None else 1, left=limit - len(taken))
                new = [message for message in found if message.id not in taken]
                taken.update({message.id: message for message in found})  # the newest receipt is the good one
                if not new:
                    break
                at_brink = most is not None and any(message.receive_count >= most for message in new)
        finally:
            left = held.give_back(list(taken.values()))
    return Look(
        seen=tuple(read(message) for message in taken.values()),
        not_returned=len(left),
        at_brink=at_brink,
        interrupted=interrupts.asked(),
    )


def read(message: Received) -> Peeked:
    """Return what a message says, or why it cannot be read."""
    try:
        return Peeked(message=message, hint=parse(message.body), error=None)
    except UnreadableMessageError as error:
        return Peeked(message=message, hint=None, error=str(error))


def _take(client: "SQSClient", url: str, most: int, *, left: int) -> list[Received]:
    try:
        answer = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(most, left),
            WaitTimeSeconds=1,  # a long poll asks all of SQS's servers, a short one only some
            VisibilityTimeout=HELD_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
    except aws_errors() as error:
        raise failure(error, "messages", source=source(url, "sqs:ReceiveMessage")) from error
    return [Received.of(message) for message in answer.get("Messages", ())]
