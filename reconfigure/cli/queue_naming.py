"""Which queue a command means, and the client that asks about it: patient for seconds, not for minutes."""

from typing import TYPE_CHECKING

import click

from reconfigure.errors import ConfigurationError, ReconfigureError
from reconfigure.settings import Settings
from reconfigure.sources.aws import Clients
from reconfigure.sources.queue_facts import QueueFacts, dead_letter_url, facts

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST_POLL = 1.0

dlq_option = click.option("--dlq", is_flag=True, help="The dead-letter queue instead.")


class Queues:
    """The queue that the settings name, and its dead-letter queue."""

    def __init__(self, settings: Settings) -> None:
        if settings.sqs_queue_url is None:
            raise ConfigurationError(
                "SQS_QUEUE_URL: is not set, so there is no queue to look at; changes are applied by the timer, and at"
                " once by 'reconfigure once'"
            )
        self._url, self._dlq_url = settings.sqs_queue_url, settings.sqs_dlq_url
        made = Clients(settings.aws_region, settings.aws_endpoint_url, long_poll=LONGEST_POLL)
        self.client: SQSClient = made.sqs

    def queue(self) -> QueueFacts:
        """Return the facts of the queue."""
        return facts(self.client, self._url)

    def dead_letters(self, queue: QueueFacts) -> QueueFacts | None:
        """Return the facts of the dead-letter queue, None where there is none."""
        url = dead_letter_url(self.client, queue, given=self._dlq_url)
        return None if url is None else facts(self.client, url)

    def pair(self) -> tuple[QueueFacts, QueueFacts]:
        """Return queue and dead-letter queue.

        Raises:
            ReconfigureError: there is no dead-letter queue.
        """
        queue = self.queue()
        dead = self.dead_letters(queue)
        if dead is None:
            raise ReconfigureError(
                f"{queue.name} has no dead-letter queue: it has no redrive policy, and SQS_DLQ_URL is not set"
            )
        return queue, dead

    def chosen(self, *, dlq: bool) -> QueueFacts:
        """Return the queue, or the dead-letter queue."""
        return self.pair()[1] if dlq else self.queue()
