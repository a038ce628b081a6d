from typing import Any

import pytest

from embedded.faults import Fault, FaultProxy


@pytest.fixture
def queue(world: Any, environment: pytest.MonkeyPatch) -> Any:
    environment.setenv("SQS_QUEUE_URL", world.queue_url)
    return world


def test_it_prints_the_message_id_and_the_tiers_queue_has_the_message(queue: Any, run: Any) -> None:
    result = run("notify", "shop@acme.example.com", "new@example.com")
    assert result.exit_code == 0
    assert len(result.stdout.split()) == 1
    (message,) = queue.messages()
    assert message["event"] == "address_changed"
    assert message["addresses"] == ["shop@acme.example.com", "new@example.com"]


def test_without_addresses_everything_may_have_changed(queue: Any, run: Any) -> None:
    assert run("notify").exit_code == 0
    (message,) = queue.messages()
    assert message["event"] == "resync"
    assert "addresses" not in message


def test_the_event_may_be_named(queue: Any, run: Any) -> None:
    assert run("notify", "--event", "user_changed").exit_code == 0
    (message,) = queue.messages()
    assert message["event"] == "user_changed"
    assert run("notify", "--event", "party").exit_code == 2


def test_a_topic_comes_before_the_queue(queue: Any, run: Any, environment: pytest.MonkeyPatch) -> None:
    queue.subscribe()
    environment.setenv("RECONFIGURE_TOPIC_ARN", queue.topic_arn)
    assert run("notify", "shop@acme.example.com").exit_code == 0
    (message,) = queue.messages()
    assert message["Type"] == "Notification"


@pytest.mark.parametrize(
    "address", ["", "shop", "a@b@c", "x\t|/bin/sh@example.com", "a" * 400 + "@example.com", "@x.y"]
)
def test_what_is_no_address_is_a_usage_error_and_nothing_is_sent(queue: Any, run: Any, address: str) -> None:
    result = run("notify", "shop@acme.example.com", address)
    assert result.exit_code == 2
    assert "is not an address" in result.stderr
    assert run("notify", "--event", "user_changed").exit_code == 0
    assert [message["event"] for message in queue.messages()] == ["user_changed"]


def test_nowhere_to_publish_to_is_a_matter_of_configuration(world: Any, run: Any) -> None:  # noqa: ARG001
    result = run("notify")
    assert result.exit_code == 78
    assert "RECONFIGURE_TOPIC_ARN and SQS_QUEUE_URL: neither is set" in result.stderr


def test_a_queue_that_is_not_there_is_said(queue: Any, run: Any, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SQS_QUEUE_URL", f"{queue.queue_url}-gone")
    result = run("notify")
    assert result.exit_code == 1
    assert f"publishing to {queue.queue_url}-gone failed" in result.stderr
    assert "sqs:SendMessage" in result.stderr


@pytest.mark.parametrize("fault", [Fault.answer(b"<html>log in first</html>"), Fault.answer(b"{}"), Fault.truncated()])
def test_what_is_no_answer_of_aws_is_said(
    queue: Any, run: Any, environment: pytest.MonkeyPatch, double_url: str, fault: Fault
) -> None:
    environment.setenv("RECONFIGURE_TOPIC_ARN", queue.topic_arn)
    with FaultProxy(double_url) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.fail("", fault)
        result = run("notify", "shop@acme.example.com")
    assert result.exit_code == 1
    assert f"publishing to {queue.topic_arn} failed: what came back is no answer of AWS" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_missing_credentials_are_said(queue: Any, spawn: Any, environment: pytest.MonkeyPatch) -> None:
    assert queue.queue_url
    environment.delenv("AWS_ACCESS_KEY_ID")
    environment.delenv("AWS_SECRET_ACCESS_KEY")
    environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    environment.setenv("AWS_CONFIG_FILE", "/nonexistent")
    done = spawn("notify")
    assert done.returncode == 1
    assert "credentials" in done.stderr
