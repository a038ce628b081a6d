"""The tier's SQS queue: receiving, acknowledging, holding on to messages while a pass runs, giving them back.

What a message says is for `messages`, when to do what for the loop. Receiving can fail, and says so; everything
done to a message afterwards can only cost another delivery of it, so failures there are logged and returned.
"""

import contextvars
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import structlog

from reconfigure.sources.retry import Source, aws_errors, failure, took_all_its_time

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

log = structlog.get_logger()

BATCH = 10  # messages in one request, at most
LONGEST_WAIT = 20  # seconds of a long poll
VISIBILITY_SECONDS = 60  # for which a received message is nobody else's, unless told otherwise
LONGEST_DELAY = 43_200  # seconds that a message can stay invisible: 12 h
GONE = frozenset(  # codes for a receipt whose message is deleted, or visible again and so somebody else's
    {"ReceiptHandleIsInvalid", "MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"}
)


@dataclass(frozen=True)
class Received:
    """A message as it was received.

    Attributes:
        id: its id, the same at every delivery.
        receipt: the handle of this delivery.
        body: what it says.
        receive_count: how often it was received, this time included.
        sent: when it was sent, in seconds since the epoch, where SQS said so.
    """

    id: str
    receipt: str
    body: str
    receive_count: int
    sent: float | None = None

    @classmethod
    def of(cls, message: Any) -> Self:
        """Return a message of a ReceiveMessage answer."""
        attributes = message.get("Attributes", {})
        sent = attributes.get("SentTimestamp")  # milliseconds
        return cls(
            id=message["MessageId"],
            receipt=message["ReceiptHandle"],
            body=message.get("Body", ""),
            receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
            sent=None if sent is None else int(sent) / 1000,
        )


class QueueDepth(NamedTuple):
    """How many messages a queue holds; SQS calls its numbers approximate."""

    visible: int
    in_flight: int
    delayed: int


class Queue:
    """One SQS queue.

    Args:
        client: SQS, with a read timeout longer than a long poll.
        url: the queue.
        poll_seconds: how long `receive` waits unless told otherwise (whole seconds, at most 20).
        visibility_seconds: how long a received message stays invisible unless it is held (`VisibilityKeeper`):
            a task that was killed costs its messages this time.
        at_once: SQS for all but receiving, which is the only thing to wait for; the same client when not given.
    """

    def __init__(
        self,
        client: "SQSClient",
        url: str,
        *,
        poll_seconds: float,
        visibility_seconds: int = VISIBILITY_SECONDS,
        at_once: "SQSClient | None" = None,
    ) -> None:
        self._client = client
        self._at_once = at_once or client
        self._poll_seconds = poll_seconds
        self.url = url
        self.visibility_seconds = visibility_seconds
        self.delete_error: str | None = None  # why `acknowledge` failed the last time; None when it did not

    def receive(self, wait: float | None = None) -> list[Received]:
        """Return up to ten messages, none when no message came in time.

        Args:
            wait: seconds to wait for the first; fractions are dropped, since SQS knows none; 0 looks once.

        Raises:
            SourceError: the queue could not be read.
        """
        seconds = self._poll_seconds if wait is None else wait
        try:
            answer = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=math.floor(_clamp(seconds, LONGEST_WAIT)),
                VisibilityTimeout=self.visibility_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        except aws_errors() as error:
            raise failure(error, "messages", source=self._source("sqs:ReceiveMessage")) from error
        return [Received.of(message) for message in answer.get("Messages", ())]

    def acknowledge(self, messages: Sequence[Received]) -> list[Received]:
        """Delete messages; return those that are still there, and will be delivered again."""

        def delete(batch: Sequence[Received]) -> Any:
            entries = [{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(batch)]
            return self._at_once.delete_message_batch(QueueUrl=self.url, Entries=entries)  # type: ignore[arg-type]

        failed, self.delete_error = self._in_batches(messages, delete, action="sqs:DeleteMessage")
        return failed

    def delay(self, messages: Sequence[Received], seconds: float) -> list[Received]:
        """Hide messages for some seconds from now (at most 12 h); return those that keep the time they had."""
        timeout = math.ceil(_clamp(seconds, LONGEST_DELAY))  # never shorter than asked

        def change(batch: Sequence[Received]) -> Any:
            entries = [
                {"Id": str(n), "ReceiptHandle": message.receipt, "VisibilityTimeout": timeout}
                for n, message in enumerate(batch)
            ]
            return self._at_once.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)  # type: ignore[arg-type]

        failed, _ = self._in_batches(messages, change, action="sqs:ChangeMessageVisibility")
        return failed

    def give_back(self, messages: Sequence[Received]) -> list[Received]:
        """Make messages visible again at once, for whoever polls next; return those that are not yet."""
        return self.delay(messages, 0)

    def depth(self) -> QueueDepth:
        """Return how many messages the queue holds.

        Raises:
            SourceError: the queue could not be asked.
        """
        try:
            answer = self._at_once.get_queue_attributes(
                QueueUrl=self.url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                    "ApproximateNumberOfMessagesDelayed",
                ],
            )
        except aws_errors() as error:
            raise failure(error, "the depth", source=self._source("sqs:GetQueueAttributes")) from error
        number = answer.get("Attributes", {})
        return QueueDepth(
            visible=int(number.get("ApproximateNumberOfMessages", 0)),
            in_flight=int(number.get("ApproximateNumberOfMessagesNotVisible", 0)),
            delayed=int(number.get("ApproximateNumberOfMessagesDelayed", 0)),
        )

    def _in_batches(
        self, messages: Sequence[Received], request: Callable[[Sequence[Received]], Any], *, action: str
    ) -> tuple[list[Received], str | None]:
        """Do something to messages, ten at a time; log and return those for which it failed, and why the last did.

        A message that is gone already is none of them: what was wanted of it happened, or it is another's now.
        Once the queue did not answer in time, nothing more is asked of it.
        """
        failed: list[Received] = []
        reason: str | None = None
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            try:
                answer = request(batch)
            except aws_errors() as error:
                is_over = took_all_its_time(error)
                left = messages[start:] if is_over else batch
                reason = str(failure(error, "the answer", source=self._source(action)))
                log.warning("queue_batch_failed", action=action, error=reason, messages=[m.id for m in left])
                failed.extend(left)
                if is_over:
                    break
                continue
            settled = {entry["Id"] for entry in answer.get("Successful", ())}
            refused = {entry["Id"]: entry for entry in answer.get("Failed", ())}
            settled |= {name for name, entry in refused.items() if _is_gone(entry)}
            left = [message for n, message in enumerate(batch) if str(n) not in settled]
            if left:
                reasons = {f"{entry.get('Code')} {entry.get('Message', '')}".strip() for entry in refused.values()}
                reason = f"{action} on {self.url}: {'; '.join(sorted(reasons)) or 'the answer does not say why'}"
                log.warning("queue_messages_failed", action=action, error=reason, messages=[m.id for m in left])
                failed.extend(left)
        return failed, reason

    def _source(self, action: str) -> Source:
        return Source(where=f"SQS queue {self.url}", action=action, settings="SQS_QUEUE_URL and AWS_REGION")


