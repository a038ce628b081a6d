"""What the admin app imports to say that something changed: `from reconfigure.notify import publish`.

Needs boto3 and nothing else of this package, so it fits into a web app or a Lambda function. A notification is only
a hint, which can be sent twice or out of order without harm; the tiers read DynamoDB and Cognito themselves.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boto3.session import Session

EVENTS = ("address_changed", "user_changed", "suppression_changed", "resync")

# SNS and SQS take 262,144 bytes. Inside an SNS envelope each quote and backslash of the body is written as two
# bytes, and the envelope itself takes up to 2,000.
LARGEST_BODY = 120_000


def publish(
    addresses: Iterable[str] = (),
    *,
    event: str = "address_changed",
    topic_arn: str | None = None,
    queue_url: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    session: "Session | None" = None,
) -> str:
    """Tell the mail tiers that something changed.

    Args:
        addresses: the addresses that changed; none means that any may have. More than fit into one message are
            sent in several.
        event: `address_changed`, `user_changed`, `suppression_changed` or `resync` (read everything).
        topic_arn: the SNS topic that fans out to every tier's queue. Either this or `queue_url`.
        queue_url: the SQS queue of one tier.
        region: AWS region; as boto3 finds it (or the topic's) when not given.
        endpoint_url: where AWS is, when not where boto3 looks for it.
        session: a boto3 session to use; a new one otherwise.

    Returns:
        The message id that AWS gave (of the last message, when there were several).

    Raises:
        ValueError: an argument is not as described; nothing was sent.
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS did not take the message. Sending all
            of it again does no harm.
    """
    if (topic_arn is None) == (queue_url is None):
        raise ValueError("publish needs either topic_arn or queue_url, and not both")
    if event not in EVENTS:
        raise ValueError(f"event is {event!r}; it must be one of {', '.join(EVENTS)}")
    bodies = list(_bodies(event, _checked(addresses)))

    import boto3.session  # noqa: PLC0415  (a quarter of a second, for those who only validate)

    if topic_arn is not None and region is None:
        region = _region_of(topic_arn)
    made: Session = session or boto3.session.Session()
    where: dict[str, Any] = {"region_name": region, "endpoint_url": endpoint_url}
    identifier = ""
    if topic_arn is not None:
        with closing(made.client("sns", **where)) as sns:
            for body in bodies:
                identifier = sns.publish(TopicArn=topic_arn, Message=body)["MessageId"]
    elif queue_url is not None:
        with closing(made.client("sqs", **where)) as sqs:
            for body in bodies:
                identifier = sqs.send_message(QueueUrl=queue_url, MessageBody=body)["MessageId"]
    return identifier


def _checked(addresses: Iterable[str]) -> list[str]:
    if isinstance(addresses, str):
        raise ValueError(f"addresses is one text, {addresses[:80]!r}; it must be a list of addresses")  # noqa: TRY004
    checked = list(addresses)
    for address in checked:
        if not isinstance(address, str) or "@" not in address or not address.isprintable():
            raise ValueError(f"{str(address)[:80]!r} is not an address")
        if len(address) > 320:  # noqa: PLR2004  (64 + @ + 255: RFC 5321, 4.5.3.1)
            raise ValueError(f"{address[:80]!r}… is longer than any address: {len(address)} characters")
    return list(dict.fromkeys(checked))


def _bodies(event: str, addresses: list[str]) -> Iterator[str]:
    """Yield message bodies that name all addresses, each of at most `LARGEST_BODY` bytes (they are ASCII)."""
    frame: dict[str, Any] = {"event": event, "timestamp": datetime.now(UTC).isoformat(timespec="seconds")}
    if not addresses:
        yield json.dumps(frame)
        return
    room = LARGEST_BODY - len(json.dumps({**frame, "addresses": []}))
    start, used = 0, 0
    for index, address in enumerate(addresses):
        size = len(json.dumps(address)) + len(", ")
        if used + size > room:
            yield json.dumps({**frame, "addresses": addresses[start:index]})
            start, used = index, 0
        used += size
    yield json.dumps({**frame, "addresses": addresses[start:]})


def _region_of(topic_arn: str) -> str:
    parts = topic_arn.split(":")
    if len(parts) != 6 or parts[0] != "arn" or not parts[3]:  # noqa: PLR2004  (arn:aws:sns:REGION:ACCOUNT:NAME)
        raise ValueError(f"topic_arn is {topic_arn!r}; it must read arn:aws:sns:REGION:ACCOUNT:NAME")
    return parts[3]
