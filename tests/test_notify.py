import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import boto3.session
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from embedded.faults import Fault, FaultProxy
from reconfigure.notify import (
    EVENTS,
    LARGEST_BODY,
    NotPublishedError,
    _batches,
    from_stream,
    handler,
    publish,
)
from reconfigure.sources.messages import EVENTS as UNDERSTOOD
from reconfigure.sources.messages import parse

REGION = "eu-west-1"


class World(NamedTuple):
    url: str
    topic: str
    queue: str
    sqs: Any

    def bodies(self) -> list[str]:
        return _bodies(self.sqs, self.queue)


def _bodies(sqs: Any, queue: str) -> list[str]:
    """Receive all that a queue holds, without deleting any."""
    found: list[str] = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return found


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> boto3.session.Session:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return boto3.session.Session(region_name=REGION)


@pytest.fixture
def world(double_url: str, session: boto3.session.Session) -> Iterator[World]:
    name = f"changes-{uuid.uuid4().hex}"
    sqs, sns = session.client("sqs", endpoint_url=double_url), session.client("sns", endpoint_url=double_url)
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:{name}")
    yield World(double_url, topic, queue, sqs)
    sns.delete_topic(TopicArn=topic)
    sqs.delete_queue(QueueUrl=queue)
    sqs.close()
    sns.close()


def test_a_change_published_on_the_topic_is_understood_by_a_tier(world: World) -> None:
    identifier = publish(["shop@acme.example.com"], topic_arn=world.topic, endpoint_url=world.url)
    (body,) = world.bodies()
    assert json.loads(body)["MessageId"] == identifier
    hint = parse(body)
    assert hint.event == "address_changed"
    assert hint.addresses == ("shop@acme.example.com",)
    assert not hint.full


def test_a_change_can_go_to_one_tier_alone(world: World, session: boto3.session.Session) -> None:
    assert publish(event="user_changed", queue_url=world.queue, session=session, endpoint_url=world.url)
    (body,) = world.bodies()
    assert parse(body).event == "user_changed"
    assert "addresses" not in json.loads(body)


@pytest.fixture
def fifo(double_url: str, session: boto3.session.Session) -> Iterator[World]:
    """A FIFO topic with a FIFO queue."""
    name = f"changes-{uuid.uuid4().hex}.fifo"
    sqs, sns = session.client("sqs", endpoint_url=double_url), session.client("sns", endpoint_url=double_url)
    queue = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    topic = sns.create_topic(Name=name, Attributes={"FifoTopic": "true"})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:{name}")
    yield World(double_url, topic, queue, sqs)
    sns.delete_topic(TopicArn=topic)
    sqs.delete_queue(QueueUrl=queue)


def test_a_fifo_topic_and_a_fifo_queue_take_what_others_take_and_none_holds_up_another(
    fifo: World, session: boto3.session.Session
) -> None:
    many = [f"{'x' * 60}{n}@{'d' * 200}.example" for n in range(1500)]
    for destination in ({"topic_arn": fifo.topic}, {"queue_url": fifo.queue}):
        arguments: Any = {**destination, "endpoint_url": fifo.url, "session": session}
        publish(["shop@acme.example.com"], **arguments)
        publish(many, **arguments)
        found = {name for body in fifo.bodies() for name in parse(body).addresses}
        assert found == {"shop@acme.example.com", *many}


def test_the_timestamp_has_an_offset(world: World) -> None:
    publish(queue_url=world.queue, region=REGION, endpoint_url=world.url)
    (body,) = world.bodies()
    assert datetime.fromisoformat(json.loads(body)["timestamp"]).utcoffset() is not None


def test_many_addresses_go_in_several_messages_that_name_each_once(world: World) -> None:
    addresses = [f"{'ü' * 60}{n}@{'a' * 60}.example.com" for n in range(1000)]
    publish(addresses, queue_url=world.queue, region=REGION, endpoint_url=world.url)
    bodies = world.bodies()
    assert len(bodies) > 3
    assert all(len(body.encode()) <= LARGEST_BODY for body in bodies)
    assert sorted(address for body in bodies for address in parse(body).addresses) == sorted(addresses)