class VisibilityKeeper:
    """Keeps messages invisible to others for as long as its `with` block runs, by a thread of its own.

    A failure to extend is logged and tried again half a period later; the worst it can cause is a second delivery.
    On leaving, the thread has ended, so that nothing is extended after what the block's owner does next; only one
    that hangs in a request is left behind after `patience` seconds.

    Args:
        queue: where they were received.
        messages: those to hold.
        period: seconds that each extension lasts; as received when not given. Extended every half of it.
        patience: seconds to wait for a request under way on leaving.
    """

    def __init__(
        self,
        queue: Queue,
        messages: Sequence[Received],
        *,
        period: float | None = None,
        patience: float = 2.0,
    ) -> None:
        self._queue = queue
        self._messages = tuple(messages)
        self._period = queue.visibility_seconds if period is None else period
        self._patience = patience
        self._done = threading.Event()
        context = contextvars.copy_context()  # so that its log lines name the tier and the pass
        self._thread = threading.Thread(target=context.run, args=(self._keep,), name="visibility-keeper", daemon=True)

    def __enter__(self) -> Self:
        if self._messages:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._messages:
            self._thread.join(self._patience)
            if self._thread.is_alive():
                log.warning("visibility_keeper_left_behind", queue=self._queue.url, patience=self._patience)

    def _keep(self) -> None:
        while not self._done.wait(self._period / 2):
            self._queue.delay(self._messages, self._period)


def _clamp(seconds: float, most: int) -> float:
    return max(0, min(most, seconds))


def _is_gone(entry: Any) -> bool:
    """Say whether a batch entry failed because its receipt is of no use any more.

    Standard queues answer InvalidParameterValue for an expired handle, with the reason only in the text.
    """
    code, text = entry.get("Code", ""), entry.get("Message", "").lower()
    return code in GONE or (code == "InvalidParameterValue" and ("receipthandle" in text or "receipt handle" in text))
