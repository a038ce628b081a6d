"""What SQS says of a queue and of the dead-letter queue behind it: numbers, times, and who sends what where.

The commands show it whole, the loop puts a few of its numbers into the status document. SQS knows no age of the
oldest message (only CloudWatch does, as ApproximateAgeOfOldestMessage), so whoever has seen messages says it.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconfigure.errors import SourceError
from reconfigure.sources.retry import Source, aws_errors, failure

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SETTINGS = "SQS_QUEUE_URL, SQS_DLQ_URL and AWS_REGION"


@dataclass(frozen=True, kw_only=True)
class QueueFacts:
    """One queue, from one GetQueueAttributes.

    Attributes:
        url: the queue.
        arn: its ARN.
        visible: messages that the next receive may return (approximate, as the two after it).
        in_flight: messages received and neither deleted nor visible again.
        delayed: messages that may not be received yet.
        retention: seconds after which a message is dropped.
        visibility_timeout: seconds that a received message is hidden unless the receiver says otherwise.
        dead_letter_arn: where the redrive policy moves messages to; None without a policy.
        max_receive_count: receives after which the next one moves a message there; None without a policy.
    """

    url: str
    arn: str
    visible: int
    in_flight: int
    delayed: int
    retention: int | None
    visibility_timeout: int | None
    dead_letter_arn: str | None
    max_receive_count: int | None

    @property
    def name(self) -> str:
        """The queue's name."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def total(self) -> int:
        """All messages that it holds."""
        return self.visible + self.in_flight + self.delayed


def source(url: str, action: str) -> Source:
    """Return how an error names a queue and the IAM action that a request needs."""
    return Source(where=f"SQS queue {url}", action=action, settings=SETTINGS)


def facts(client: "SQSClient", url: str) -> QueueFacts:
    """Ask SQS about a queue, once.

    Raises:
        SourceError: it could not be asked, or its answer makes no sense.
    """
    where = source(url, "sqs:GetQueueAttributes")
    try:
        found: Any = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]).get("Attributes", {})
    except aws_errors() as error:
        raise failure(error, "the attributes", source=where) from error
    try:
        policy = json.loads(found.get("RedrivePolicy") or "{}")
        return QueueFacts(
            url=url,
            arn=found["QueueArn"],
            visible=int(found.get("ApproximateNumberOfMessages", 0)),
            in_flight=int(found.get("ApproximateNumberOfMessagesNotVisible", 0)),
            delayed=int(found.get("ApproximateNumberOfMessagesDelayed", 0)),
            retention=_number(found.get("MessageRetentionPeriod")),
            visibility_timeout=_number(found.get("VisibilityTimeout")),
            dead_letter_arn=policy.get("deadLetterTargetArn"),
            max_receive_count=_number(policy.get("maxReceiveCount")),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"reading the attributes of SQS queue {url} failed: the answer makes no sense ({error!r}); look at what"
            " stands between this task and AWS"
        ) from error


def dead_letter_url(client: "SQSClient", queue: QueueFacts, *, given: str | None) -> str | None:
    """Return the dead-letter queue's URL: the setting's, or else found by the redrive policy; None without either.

    Raises:
        SourceError: the policy names a queue that could not be looked up.
    """
    if given is not None or queue.dead_letter_arn is None:
        return given
    account, name = queue.dead_letter_arn.split(":")[-2:]
    try:
        return client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
    except aws_errors() as error:
        where = source(queue.dead_letter_arn, "sqs:GetQueueUrl")
        raise failure(error, "the URL (setting SQS_DLQ_URL spares that)", source=where) from error


class DepthGauge:
    """The few numbers that the status document has of the queue; asks SQS twice for them, and once more at first.

    Args:
        client: SQS.
        url: the queue.
        dead_letters: the dead-letter queue's URL, when it is set.
    """

    def __init__(self, client: "SQSClient", url: str, *, dead_letters: str | None = None) -> None:
        self._client = client
        self._url = url
        self._dead = dead_letters

    def read(self) -> dict[str, int | None]:
        """Return `visible`, `in_flight`, `delayed` and `dead_letters` (None: no such queue, or it cannot be asked).

        Raises:
            SourceError: the queue itself could not be asked.
        """
        queue = facts(self._client, self._url)
        dead: int | None = None
        try:
            self._dead = dead_letter_url(self._client, queue, given=self._dead)
            if self._dead is not None:
                dead = facts(self._client, self._dead).total
        except SourceError:
            dead = None  # the dead letters' permission is one that a tier can do without
        return {
            "visible": queue.visible,
            "in_flight": queue.in_flight,
            "delayed": queue.delayed,
            "dead_letters": dead,
        }


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
