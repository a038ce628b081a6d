"""What the admin app calls to say that something changed: `from reconfigure.notify import publish`.

Needs boto3 and nothing else of this package: this one file can be copied beside a web app's code, or zipped as a Lambda
function, whose handlers are `handler` (called with what changed) and `from_stream` (behind a DynamoDB stream). A
notification is only a hint, which can be sent twice or out of order without harm; the tiers read DynamoDB and Cognito
themselves.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boto3.session import Session

EVENTS = ("address_changed", "user_changed", "suppression_changed", "resync")

# SNS and SQS take 262,144 bytes, of one message or of all in a batch. Inside an SNS envelope each quote and backslash
# of the body is written as two bytes, and the envelope itself takes up to 2,000.
LARGEST_BODY = 120_000
LARGEST_BATCH = 250_000
MOST_IN_BATCH = 10

# No caller waits longer than three times this for one request that hangs.
CONNECT_SECONDS, READ_SECONDS = 2.0, 5.0
ATTEMPTS = 3

MOST_NAMED = 100  # addresses that one message of the stream names: the tiers read no more than that by key


class NotPublishedError(Exception):
    """AWS took some messages and not others, after several tries; publishing all of it again does no harm.

    Attributes:
        addresses: those that no message which was taken names.
    """

    def __init__(self, where: str, why: str, addresses: Sequence[str]) -> None:
        super().__init__(f"publishing to {where} failed for {len(addresses)} addresses: {why}; publish them again")
        self.addresses = tuple(addresses)


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
        topic_arn: the SNS topic that fans out to every tier's queue, standard or FIFO. Either this or `queue_url`.
        queue_url: the SQS queue of one tier, standard or FIFO.
        region: AWS region; as boto3 finds it (or the topic's) when not given.
        endpoint_url: where AWS is, when not where boto3 looks for it.
        session: a boto3 session to use; a new one otherwise.

    A request is tried three times, with two seconds to connect and five to be answered, so a caller waits 21 seconds
    at most for one that hangs.

    Returns:
        The message id that AWS gave (of the last message, when there were several).

    Raises:
        ValueError: an argument is not as described; nothing was sent.
        NotPublishedError: of several messages some were not taken.
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS did not take the message. Sending all
            of it again does no harm.
    """
    if (topic_arn is None) == (queue_url is None):
        raise ValueError("publish needs either topic_arn or queue_url, and not both")
    if event not in EVENTS:
        raise ValueError(f"event is {event!r}; it must be one of {', '.join(EVENTS)}")
    bodies = list(_bodies(event, _checked(addresses)))

    import boto3.session  # noqa: PLC0415  (a quarter of a second, for those who only validate)
    from botocore.config import Config  # noqa: PLC0415

    if topic_arn is not None and region is None:
        region = _region_of(topic_arn)
    made: Session = session or boto3.session.Session()
    where: dict[str, Any] = {
        "region_name": region,
        "endpoint_url": endpoint_url,
        "config": Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    }
    if topic_arn is not None:
        with closing(made.client("sns", **where)) as sns:
            if len(bodies) == 1:
                return str(sns.publish(TopicArn=topic_arn, Message=bodies[0], **_names(topic_arn))["MessageId"])
            return _in_batches(
                bodies,
                lambda batch: sns.publish_batch(
                    TopicArn=topic_arn, PublishBatchRequestEntries=_entries(batch, "Message", topic_arn)
                ),
                where=topic_arn,
            )
    with closing(made.client("sqs", **where)) as sqs:
        if len(bodies) == 1:
            answer = sqs.send_message(QueueUrl=str(queue_url), MessageBody=bodies[0], **_names(str(queue_url)))
            return str(answer["MessageId"])
        return _in_batches(
            bodies,
            lambda batch: sqs.send_message_batch(
                QueueUrl=str(queue_url), Entries=_entries(batch, "MessageBody", str(queue_url))
            ),
            where=str(queue_url),
        )