def test_a_full_message_fits_into_an_envelope(world: World) -> None:
    publish(['"' * 250 + f"{n}@b" for n in range(1000)], topic_arn=world.topic, endpoint_url=world.url)
    assert all(len(body.encode()) < 262_144 for body in world.bodies())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either topic_arn or queue_url"),
        ({"topic_arn": "arn:aws:sns:eu-west-1:1:t", "queue_url": "http://x"}, "and not both"),
        ({"queue_url": "http://x", "event": "address_chnaged"}, "must be one of"),
        ({"queue_url": "http://x", "addresses": "a@b.example"}, "must be a list"),
        ({"queue_url": "http://x", "addresses": ["a@b.example", ""]}, "is not an address"),
        ({"queue_url": "http://x", "addresses": ["example.com"]}, "is not an address"),
        ({"queue_url": "http://x", "addresses": [None]}, "is not an address"),
        ({"queue_url": "http://x", "addresses": [["a@b.example"]]}, "is not an address"),
        ({"queue_url": "http://x", "addresses": ["a@b\n.example"]}, "is not an address"),
        ({"queue_url": "http://x", "addresses": ["a" * 400 + "@b.example"]}, "longer than any address"),
        ({"topic_arn": "my-topic"}, "arn:aws:sns:REGION"),
    ],
)
def test_a_mistake_is_told_before_anything_is_sent(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        publish(**arguments)


@pytest.fixture
def proxy(double_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(double_url) as proxy:
        yield proxy


def test_a_request_that_fails_is_made_again(world: World, proxy: FaultProxy) -> None:
    proxy.fail("Publish", Fault.server_error(503), times=2)
    publish(["a@example.com"], topic_arn=world.topic, endpoint_url=proxy.url)
    assert len(world.bodies()) == 1
    assert proxy.count("Publish") == 3


def test_a_request_that_goes_on_failing_is_an_error_after_three(world: World, proxy: FaultProxy) -> None:
    proxy.fail("Publish", Fault.server_error(503))
    with pytest.raises(ClientError):
        publish(["a@example.com"], topic_arn=world.topic, endpoint_url=proxy.url)
    assert proxy.count("Publish") == 3


MANY = [f"{n:05}{'x' * 240}@example.com" for n in range(3000)]


def test_many_messages_go_in_batches(world: World, proxy: FaultProxy) -> None:
    assert publish(MANY, topic_arn=world.topic, endpoint_url=proxy.url)
    bodies = world.bodies()
    assert sorted(name for body in bodies for name in parse(body).addresses) == MANY
    assert proxy.count("PublishBatch") < len(bodies)


def answer(*, taken: str | None = None, refused: str) -> Fault:
    """What AWS answers to a batch of which it took some."""
    failed = {"Id": refused, "Code": "InternalError", "Message": "try later", "SenderFault": False}
    good = [{"Id": taken, "MessageId": "taken", "MD5OfMessageBody": ""}] if taken is not None else []
    return Fault.answer(json.dumps({"Successful": good, "Failed": [failed]}).encode())


def test_what_a_batch_leaves_out_is_sent_again(world: World, proxy: FaultProxy) -> None:
    url = f"{proxy.url}/{world.queue.split('/', 3)[3]}"
    proxy.fail("SendMessageBatch", answer(taken="0", refused="1"), times=1)
    publish(MANY[:600], queue_url=url, endpoint_url=proxy.url, region=REGION)
    (second,) = world.bodies()
    assert parse(second).addresses[-1] == MANY[599]
    assert proxy.count("SendMessageBatch") == 2


def test_what_is_refused_for_good_is_named(world: World, proxy: FaultProxy) -> None:
    url = f"{proxy.url}/{world.queue.split('/', 3)[3]}"
    proxy.fail("SendMessageBatch", answer(taken="0", refused="1"), times=1)
    proxy.fail("SendMessageBatch", answer(refused="1"))
    with pytest.raises(NotPublishedError, match="InternalError try later; publish them again") as caught:
        publish(MANY[:600], queue_url=url, endpoint_url=proxy.url, region=REGION)
    assert 0 < len(caught.value.addresses) < 600
    assert caught.value.addresses[-1] == MANY[599]


@given(st.lists(st.integers(min_value=1, max_value=LARGEST_BODY), max_size=40))
def test_batches_hold_every_message_once_and_are_such_as_aws_takes(sizes: list[int]) -> None:
    bodies = {str(number): "x" * size for number, size in enumerate(sizes)}
    batches = list(_batches(bodies))
    assert {name: body for batch in batches for name, body in batch.items()} == bodies
    assert sum(map(len, batches)) == len(bodies)
    for batch in batches:
        assert 0 < len(batch) <= 10
        assert sum(map(len, batch.values())) <= 262_144


# The Lambda handlers.


@pytest.fixture
def function(world: World, session: boto3.session.Session, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:  # noqa: ARG001
    """The environment of a Lambda function."""
    settings = {"TOPIC_ARN": world.topic, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": world.url}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_function_publishes_what_its_caller_says(world: World, function: pytest.MonkeyPatch) -> None:
    assert handler({"addresses": ["a@example.com"]})["message_id"]
    assert handler({})["message_id"]
    function.delenv("TOPIC_ARN")
    function.setenv("QUEUE_URL", world.queue)
    assert handler({"event": "user_changed"})["message_id"]
    hints = [parse(body) for body in world.bodies()]
    assert sorted(hint.event for hint in hints) == ["address_changed", "resync", "user_changed"]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"address": "a@example.com"}, "the event has address; it may have addresses and event"),
        ({"addresses": "a@example.com"}, "must be a list"),
        ({"event": "nonsense"}, "must be one of"),
    ],
)
def test_the_function_refuses_what_makes_no_sense(
    function: pytest.MonkeyPatch,  # noqa: ARG001 (there is a topic)
    event: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        handler(event)


def test_a_function_without_a_destination_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOPIC_ARN", "QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="set one"):
        handler({})
    with pytest.raises(ValueError, match="set one"):
        from_stream({"Records": [{}]})


