"""A pass that would take too much away is held until somebody looked, or until the source says so no more."""

import json
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from embedded.healthchecks import HealthchecksDouble
from reconfigure import assembly
from reconfigure.errors import GenerationError
from reconfigure.settings import Settings

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]
Until = Callable[..., None]

ADDRESSES = [f"shop{number}@acme.example.com" for number in range(20)]


@pytest.fixture
def held(run: Run, world: "World") -> "Daemon":
    """A daemon that was told of twelve of twenty addresses being gone, and holds that."""
    world.put(*ADDRESSES)
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.delete(*ADDRESSES[:12])
    world.send()
    daemon.wait("pass_finished", outcome="held", trigger="message")
    return daemon


def test_losing_too_much_is_held_with_the_numbers_and_the_old_maps_serve(
    held: "Daemon", pings: HealthchecksDouble
) -> None:
    assert len(held.served()) == 20
    status = held.status_when(lambda status: status["state"] == "held")
    assert status["held"]["lost"]["addresses"] == 12
    assert pings.wait(lambda _: pings.check("tier").status == "down")
    body = next(ping.body for ping in pings.pings("tier") if ping.kind == "fail")
    assert "12 of 20 addresses" in body


def test_losing_fewer_than_ten_goes_through(run: Run, world: "World") -> None:
    world.put(*ADDRESSES)
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.delete(*ADDRESSES[:9])
    world.send()
    daemon.wait("pass_finished", outcome="changed", count=2)
    assert len(daemon.served()) == 11


def test_what_is_approved_is_applied_once_and_its_message_acknowledged(
    held: "Daemon", world: "World", until: Until, settings: Settings
) -> None:
    approved, _ = assembly.reconciler(settings).approve()
    assert approved.counts["addresses"] == 8
    assert len(held.served()) == 8
    held.tell(signal.SIGHUP)
    held.wait("pass_finished", outcome="unchanged")
    until(world.is_drained)
    with pytest.raises(GenerationError, match="nothing is held"):
        assembly.reconciler(settings).approve()
    world.put(*ADDRESSES[:12])
    world.send()
    changed = held.wait("pass_finished", outcome="changed", count=2)
    world.delete(*ADDRESSES[:12])
    world.send()
    held.wait("pass_finished", outcome="held", generation=changed["generation"])
    assert len(held.served()) == 20, "an approval is for what was held then, not for ever"


def test_an_address_that_is_revoked_while_a_mass_change_is_held_is_refused_at_once(
    run: Run, world: "World", pings: HealthchecksDouble
) -> None:
    world.put(*ADDRESSES)
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.put(*ADDRESSES, user="bob")
    world.send()
    daemon.wait("pass_finished", outcome="held", trigger="message")
    world.delete(ADDRESSES[0])
    world.send({"event": "address_changed", "addresses": [ADDRESSES[0]]})
    said = daemon.wait("withdrawn_while_held")
    status = daemon.status_when(lambda status: status["generation"] == said["generation"])
    # Not read back by makemap, which takes no hard link below /tmp: the held generation has the same map.
    table = (daemon.state / "current/mail/access").read_text()
    assert [address for address in ADDRESSES if f"to:{address}\t" not in table] == ADDRESSES[:1]
    assert status["state"] == "held"
    assert status["counts"]["addresses"] == 19
    assert status["last_change"] is not None
    history = [json.loads(line) for line in (daemon.state / "history.jsonl").read_text().splitlines()]
    [line] = [line for line in history if line["generation"] == said["generation"]]
    assert (line["outcome"], line["withdrawn"]) == ("held", {"addresses lost": 1})
    assert pings.wait(
        lambda _: any("what was revoked is live all the same" in ping.body for ping in pings.pings("tier"))
    )


def test_an_approval_wakes_the_loop_that_waits_for_its_next_try(
    run: Run, world: "World", until: Until, settings: Settings
) -> None:
    world.put(*ADDRESSES)
    daemon = run(RECONFIGURE_RETRY_SECONDS="3600")
    daemon.wait("pass_finished", outcome="changed")
    world.delete(*ADDRESSES[:12])
    world.send()
    daemon.wait("pass_finished", outcome="held")
    assembly.reconciler(settings).approve()
    daemon.wait("pass_finished", outcome="unchanged", trigger="operator")
    until(world.is_drained)


def test_rows_that_come_back_release_what_was_held(held: "Daemon", world: "World", until: Until) -> None:
    world.put(*ADDRESSES[:12])
    world.send()
    held.wait("pass_finished", outcome="unchanged")
    assert not (held.state / "held.json").exists()
    held.status_when(lambda status: status["state"] == "ok")
    until(world.is_drained)


def test_the_message_of_a_held_pass_waits_through_every_retry_without_being_received_again(
    held: "Daemon", world: "World", until: Until
) -> None:
    held.wait("pass_finished", outcome="held", trigger="retry", count=3)
    assert len(held.said("message_received")) == 1
    assert sum(world.depth()) == 1
    world.put(*ADDRESSES[:12])
    held.wait("pass_finished", outcome="unchanged", trigger="retry")
    until(world.is_drained)
    assert len(held.said("message_received")) == 1


def test_the_message_of_a_held_pass_is_given_back_at_a_stop(held: "Daemon", world: "World") -> None:
    assert held.stop() == 0
    assert world.depth().visible == 1
