import json
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from embedded.faults import Fault, FaultProxy
from reconfigure.errors import SourceError
from reconfigure.sources.aws import Clients
from reconfigure.sources.queue import Queue, QueueDepth, Received, VisibilityKeeper

REGION = "eu-west-1"
Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def queue(clients: Clients, queue_url: str) -> Queue:
    return Queue(clients.sqs, queue_url, poll_seconds=1)


@pytest.fixture
def send(direct: Clients, queue_url: str) -> Callable[[int], None]:
    def send(count: int) -> None:
        for n in range(count):
            direct.sqs.send_message(QueueUrl=queue_url, MessageBody=f"message {n}")

    return send


def drain(queue: Queue) -> list[Received]:
    messages: list[Received] = []
    while found := queue.receive(0):
        messages += found
    return messages


def test_a_message_arrives_with_what_is_needed_to_judge_it(queue: Queue, send: Callable[[int], None]) -> None:
    send(1)
    (message,) = queue.receive()
    assert message.body == "message 0"
    assert message.receive_count == 1
    assert message.id
    assert message.receipt
    assert message.sent is not None
    assert message.sent > 1_600_000_000


def test_no_message_in_time_is_an_empty_list(queue: Queue) -> None:
    assert queue.receive(0) == []
    assert queue.receive(0.7) == []


def test_an_acknowledged_message_is_gone(queue: Queue, send: Callable[[int], None]) -> None:
    send(25)
    messages = drain(queue)
    assert len(messages) == 25
    assert queue.acknowledge(messages) == []
    assert queue.depth() == QueueDepth(0, 0, 0)


def test_depth_tells_waiting_from_held_messages(queue: Queue, send: Callable[[int], None], direct: Clients) -> None:
    send(3)
    direct.sqs.send_message(QueueUrl=queue.url, MessageBody="later", DelaySeconds=900)
    assert queue.depth() == QueueDepth(visible=3, in_flight=0, delayed=1)
    drain(queue)
    assert queue.depth() == QueueDepth(visible=0, in_flight=3, delayed=1)


def test_messages_given_back_are_there_at_once_for_the_next(queue: Queue, send: Callable[[int], None]) -> None:
    send(12)
    messages = drain(queue)
    assert queue.give_back(messages) == []
    again = drain(queue)
    assert {message.id for message in again} == {message.id for message in messages}
    assert {message.receive_count for message in again} == {2}


def test_a_delayed_message_stays_away(queue: Queue, send: Callable[[int], None]) -> None:
    send(1)
    messages = queue.receive()
    assert queue.delay(messages, 40_000) == []
    assert queue.receive(0) == []
    assert queue.depth().in_flight == 1


@pytest.mark.parametrize(
    ("seconds", "sent"), [(-5, 0), (0, 0), (0.2, 1), (59.5, 60), (1e9, 43_200), (float("inf"), 43_200)]
)
def test_a_delay_is_brought_into_what_sqs_takes(clients: Clients, queue_url: str, seconds: float, sent: int) -> None:
    asked: list[int] = []
    clients.sqs.meta.events.register(
        "provide-client-params.sqs.ChangeMessageVisibilityBatch",
        lambda params, **_: asked.extend(entry["VisibilityTimeout"] for entry in params["Entries"]),
    )
    queue = Queue(clients.sqs, queue_url, poll_seconds=1)
    queue.delay([Received("1", "receipt", "", 1)], seconds)
    assert asked == [sent]


def test_a_receipt_that_is_no_longer_good_is_no_error(queue: Queue, send: Callable[[int], None]) -> None:
    send(1)
    (message,) = queue.receive()
    queue.acknowledge([message])
    strange = Received("1", "no-such-receipt", "", 1)
    with capture_logs() as logs:
        assert queue.acknowledge([message]) == []
        assert queue.acknowledge([strange]) == []
        assert queue.delay([strange], 10) == []
    assert logs == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("ReceiptHandleIsInvalid", "The input receipt handle is invalid."),
        (
            "InvalidParameterValue",
            "Value x for parameter ReceiptHandle is invalid. Reason: it has expired.",
        ),
        ("MessageNotInflight", ""),
    ],
)
def test_an_expired_receipt_in_a_batch_is_no_error(queue: Queue, proxy: FaultProxy, code: str, text: str) -> None:
    entry = {"Id": "0", "SenderFault": True, "Code": code, "Message": text}
    body = json.dumps({"Successful": [], "Failed": [entry]})
    proxy.fail("DeleteMessageBatch", Fault.answer(body.encode()))
    assert queue.acknowledge([Received("1", "receipt", "", 1)]) == []


def test_the_failed_part_of_a_batch_is_logged_and_returned(
    queue: Queue, send: Callable[[int], None], proxy: FaultProxy
) -> None:
    send(3)
    messages = drain(queue)
    left = {"Id": "1", "SenderFault": False, "Code": "InternalError"}
    body = json.dumps({"Successful": [{"Id": "0"}, {"Id": "2"}], "Failed": [left]}).encode()
    proxy.fail("DeleteMessageBatch", Fault.answer(body), times=1)
    with capture_logs() as logs:
        assert queue.acknowledge(messages) == [messages[1]]
    (entry,) = logs
    assert entry["event"] == "queue_messages_failed"
    assert entry["messages"] == [messages[1].id]
    assert "InternalError" in entry["error"]
    assert queue.delete_error == entry["error"]