@pytest.mark.parametrize("view", ["KEYS_ONLY", "NEW_AND_OLD_IMAGES"])
def test_records_of_a_real_stream_are_told(world: World, function: pytest.MonkeyPatch, view: Any) -> None:
    del function
    client = boto3.client("dynamodb")
    streams = boto3.client("dynamodbstreams")
    table = f"addresses-{uuid.uuid4().hex}"
    made = client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
    )["TableDescription"]
    for address in ("a@example.com", "b@example.com", "a@example.com"):
        item = {"address": {"S": address}, "comment": {"S": uuid.uuid4().hex}}
        client.put_item(TableName=table, Item=item)
    client.delete_item(TableName=table, Key={"address": {"S": "b@example.com"}})
    stream = made["LatestStreamArn"]
    (shard,) = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    start = streams.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert len(records) == 4
    assert from_stream({"Records": records})["addresses"] == 2
    (body,) = world.bodies()
    assert parse(body).addresses == ("a@example.com", "b@example.com")


def record(address: str) -> dict[str, Any]:
    return {"eventName": "MODIFY", "dynamodb": {"Keys": {"address": {"S": address}}}}


@pytest.mark.parametrize(
    "records",
    [
        [record(f"a{n}@example.com") for n in range(101)],
        [record("a@example.com"), record("no address")],
        [record("a@example.com"), {"dynamodb": {"Keys": {"other": {"S": "x@y.z"}}}}],
        [record("a@example.com"), {"odd": 1}],
        [record("a@example.com"), None],
    ],
)
def test_what_cannot_be_named_asks_for_everything_and_blocks_nothing(
    world: World,
    function: pytest.MonkeyPatch,  # noqa: ARG001 (its effect)
    records: list[Any],
) -> None:
    assert from_stream({"Records": records})["addresses"] == 0
    (body,) = world.bodies()
    assert parse(body).event == "resync"


def test_a_batch_without_records_tells_nothing(world: World, function: pytest.MonkeyPatch) -> None:
    del function
    assert from_stream({"Records": []}) == {}
    assert not world.bodies()


ALONE = """
import sys, time
began = time.perf_counter()
import reconfigure.notify
took = time.perf_counter() - began
others = [name for name in sys.modules if name.startswith("reconfigure.") and name != "reconfigure.notify"]
heavy = [name for name in "boto3 botocore jinja2 structlog tenacity yaml click".split() if name in sys.modules]
print(f"{others} {heavy} {took * 1000:.1f} ms")
"""


def test_importing_it_brings_neither_the_daemon_nor_boto3_along() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] [] "), done.stdout


def test_every_event_that_can_be_sent_is_understood() -> None:
    assert set(EVENTS) == UNDERSTOOD
