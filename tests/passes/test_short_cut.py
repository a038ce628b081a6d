"""A change that names its addresses costs one small read; what is in doubt costs a full one; nothing is missed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from embedded.faults import Fault
from embedded.healthchecks import HealthchecksDouble

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]
Until = Callable[..., None]


def changed(*addresses: str) -> dict[str, object]:
    return {"event": "address_changed", "addresses": list(addresses)}


def digest_of(daemon: "Daemon") -> str:
    return str(daemon.status()["generation"]).rpartition("-")[2]


def test_a_named_change_is_read_by_key_and_makes_the_generation_that_a_full_read_makes(
    run: Run, world: "World", until: Until
) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    scans = world.proxy.count("Scan")
    world.put("shop@new.example.com")
    world.send(changed("shop@new.example.com", "info@acme.example.com"))
    daemon.wait("pass_finished", count=2, outcome="changed")
    until(world.is_drained)
    assert daemon.served() == {"info@acme.example.com": "RELAY", "shop@new.example.com": "RELAY"}
    assert world.proxy.count("Scan") == scans
    assert world.proxy.count("BatchGetItem") == 1
    by_key = digest_of(daemon)
    daemon.tell(1)  # SIGHUP: everything is read, and nothing differs
    daemon.wait("pass_finished", trigger="signal", outcome="unchanged")
    assert world.proxy.count("Scan") == scans + 1
    assert digest_of(daemon) == by_key


@pytest.mark.parametrize("told", [True, False], ids=["of both", "of the second only"])
def test_an_address_stays_served_by_a_row_of_another_case_when_its_own_is_deleted(
    run: Run, world: "World", until: Until, *, told: bool
) -> None:
    world.put("shop@acme.example.com", "info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.put("Shop@acme.example.com")
    if told:
        world.send(changed("Shop@acme.example.com"))
        daemon.wait("pass_finished", count=2)
        until(world.is_drained)
    world.delete("shop@acme.example.com")
    world.send(changed("shop@acme.example.com"))
    daemon.wait("pass_finished", count=3 if told else 2)
    until(world.is_drained)
    assert daemon.served()["shop@acme.example.com"] == "RELAY"


def test_where_reading_by_key_is_denied_everything_is_read(run: Run, world: "World", until: Until) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.proxy.fail("BatchGetItem", Fault.denied())
    world.put("shop@acme.example.com")
    world.send(changed("shop@acme.example.com"))
    daemon.wait("pass_finished", count=2, outcome="changed")
    until(world.is_drained)
    assert "shop@acme.example.com" in daemon.served()
    assert daemon.said("read_by_key_failed")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"Responses": {}}',
        b'{"Responses": {"another-table": []}}',
        b'{"Responses": {"t": [{"address": {"S": "else@acme.example.com"}}]}}',
        b'{"Responses": {"t": [{}]}}',
    ],
)
def test_an_answer_that_is_none_to_what_was_asked_takes_no_address_away(
    run: Run, world: "World", until: Until, body: bytes
) -> None:
    world.put("info@acme.example.com", "old@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.proxy.fail("BatchGetItem", Fault.answer(body))
    world.delete("old@acme.example.com")
    world.send(changed("info@acme.example.com", "old@acme.example.com"))
    daemon.wait("pass_finished", count=2, outcome="changed")
    until(world.is_drained)
    assert daemon.served() == {"info@acme.example.com": "RELAY"}
    assert daemon.said("read_by_key_failed")


def test_a_short_cut_does_not_put_off_the_timer(run: Run, world: "World", until: Until) -> None:
    world.put("info@acme.example.com")
    daemon = run(RECONFIGURE_INTERVAL="3600")
    first = daemon.wait("pass_finished", outcome="changed")["next_pass"]
    world.put("shop@acme.example.com")
    world.send(changed("shop@acme.example.com"))
    second = daemon.wait("pass_finished", count=2, outcome="changed")["next_pass"]
    until(world.is_drained)
    assert second < first


def test_a_message_that_names_a_row_of_another_content_changes_nothing_else(
    run: Run, world: "World", until: Until
) -> None:
    """What is rendered comes from the table: a forged message can cost a pass, never an address."""
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    world.send(changed("victim@bank.example", "info@acme.example.com", "|/bin/sh", "a\nto:b@c.example RELAY"))
    until(world.is_drained)
    daemon.wait("pass_finished", trigger="message", outcome="unchanged")
    assert daemon.served() == {"info@acme.example.com": "RELAY"}


def test_the_heartbeat_of_a_short_pass_says_what_the_last_full_one_refused(run: Run, world: "World") -> None:
    world.put("info@acme.example.com", "sp ace@acme.example.com")
    with HealthchecksDouble() as double:

        def bodies() -> list[str]:
            return [ping.body for ping in double.pings("smtp-in") if ping.kind == "success"]

        daemon = run(HEALTHCHECK_PING_URL=double.url("smtp-in"), RECONFIGURE_HEARTBEAT_SPACING="0")
        daemon.wait("pass_finished", outcome="changed")
        world.put("shop@acme.example.com")
        world.send(changed("shop@acme.example.com"))
        daemon.wait("pass_finished", count=2, outcome="changed")
        assert double.wait(lambda _: len(bodies()) == 2)
    assert world.proxy.count("BatchGetItem") == 1
    assert ["quarantine: 1 (" in body for body in bodies()] == [True, True]


def test_the_setting_turns_reading_by_key_off(run: Run, world: "World", until: Until) -> None:
    world.put("info@acme.example.com")
    daemon = run(RECONFIGURE_READ_BY_KEY="no")
    daemon.wait("pass_finished", outcome="changed")
    world.put("shop@acme.example.com")
    world.send(changed("shop@acme.example.com"))
    daemon.wait("pass_finished", count=2, outcome="changed")
    until(world.is_drained)
    assert world.proxy.count("BatchGetItem") == 0
