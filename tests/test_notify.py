import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import boto3.session
import pytest
from moto.server import ThreadedMotoServer

from reconfigure.notify import EVENTS, LARGEST_BODY, publish
from reconfigure.sources.messages import EVENTS as UNDERSTOOD
from reconfigure.sources.messages import parse

REGION = "eu-west-1"


class World(NamedTuple):
    url: str
    topic: str
    queue: str
    sqs: Any

    def bodies(self) -> list[str]:
        found: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            found += [message["Body"] for message in messages]
        return found


@pytest.fixture(scope="module")
def double_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


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


def test_every_event_that_can_be_sent_is_understood() -> None:
    assert set(EVENTS) == UNDERSTOOD
