"""Moving dead letters back to the queue they came from: by SQS itself, or message by message.

SQS's own move task (StartMessageMoveTask) moves all or nothing. What is unreadable would only come back after as
many receives as the redrive policy allows, so usually messages are moved here: sent, and deleted only after that. A
message can thus be there twice, which costs a pass, and never be lost. A moved message counts its receives anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconfigure.errors import SourceError
from reconfigure.sources.answers import DamagedAnswerError
from reconfigure.sources.interrupts import Interrupts
from reconfigure.sources.peek import read
from reconfigure.sources.queue import BATCH, Queue, Received
from reconfigure.sources.queue_facts import QueueFacts, source
from reconfigure.sources.retry import aws_errors, failure

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HELD_SECONDS = 120  # how long a message stays hidden if this process is killed in the middle
UNKNOWN_ACTION = frozenset(
    {"InvalidAction", "UnknownOperationException", "AWS.SimpleQueueService.UnsupportedOperation"}
)
UNDER_WAY = frozenset({"RUNNING", "CANCELLING"})


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What came of a redrive.

    Attributes:
        way: "task" (by SQS) or "one by one".
        moved: messages that are on the queue again.
        unreadable: messages left among the dead letters because no pass can read them.
        copies: messages that were moved, but could not be deleted where they were: they are in both queues.
        failed: messages that could not be sent; they stay dead letters.
        error: why, for the first of those, or of the task; None when nothing failed.
        interrupted: somebody asked for its end; with a task, SQS goes on nevertheless.
    """

    way: str
    moved: int = 0
    unreadable: int = 0
    copies: int = 0
    failed: int = 0
    error: str | None = None
    interrupted: bool = False


class MoveTaskMissingError(SourceError):
    """This endpoint knows no move tasks."""


def one_by_one(
    client: "SQSClient",
    dead: QueueFacts,
    queue: QueueFacts,
    *,
    limit: int | None,
    everything: bool,
    progress: Callable[[int], None],
) -> Moved:
    """Send each dead letter to the queue, then delete it.

    Args:
        client: SQS.
        dead: from where.
        queue: to where.
        limit: how many to move at most; None for all.
        everything: moves what is unreadable too.
        progress: is told the number moved so far.

    Raises:
        SourceError: the dead letters could not be received; what was moved until then is moved.
    """
    held = Queue(client, dead.url, poll_seconds=0, visibility_seconds=HELD_SECONDS)
    kept: dict[str, Received] = {}
    moved = unreadable = copies = failed = 0
    first: str | None = None
    with Interrupts() as interrupts:
        try:
            while not interrupts.asked() and not failed and (limit is None or moved < limit):
                found = _receive(client, dead.url, BATCH if limit is None else min(BATCH, limit - moved))
                messages = [(raw, Received.of(raw)) for raw in found]
                new = [pair for pair in messages if pair[1].id not in kept]
                kept.update({message.id: message for _, message in messages})
                if not new:
                    break
                for raw, message in new:
                    if interrupts.asked():
                        break
                    if not everything and read(message).error is not None:
                        unreadable += 1
                        continue
                    try:
                        _send(client, queue.url, raw)
                    except SourceError as error:
                        failed, first = failed + 1, first or str(error)
                        break  # the next would most likely fail too
                    moved += 1
                    copies += len(held.acknowledge([message]))
                    del kept[message.id]
                progress(moved)
        finally:
            held.give_back(list(kept.values()))
    return Moved(
        way="one by one",
        moved=moved,
        unreadable=unreadable,
        copies=copies,
        failed=failed,
        error=first,
        interrupted=interrupts.asked(),
    )


def by_task(
    client: "SQSClient",
    dead: QueueFacts,
    queue: QueueFacts,
    *,
    wait: Callable[[float], object],
    progress: Callable[[int], None],
) -> Moved:
    """Let SQS move all dead letters, and wait for its end.

    Args:
        client: SQS.
        dead: from where.
        queue: to where.
        wait: waits some seconds between two looks at the task.
        progress: is told the number moved so far.

    Raises:
        MoveTaskMissingError: the endpoint knows no such thing.
        SourceError: the task could not be started or looked at.
    """
    where = source(dead.arn, "sqs:StartMessageMoveTask")
    try:
        client.start_message_move_task(SourceArn=dead.arn, DestinationArn=queue.arn)
    except aws_errors() as error:
        reason = failure(error, "the answer to StartMessageMoveTask", source=where)
        raise (MoveTaskMissingError(str(reason)) if _unknown(error) else reason) from error
    with Interrupts() as interrupts:
        while True:
            task = _newest(client, dead)
            moved, status = int(task.get("ApproximateNumberOfMessagesMoved", 0)), task.get("Status", "RUNNING")
            progress(moved)
            if status not in UNDER_WAY:
                error_text = None if status == "COMPLETED" else f"{status}: {task.get('FailureReason') or 'no reason'}"
                return Moved(way="task", moved=moved, error=error_text)
            if interrupts.asked():
                return Moved(way="task", moved=moved, interrupted=True)
            wait(1.0)


def _newest(client: "SQSClient", dead: QueueFacts) -> Any:
    try:
        answer = client.list_message_move_tasks(SourceArn=dead.arn, MaxResults=1)
    except aws_errors() as error:
        where = source(dead.arn, "sqs:ListMessageMoveTasks")
        raise failure(error, "how far the move is (SQS goes on with it)", source=where) from error
    return next(iter(answer.get("Results", ())), {})


def _receive(client: "SQSClient", url: str, most: int) -> list[Any]:
    try:
        answer = client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=1,
            VisibilityTimeout=HELD_SECONDS,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp", "AWSTraceHeader"],
        )
    except aws_errors() as error:
        raise failure(error, "dead letters", source=source(url, "sqs:ReceiveMessage")) from error
    return list(answer.get("Messages", ()))


def _send(client: "SQSClient", url: str, raw: Any) -> None:
    attributes: Any = {
        name: {key: value[key] for key in ("DataType", "StringValue", "BinaryValue") if key in value}
        for name, value in raw.get("MessageAttributes", {}).items()
    }
    trace = raw.get("Attributes", {}).get("AWSTraceHeader")
    system: Any = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}} if trace else {}
    try:
        client.send_message(
            QueueUrl=url, MessageBody=raw["Body"], MessageAttributes=attributes, MessageSystemAttributes=system
        )
    except aws_errors() as error:
        what = f"the answer to SendMessage of {raw['MessageId']}"
        raise failure(error, what, source=source(url, "sqs:SendMessage")) from error


def _unknown(error: Exception) -> bool:
    """Say whether what answered knows no such request: by its error code, or by having none, as no SQS does."""
    response: Any = getattr(error, "response", {})
    code = str(response.get("Error", {}).get("Code", ""))
    return code in UNKNOWN_ACTION or code.isdecimal() or isinstance(error, DamagedAnswerError)
