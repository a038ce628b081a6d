"""What a message does: it makes a pass, and is acknowledged when one that began after it came has succeeded."""

import json
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embedded.faults import Fault
from embedded.healthchecks import HealthchecksDouble
from reconfigure import assembly
from reconfigure.settings import load
from reconfigure.sources.aws import Clients
from reconfigure.sources.queue import QueueDepth

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]
Until = Callable[..., None]


def test_an_address_is_live_in_the_pass_that_its_message_makes_and_the_message_is_acknowledged(
    run: Run, world: "World", until: Until
) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.put("shop@acme.example.com")
    world.send({"event": "address_changed", "addresses": ["shop@acme.example.com"]})
    finished = daemon.wait("pass_finished", count=2, outcome="changed")
    assert finished["trigger"] == "message"
    assert daemon.served() == {"info@acme.example.com": "RELAY", "shop@acme.example.com": "RELAY"}
    until(world.is_drained)
    assert daemon.passes() == ["changed", "changed"]


def test_a_burst_of_fifty_messages_raw_and_enveloped_is_one_pass_or_two(run: Run, world: "World", until: Until) -> None:
    world.put("info@acme.example.com")
    daemon = run(RECONFIGURE_QUIET_SECONDS="1")
    daemon.wait("pass_finished")
    world.put("shop@acme.example.com")
    for _ in range(25):
        world.send()
        world.publish({"event": "address_changed", "addresses": ["shop@acme.example.com"]})
    until(world.is_drained)
    made = daemon.said("pass_finished", trigger="message")
    assert 1 <= len(made) <= 2
    assert len(daemon.said("message_received", change="address_changed")) == 50
    assert "shop@acme.example.com" in daemon.served()


@pytest.mark.parametrize("body", [{"event": "something_new"}, {"event": "resync", "more": 1}, {}])
def test_an_event_that_nobody_knows_makes_a_pass_and_is_acknowledged(
    run: Run, world: "World", until: Until, body: object
) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished")
    world.put("shop@acme.example.com")
    world.send(body)
    daemon.wait("pass_finished", outcome="changed", trigger="message")
    until(world.is_drained)


def test_an_unreadable_message_is_logged_by_its_id_and_makes_no_pass(run: Run, world: "World", until: Until) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished")
    unreadable = world.send("not JSON")
    daemon.wait("message_unreadable", message_id=unreadable)
    world.send()
    daemon.wait("pass_finished", trigger="message")
    assert len(daemon.said("message_unreadable")) == 1
    assert daemon.passes() == ["changed", "unchanged"]
    until(lambda: world.depth() == QueueDepth(0, 1, 0))  # the unreadable one is left to the redrive policy


def test_a_user_who_was_disabled_is_served_no_longer_though_the_first_answer_was_a_moment_old(
    run: Run, world: "World", with_users: dict[str, str], until: Until
) -> None:
    world.put("info@acme.example.com")
    daemon = run(**with_users, RECONFIGURE_FOLLOW_UP_SECONDS="1")
    daemon.wait("pass_finished", outcome="changed")
    assert world.pool is not None
    stale = {"Users": world.direct.cognito.list_users(UserPoolId=world.pool)["Users"]}
    world.direct.cognito.admin_disable_user(UserPoolId=world.pool, Username="alice")
    world.proxy.fail("ListUsers", Fault.answer(json.dumps(stale, default=datetime.timestamp).encode()), times=1)
    world.send({"event": "user_changed", "user": "alice"})
    daemon.wait("pass_finished", trigger="message", outcome="unchanged")
    until(world.is_drained)
    daemon.wait("pass_finished", trigger="follow-up", outcome="changed")
    assert "alice" not in (daemon.state / "current/passwd/passwd").read_text()


@pytest.mark.parametrize("quiet_limit", ["2", "60", "299.5"])
def test_no_message_comes_again_while_it_waits_for_its_burst_to_end(
    environment: dict[str, str], quiet_limit: str
) -> None:
    settings = load(environment | {"RECONFIGURE_QUIET_LIMIT": quiet_limit})
    messages = assembly.messages(settings, Clients(settings.aws_region, settings.aws_endpoint_url))
    assert messages is not None
    assert messages.visibility_seconds >= settings.quiet_limit + 60


def test_a_hangup_at_the_start_ends_nothing(run: Run, world: "World", until: Until) -> None:
    world.put("info@acme.example.com")
    daemon = run(SQS_QUEUE_URL="")
    status = Path(f"/proc/{daemon.process.pid}/status")

    def ignored() -> bool:
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("SigIgn:")]
        return bool(int(line.split()[1], 16) & 1 << (signal.SIGHUP - 1))

    until(ignored)
    while not daemon.said("started"):
        daemon.tell(signal.SIGHUP)
        assert daemon.process.poll() is None
    daemon.wait("pass_finished", outcome="changed")


def test_a_hangup_makes_a_full_pass_now(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    daemon = run(SQS_QUEUE_URL="")
    daemon.wait("pass_finished")
    world.put("shop@acme.example.com")
    daemon.tell(signal.SIGHUP)
    assert daemon.wait("pass_finished", count=2)["trigger"] == "signal"
    assert "shop@acme.example.com" in daemon.served()


def test_a_timer_pass_with_nothing_to_change_pings_success_and_writes_nothing_under_generations(
    run: Run, world: "World", pings: HealthchecksDouble
) -> None:
    world.put("info@acme.example.com")
    daemon = run(RECONFIGURE_INTERVAL="1")
    daemon.wait("pass_finished", outcome="changed")
    before = daemon.generations()
    finished = daemon.wait("pass_finished", count=2, trigger="timer", outcome="unchanged")

    def success() -> list[str]:
        bodies = [ping.body for ping in pings.pings("tier") if (ping.rid or "").startswith(finished["pass"])]
        return [body for body in bodies if "outcome: unchanged" in body]

    assert pings.wait(lambda _: bool(success()))
    assert pings.check("tier").status == "up"
    assert daemon.generations() == before
