"""A source that fails: what is live stays, messages wait, Healthchecks hears why, AWS is left in peace, it mends."""

import signal
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from embedded.faults import Fault
from embedded.healthchecks import HealthchecksDouble
from reconfigure.sources.queue import QueueDepth

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]
Until = Callable[..., None]

FAULTS = {
    "throttled": (Fault.throttled(), "ProvisionedThroughputExceededException"),
    "500": (Fault.server_error(), "InternalServerError"),
    "denied": (Fault.denied(), "AccessDeniedException"),
    "reset": (Fault.connection_reset(), "Connection"),
    "truncated": (Fault.truncated(), "cut short"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_while_addresses_cannot_be_read_messages_wait_old_maps_serve_and_it_mends_by_itself(
    run: Run, world: "World", until: Until, pings: HealthchecksDouble, fault: str
) -> None:
    trouble, code = FAULTS[fault]
    world.put("info@acme.example.com")
    daemon = run(RECONFIGURE_READ_ATTEMPTS="2")
    daemon.wait("pass_finished", outcome="changed")
    world.proxy.fail("Scan", trouble)
    world.put("shop@acme.example.com")
    world.send()
    failed = daemon.wait("pass_finished", outcome="failed", trigger="message")
    daemon.wait("pass_finished", outcome="failed", trigger="retry")
    assert code in failed["error"]
    assert world.table in failed["error"]
    assert daemon.served() == {"info@acme.example.com": "RELAY"}
    assert sum(world.depth()) == 1, "the message waits on the queue"
    assert pings.wait(lambda _: pings.check("tier").status == "down")
    body = next(ping.body for ping in pings.pings("tier") if ping.kind == "fail")
    assert body.startswith("reason: ")
    assert code in body
    status = daemon.status_when(lambda status: status["state"] == "failed")
    assert code in status["last_error"]["error"]
    world.proxy.heal()
    daemon.wait("pass_finished", count=2, outcome="changed")
    assert "shop@acme.example.com" in daemon.served()
    until(world.is_drained)
    assert pings.wait(lambda _: pings.check("tier").status == "up")
    daemon.status_when(lambda status: status["state"] == "ok")


def test_while_addresses_cannot_be_read_few_requests_are_made_with_growing_pauses_and_no_poll(
    run: Run, world: "World", until: Until
) -> None:
    world.put("info@acme.example.com")
    daemon = run(RECONFIGURE_RETRY_SECONDS="0.5", RECONFIGURE_READ_ATTEMPTS="2")
    daemon.wait("pass_finished", outcome="changed")
    world.proxy.fail("DynamoDB", Fault.server_error())
    world.send()
    daemon.wait("pass_finished", outcome="failed")
    until(lambda: world.depth().in_flight == 1)
    before = world.proxy.count("DynamoDB")
    polls = world.proxy.count("ReceiveMessage")
    daemon.wait("pass_finished", outcome="failed", count=5)
    # Each probe is one try, which is two requests of botocore's; the poll that was under way may have come to its end.
    assert world.proxy.count("DynamoDB") - before <= 4 * 2 + 2
    assert world.proxy.count("ReceiveMessage") - polls <= 1
    said = daemon.said("pass_finished", outcome="failed")[:5]
    for number, line in enumerate(said):
        longest = 0.5 * 2**number
        assert 0.9 * longest - 0.1 <= line["next_pass"] <= longest
    for earlier, later in pairwise(said):
        passed = datetime.fromisoformat(later["timestamp"]) - datetime.fromisoformat(earlier["timestamp"])
        assert passed.total_seconds() >= earlier["next_pass"] - 0.1


def test_while_the_queue_is_down_the_timer_goes_on_it_is_said_once_and_it_mends_by_itself(
    run: Run, world: "World", until: Until
) -> None:
    world.put("info@acme.example.com")
    world.proxy.fail("AmazonSQS", Fault.server_error())
    daemon = run(RECONFIGURE_INTERVAL="1")
    daemon.wait("pass_finished")
    world.put("shop@acme.example.com")
    daemon.wait("pass_finished", outcome="changed", trigger="timer")
    until(lambda: world.proxy.count("ReceiveMessage") >= 6)
    assert len(daemon.said("queue_receive_failed")) == 1
    assert "failed" not in daemon.passes()
    world.proxy.heal()
    daemon.wait("queue_receive_recovered")
    world.send()
    daemon.wait("pass_finished", trigger="message")
    until(world.is_drained)


def test_messages_that_cannot_be_deleted_are_said_everywhere_until_they_can_be(
    run: Run, world: "World", pings: HealthchecksDouble
) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished")
    daemon.status_when(lambda status: status["queue"] is not None)
    world.proxy.fail("DeleteMessageBatch", Fault.denied("sqs:DeleteMessage"))
    world.send()
    daemon.status_when(lambda status: "sqs:DeleteMessage" in (status["queue"]["delete_error"] or ""))
    daemon.tell(signal.SIGHUP)
    assert pings.wait(lambda _: any("reason: messages are not deleted" in ping.body for ping in pings.pings("tier")))
    assert pings.check("tier").status == "up"
    world.proxy.heal()
    world.send()
    daemon.status_when(lambda status: status["queue"]["delete_error"] is None)


def test_a_table_that_is_gone_fails_the_pass_and_a_new_one_mends_it(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.drop_table()
    world.send()
    failed = daemon.wait("pass_finished", outcome="failed")
    assert "ResourceNotFoundException" in failed["error"]
    assert daemon.served() == {"info@acme.example.com": "RELAY"}
    world.make_table()
    world.put("info@acme.example.com")
    daemon.wait("pass_finished", outcome="unchanged", trigger="retry")


def test_a_table_that_is_being_deleted_fails_the_pass(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    body = b'{"Table": {"TableName": "addresses", "TableStatus": "DELETING"}}'
    world.proxy.fail("DescribeTable", Fault.answer(body))
    world.send()
    assert "DELETING" in daemon.wait("pass_finished", outcome="failed")["error"]
    assert daemon.served() == {"info@acme.example.com": "RELAY"}


def test_a_table_that_is_empty_holds_and_the_old_maps_serve(
    run: Run, world: "World", pings: HealthchecksDouble
) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.delete("info@acme.example.com")
    world.send()
    held = daemon.wait("pass_finished", outcome="held")
    assert "the address table is empty" in held["error"]
    assert daemon.served() == {"info@acme.example.com": "RELAY"}
    assert pings.wait(lambda _: pings.check("tier").status == "down")


def test_a_first_table_that_is_empty_makes_no_empty_maps(run: Run, world: "World") -> None:
    daemon = run()
    daemon.wait("pass_finished", outcome="held")
    assert not (daemon.state / "current").exists()
    world.put("info@acme.example.com")
    daemon.wait("pass_finished", outcome="changed", trigger="retry")
    assert "info@acme.example.com" in daemon.served()


def test_a_user_pool_that_is_empty_holds(run: Run, world: "World", with_users: dict[str, str]) -> None:
    world.put("info@acme.example.com")
    daemon = run(**with_users)
    daemon.wait("pass_finished", outcome="changed")
    before = (daemon.state / "current/passwd/passwd").read_text()
    assert "alice" in before
    world.drop_user("alice")
    world.drop_user("bob")
    world.send()
    assert "the user pool has no user" in daemon.wait("pass_finished", outcome="held")["error"]
    assert (daemon.state / "current/passwd/passwd").read_text() == before


def test_users_that_fail_on_their_second_page_fail_the_pass_and_nothing_gets_smaller(
    run: Run, world: "World", with_users: dict[str, str]
) -> None:
    world.add_users(*(f"user{number}" for number in range(70)))
    world.put("info@acme.example.com")
    daemon = run(**with_users, RECONFIGURE_READ_ATTEMPTS="1")
    daemon.wait("pass_finished")
    before = (daemon.state / "current").readlink()
    world.proxy.fail("ListUsers", Fault(), times=1)  # the first page goes through
    world.proxy.fail("ListUsers", Fault.denied("cognito-idp:ListUsers"))
    world.send()
    failed = daemon.wait("pass_finished", outcome="failed")
    assert "page 2 of the users" in failed["error"]
    assert (daemon.state / "current").readlink() == before
    world.proxy.heal()
    daemon.wait("pass_finished", outcome="unchanged")


def test_messages_of_a_failed_pass_are_given_to_whoever_polls_after_the_pause(
    run: Run, world: "World", until: Until
) -> None:
    world.put("info@acme.example.com")
    daemon = run(RECONFIGURE_RETRY_SECONDS="600", RECONFIGURE_READ_ATTEMPTS="1")
    daemon.wait("pass_finished", outcome="changed")
    world.proxy.fail("Scan", Fault.denied())
    world.send()
    daemon.wait("pass_finished", outcome="failed")
    until(lambda: world.proxy.count("ChangeMessageVisibility") == 1)
    assert world.depth() == QueueDepth(0, 1, 0)
