"""The queue commands against an AWS double over HTTP, with a proxy before it where AWS is to refuse."""

import json
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from embedded.faults import Fault, FaultProxy
from reconfigure.sources.aws import Clients

REGION = "eu-west-1"
READABLE = json.dumps({"event": "address_changed", "timestamp": "2026-01-01T00:00:00Z", "addresses": ["a@example.com"]})
ENVELOPE = json.dumps({"Type": "Notification", "Message": READABLE})


@pytest.fixture
def queues(environment: pytest.MonkeyPatch, double_url: str) -> Iterator[Any]:
    """A queue with a dead-letter queue, reached through a proxy by the command and directly by the test."""
    clients = Clients(REGION, double_url)
    name = f"q-{uuid.uuid4().hex}"
    dead = clients.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = clients.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
    live = clients.sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"]
    with FaultProxy(double_url) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        environment.setenv("ADDRESSES_TABLE", "addresses")
        for setting, url in (("SQS_QUEUE_URL", live), ("SQS_DLQ_URL", dead)):
            environment.setenv(setting, f"{proxy.url}/{url.split('/', 3)[3]}")
        yield SimpleNamespace(sqs=clients.sqs, live=live, dead=dead, name=name, proxy=proxy)
    for url in (live, dead):
        clients.sqs.delete_queue(QueueUrl=url)
    clients.close()


def drain(queues: Any, url: str) -> list[Any]:
    found: list[Any] = []
    while more := queues.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    ).get("Messages"):
        found += more
    return found


def fill(queues: Any, url: str, *bodies: str) -> None:
    for body in bodies:
        queues.sqs.send_message(QueueUrl=url, MessageBody=body)


@pytest.mark.parametrize("words", [("queue", "--json"), ("queue", "show", "--json")])
def test_show_tells_both_queues_and_that_they_belong_together(queues: Any, run: Any, words: tuple[str, ...]) -> None:
    fill(queues, queues.live, READABLE)
    fill(queues, queues.dead, READABLE, READABLE)
    result = run(*words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["queue"]["visible"], told["dead_letters"]["visible"]) == (1, 2)
    assert told["queue"]["max_receive_count"] == 3
    assert told["matches_policy"] is True


def test_show_finds_a_dead_letter_queue_that_no_setting_names(queues: Any, run: Any, environment: Any) -> None:
    environment.delenv("SQS_DLQ_URL")
    assert json.loads(run("queue", "--json").stdout)["dead_letters"]["name"] == f"{queues.name}-dead"


def test_show_is_not_good_when_the_setting_names_another_queue_than_the_policy(queues: Any, run: Any) -> None:
    queues.sqs.set_queue_attributes(QueueUrl=queues.live, Attributes={"RedrivePolicy": ""})
    result = run("queue")
    assert result.exit_code == 1
    assert "redrive policy names none" in " ".join(result.stdout.split())


def test_peek_reads_through_the_envelope_and_gives_everything_back(queues: Any, run: Any) -> None:
    fill(queues, queues.live, ENVELOPE)
    told = json.loads(run("queue", "peek", "--json").stdout)
    (message,) = told["messages"]
    assert (message["event"], message["addresses"]) == ("address_changed", ["a@example.com"])
    assert told["oldest_age_seconds"] >= 0
    (still,) = drain(queues, queues.live)  # visible at once
    assert still["Attributes"]["ApproximateReceiveCount"] == "2"


def test_peek_stops_at_a_message_that_had_its_last_receive(queues: Any, run: Any) -> None:
    fill(queues, queues.live, READABLE)
    assert json.loads(run("queue", "peek", "--json").stdout)["at_brink"] is False
    assert json.loads(run("queue", "peek", "--json").stdout)["at_brink"] is False
    fill(queues, queues.live, *[READABLE] * 4)
    told = json.loads(run("queue", "peek", "--json").stdout)
    assert told["at_brink"] is True
    assert told["messages"][-1]["receive_count"] == 3
    assert len(told["messages"]) < 5


def test_peek_shows_hostile_bodies_harmlessly_and_says_what_is_wrong(queues: Any, run: Any) -> None:
    fill(queues, queues.dead, "[bold]\x85\u202e\nroot: ok " + "x" * 5000)
    result = run("queue", "peek", "--dlq")
    assert result.exit_code == 0
    assert "\u202e" not in result.stdout
    assert "\x85" not in result.stdout
    assert "it is not JSON" in " ".join(result.stdout.split())
    assert "--full" in result.stdout
    assert len(result.stdout) < 2500