def test_a_message_of_which_the_answer_says_nothing_counts_as_left(
    queue: Queue, send: Callable[[int], None], proxy: FaultProxy
) -> None:
    send(1)
    messages = drain(queue)
    proxy.fail("DeleteMessageBatch", Fault.answer(b"{}"))
    assert queue.acknowledge(messages) == messages


def test_a_batch_that_fails_whole_does_not_keep_the_next_from_being_tried(
    queue: Queue, send: Callable[[int], None], proxy: FaultProxy
) -> None:
    send(25)
    messages = drain(queue)
    proxy.fail("DeleteMessageBatch", Fault.connection_reset(), times=1)
    with capture_logs() as logs:
        assert queue.acknowledge(messages) == messages[:10]
    assert [entry["event"] for entry in logs] == ["queue_batch_failed"]
    assert queue.depth().in_flight == 10


def test_an_endpoint_that_hangs_costs_one_time_limit_however_many_messages_there_are(
    proxy: FaultProxy, queue_url: str, send: Callable[[int], None]
) -> None:
    clients = Clients(REGION, proxy.url, 1, read_timeout=0.5)
    queue = Queue(clients.sqs, queue_url, poll_seconds=1, at_once=clients.sqs_at_once)
    send(25)
    messages = drain(queue)
    proxy.fail("DeleteMessageBatch", Fault.delayed(3600))
    with capture_logs() as logs:
        assert queue.acknowledge(messages) == messages
    assert proxy.count("DeleteMessageBatch") == 1
    assert [(entry["event"], len(entry["messages"])) for entry in logs] == [("queue_batch_failed", 25)]
    clients.close()


def test_nothing_to_do_asks_nothing_of_aws(queue: Queue, proxy: FaultProxy) -> None:
    assert queue.acknowledge([]) == queue.give_back([]) == []
    assert proxy.count("AmazonSQS") == 0


@pytest.mark.parametrize(
    "fault", [Fault.server_error(), Fault.connection_reset(), Fault.truncated(), Fault.answer(b"<html>")]
)
def test_a_queue_that_cannot_be_read_is_an_error_and_no_silence(
    queue: Queue, proxy: FaultProxy, send: Callable[[int], None], fault: Fault
) -> None:
    send(1)
    proxy.fail("ReceiveMessage", fault)
    with pytest.raises(SourceError, match="reading messages from SQS queue"):
        queue.receive(0)


def test_a_missing_queue_says_what_to_correct(clients: Clients, proxy: FaultProxy) -> None:
    queue = Queue(clients.sqs, f"{proxy.url}/123456789012/nowhere", poll_seconds=1)
    with pytest.raises(SourceError, match="create it, or correct SQS_QUEUE_URL and AWS_REGION"):
        queue.receive(0)
    with pytest.raises(SourceError, match="reading the depth from SQS queue"):
        queue.depth()


def test_held_messages_stay_invisible_for_as_long_as_the_block_runs(
    clients: Clients, queue_url: str, send: Callable[[int], None], proxy: FaultProxy, until: Until
) -> None:
    queue = Queue(clients.sqs, queue_url, poll_seconds=1, visibility_seconds=2)
    send(11)
    messages = drain(queue)
    with VisibilityKeeper(queue, messages):
        # Two rounds of two batches each: by then, what receiving hid is over.
        until(lambda: proxy.count("ChangeMessageVisibilityBatch") >= 4)
        assert queue.receive(0) == []


def test_on_leaving_the_block_nothing_is_extended_any_more(
    queue: Queue, send: Callable[[int], None], proxy: FaultProxy
) -> None:
    send(1)
    messages = queue.receive()
    with VisibilityKeeper(queue, messages, period=100_000) as keeper:
        pass
    assert not keeper._thread.is_alive()
    assert proxy.count("ChangeMessageVisibilityBatch") == 0
    queue.give_back(messages)
    assert [message.id for message in queue.receive(0)] == [messages[0].id]


def test_failures_to_extend_are_logged_and_never_raised(
    queue: Queue, send: Callable[[int], None], proxy: FaultProxy, until: Until
) -> None:
    send(1)
    messages = queue.receive()
    proxy.fail("ChangeMessageVisibilityBatch", Fault.server_error())
    with capture_logs() as logs, VisibilityKeeper(queue, messages, period=0.02):
        until(lambda: proxy.count("ChangeMessageVisibilityBatch") >= 2)
    assert {entry["event"] for entry in logs} == {"queue_batch_failed"}


def test_a_request_that_hangs_does_not_keep_the_block_from_ending(
    queue: Queue, send: Callable[[int], None], proxy: FaultProxy, until: Until
) -> None:
    send(1)
    messages = queue.receive()
    proxy.fail("ChangeMessageVisibilityBatch", Fault.delayed(3600))
    with capture_logs() as logs, VisibilityKeeper(queue, messages, period=0.02, patience=0.01) as keeper:
        until(lambda: proxy.count("ChangeMessageVisibilityBatch") == 1)
    assert [entry["event"] for entry in logs] == ["visibility_keeper_left_behind"]
    proxy.close()
    until(lambda: not keeper._thread.is_alive())


def test_without_messages_there_is_nothing_to_hold(queue: Queue) -> None:
    with VisibilityKeeper(queue, []) as keeper:
        assert not keeper._thread.is_alive()