def handler(event: Mapping[str, Any], _context: object = None) -> dict[str, Any]:
    """Publish what a caller of this Lambda function says changed.

    Args:
        event: `{"addresses": ["shop@acme.example.com"], "event": "address_changed"}`, both optional, as for `publish`.

    The topic is the variable TOPIC_ARN, or for one tier alone the queue QUEUE_URL.

    Returns:
        `{"message_id": "…"}`.

    Raises:
        ValueError: the event is not as described, or there is nowhere to publish to; nothing was sent.
        NotPublishedError, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: as `publish`.
    """
    unknown = set(event) - {"addresses", "event"}
    if unknown:
        raise ValueError(f"the event has {', '.join(sorted(map(str, unknown)))}; it may have addresses and event")
    addresses, what = event.get("addresses") or (), event.get("event")
    what = what or ("address_changed" if addresses else "resync")
    return {"message_id": publish(addresses, event=what, **_destination())}


def from_stream(event: Mapping[str, Any], _context: object = None) -> dict[str, Any]:
    """Publish which addresses changed, from a batch of records of the address table's stream (any view type).

    One message for the batch, which names each address once; with more than a hundred, or with a key that is no
    address, it asks the tiers to read everything. So nothing is lost, and no record can block the stream for ever.

    Args:
        event: what Lambda gives a function behind a DynamoDB stream: `{"Records": [{"dynamodb": {"Keys": …}}, …]}`.

    Returns:
        `{"message_id": "…", "addresses": how many were named}`; without records, `{}`.

    Raises:
        ValueError: there is nowhere to publish to.
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: the message was not taken; Lambda tries the
            batch again.
    """
    records = event.get("Records") or ()
    if not records:
        return {}
    named = list(dict.fromkeys(_key(record) for record in records))
    try:
        known = _checked(named) if len(named) <= MOST_NAMED else []
    except ValueError:
        known = []
    what = "address_changed" if known else "resync"
    return {"message_id": publish(known, event=what, **_destination()), "addresses": len(known)}


def _key(record: Any) -> str:
    try:
        return str(record["dynamodb"]["Keys"]["address"]["S"])
    except (KeyError, TypeError):
        return ""  # no address, so everything is read


def _destination() -> dict[str, Any]:
    """Return where a Lambda function publishes to, by its environment."""
    topic_arn, queue_url = os.environ.get("TOPIC_ARN"), os.environ.get("QUEUE_URL")
    if not topic_arn and not queue_url:
        raise ValueError("neither TOPIC_ARN nor QUEUE_URL is set, so there is nowhere to publish to; set one")
    return {"topic_arn": topic_arn or None, "queue_url": None if topic_arn else queue_url}


def _entries(batch: Mapping[str, str], body: str, destination: str) -> Any:
    """Return a batch as AWS takes it; `body` is what the service calls the message's text."""
    return [{"Id": name, body: text, **_names(destination)} for name, text in batch.items()]


def _names(destination: str) -> Any:
    """Return what a FIFO topic or queue wants of a message besides: a group, and a name to know it again by.

    Each is a group of its own: the order of messages means nothing, and one in flight would hold up all of its group.
    """
    if not destination.endswith(".fifo"):
        return {}
    name = uuid.uuid4().hex
    return {"MessageGroupId": name, "MessageDeduplicationId": name}


def _in_batches(bodies: Sequence[str], send: Callable[[Mapping[str, str]], Any], *, where: str) -> str:
    """Send messages some at a time, those that were not taken again; return the last one's id."""
    identifier, why = "", ""
    left = {str(number): body for number, body in enumerate(bodies)}
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(0.2 * 2**attempt)
        for batch in list(_batches(left)):
            answer = send(batch)
            for taken in answer.get("Successful", ()):
                identifier = taken["MessageId"]
                left.pop(taken["Id"], None)
            why = next((f"{one.get('Code')} {one.get('Message')}" for one in answer.get("Failed", ())), why)
        if not left:
            return identifier
    raise NotPublishedError(where, why, [name for body in left.values() for name in json.loads(body)["addresses"]])


def _batches(bodies: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield the messages in batches that AWS takes: ten at most, and not too large together (they are ASCII)."""
    batch: dict[str, str] = {}
    size = 0
    for name, body in bodies.items():
        if batch and (len(batch) == MOST_IN_BATCH or size + len(body) > LARGEST_BATCH):
            yield batch
            batch, size = {}, 0
        batch[name] = body
        size += len(body)
    if batch:
        yield batch


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