def test_redrive_moves_what_can_be_read_with_its_attributes_and_leaves_the_rest(queues: Any, run: Any) -> None:
    fill(queues, queues.dead, "garbage", *[READABLE] * 12)
    kind = {"kind": {"DataType": "String", "StringValue": "mail"}}
    queues.sqs.send_message(QueueUrl=queues.dead, MessageBody=READABLE, MessageAttributes=kind)
    result = run("queue", "redrive", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["moved"], told["unreadable"], told["copies"]) == (13, 1, 0)
    moved = drain(queues, queues.live)
    assert len(moved) == 13
    assert [one["MessageAttributes"]["kind"]["StringValue"] for one in moved if "MessageAttributes" in one] == ["mail"]
    assert [one["Body"] for one in drain(queues, queues.dead)] == ["garbage"]


def test_redrive_of_everything_goes_one_by_one_where_the_move_api_is_missing(queues: Any, run: Any) -> None:
    fill(queues, queues.dead, "garbage", READABLE)
    result = run("queue", "redrive", "--all")
    assert result.exit_code == 0, result.output
    assert "no StartMessageMoveTask" in result.stderr
    assert len(drain(queues, queues.live)) == 2


def test_redrive_moves_no_more_than_asked(queues: Any, run: Any) -> None:
    fill(queues, queues.dead, *[READABLE] * 5)
    assert json.loads(run("queue", "redrive", "--limit", "2", "--json").stdout)["moved"] == 2
    assert len(drain(queues, queues.dead)) == 3


def test_a_dead_letter_that_cannot_be_sent_is_not_deleted(queues: Any, run: Any) -> None:
    fill(queues, queues.dead, READABLE)
    queues.proxy.fail("SendMessage", Fault.denied("sqs:SendMessage"))
    result = run("queue", "redrive")
    assert result.exit_code == 1
    assert "allow sqs:SendMessage" in result.stderr
    assert len(drain(queues, queues.dead)) == 1


def test_sqs_moves_everything_where_it_can(queues: Any, run: Any) -> None:
    fill(queues, queues.dead, READABLE)
    queues.proxy.fail("StartMessageMoveTask", Fault.answer(b'{"TaskHandle": "t"}'))
    for task in ({"Status": "RUNNING"}, {"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 1}):
        queues.proxy.fail("ListMessageMoveTasks", Fault.answer(json.dumps({"Results": [task]}).encode()), times=1)
    told = json.loads(run("queue", "redrive", "--all", "--json").stdout)
    assert (told["way"], told["moved"], told["error"]) == ("task", 1, None)


def test_purge_wants_the_name_and_then_empties(queues: Any, run: Any) -> None:
    fill(queues, queues.dead, READABLE)
    assert run("queue", "purge", "--dlq").exit_code == 2  # nobody to ask
    assert run("queue", "purge", "--dlq", "--yes", queues.name).exit_code == 1
    assert len(json.loads(run("queue", "peek", "--dlq", "--json").stdout)["messages"]) == 1
    assert run("queue", "purge", "--dlq", "--yes", f"{queues.name}-dead").exit_code == 0
    assert drain(queues, queues.dead) == []


def test_a_purge_under_way_is_said(queues: Any, run: Any) -> None:
    queues.proxy.fail("PurgeQueue", Fault.error(403, "PurgeQueueInProgress"))
    result = run("queue", "purge", "--yes", queues.name)
    assert result.exit_code == 1
    assert "less than a minute ago" in result.stderr


@pytest.mark.parametrize(
    ("words", "action"),
    [
        (("show",), "GetQueueAttributes"),
        (("peek",), "ReceiveMessage"),
        (("redrive",), "ReceiveMessage"),
        (("redrive", "--all"), "StartMessageMoveTask"),
        (("purge", "--yes", "NAME"), "PurgeQueue"),
    ],
)
def test_a_missing_permission_is_named(queues: Any, run: Any, words: tuple[str, ...], action: str) -> None:
    queues.proxy.fail(action, Fault.denied(f"sqs:{action}"))
    result = run("queue", *[queues.name if word == "NAME" else word for word in words])
    assert result.exit_code == 1
    assert f"allow sqs:{action}" in result.stderr


def test_without_a_queue_it_says_what_works_without(queues: Any, run: Any, environment: Any) -> None:  # noqa: ARG001
    environment.delenv("SQS_QUEUE_URL")
    environment.delenv("SQS_DLQ_URL")
    result = run("queue", "peek")
    assert result.exit_code == 78
    assert "reconfigure once" in result.stderr


@pytest.mark.parametrize("words", [("show",), ("peek",), ("redrive",), ("purge", "--yes", "x")])
def test_aws_that_is_down_is_one_line(queues: Any, spawn: Any, words: tuple[str, ...]) -> None:
    queues.proxy.close()
    done = spawn("queue", *words)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "check AWS_REGION" in done.stderr
