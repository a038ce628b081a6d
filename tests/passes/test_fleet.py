"""Tasks of one tier as real processes: a change that wakes one of them reaches all, whatever happens meanwhile."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded.faults import Fault, FaultProxy
from embedded.healthchecks import HealthchecksDouble
from tests.passes.conftest import Daemon, World


@pytest.fixture
def task(run: Callable[..., Daemon], world: World, tmp_path: Path) -> Callable[..., Daemon]:
    """Start a task of the fleet by its name, with a state folder of its own."""
    world.put("first@acme.example.com")
    fleet = world.make_fleet()

    def start(name: str, **settings: str) -> Daemon:
        usual = {
            "FLEET_TABLE": fleet,
            "RECONFIGURE_TASK": name,
            "RECONFIGURE_STATE_DIR": str(tmp_path / name),
            "RECONFIGURE_FLEET_READ_SECONDS": "0.3",
            "RECONFIGURE_START_SPREAD_SECONDS": "0",
        }
        return run(**(usual | settings))

    return start


@pytest.fixture
def partition(double_url: str) -> Iterator[FaultProxy]:
    """Another way to AWS, for one task."""
    with FaultProxy(double_url) as proxy:
        yield proxy


def fleet_of(daemon: Daemon) -> dict[str, Any]:
    fleet: dict[str, Any] = daemon.status()["fleet"]
    return fleet


def serves(*daemons: Daemon, address: str) -> Callable[[], bool]:
    return lambda: all(address in daemon.served() for daemon in daemons)


def change(world: World, address: str) -> None:
    world.put(address)
    world.send({"event": "address_changed", "addresses": [address]})


def test_a_change_reaches_every_task_though_one_message_wakes_one(
    task: Callable[..., Daemon], world: World, until: Callable[..., None]
) -> None:
    one, other = task("one"), task("other")
    for daemon in (one, other):
        daemon.wait("pass_finished", trigger="start")
    scans = world.proxy.count("Scan")
    for number in range(3):
        change(world, f"new{number}@acme.example.com")
        until(serves(one, other, address=f"new{number}@acme.example.com"))
    triggers = [line["trigger"] for daemon in (one, other) for line in daemon.said("pass_finished", outcome="changed")]
    assert sorted(triggers) == sorted(["start"] * 2 + ["message"] * 3 + ["sibling"] * 3)
    assert world.proxy.count("Scan") == scans  # siblings read by key, too
    for daemon in (one, other):
        daemon.status_when(lambda status: status["fleet"]["applied"] == status["fleet"]["sequence"] == 3)
    assert one.status()["digest"] == other.status()["digest"]
    until(world.is_drained)


def test_a_task_that_was_paused_catches_up(
    task: Callable[..., Daemon], world: World, until: Callable[..., None]
) -> None:
    one, other = task("one"), task("other")
    for daemon in (one, other):
        daemon.wait("pass_finished", trigger="start")
    other.tell(signal.SIGSTOP)
    try:
        for number in range(5):
            change(world, f"new{number}@acme.example.com")
        # The one that stands still may have a poll under way, and messages in it: they are visible again in a minute.
        until(lambda: fleet_sequence(world) >= 1)
    finally:
        other.tell(signal.SIGCONT)
    until(serves(one, other, address="new4@acme.example.com"))


def fleet_sequence(world: World) -> int:
    key = {"tier": {"S": "smtp-in"}, "task": {"S": "#changes"}}
    item = world.direct.dynamodb.get_item(TableName=f"fleet-{world.mark}", Key=key, ConsistentRead=True).get("Item", {})
    return int(item.get("sequence", {}).get("N", 0))


def test_a_task_that_starts_has_what_was_changed_before(task: Callable[..., Daemon], world: World) -> None:
    one = task("one")
    one.wait("pass_finished", trigger="start")
    change(world, "new@acme.example.com")
    one.wait("pass_finished", outcome="changed", trigger="message")
    late = task("late")
    late.wait("pass_finished", trigger="start")
    late.status_when(lambda status: status["fleet"]["applied"] == 1)
    assert "new@acme.example.com" in late.served()


def test_a_partitioned_task_degrades_says_so_and_catches_up(
    task: Callable[..., Daemon], world: World, partition: FaultProxy, until: Callable[..., None]
) -> None:
    one = task("one")
    apart = task("apart", AWS_ENDPOINT_URL=partition.url, SQS_QUEUE_URL="")
    for daemon in (one, apart):
        daemon.wait("pass_finished", trigger="start")
    partition.fail("GetItem", Fault.connection_reset())
    apart.wait("fleet_failed", part="log")
    lost = apart.status_when(lambda status: status["fleet"]["error"])
    assert "GetItem" not in lost["fleet"]["error"]
    assert "the change log" in lost["fleet"]["error"]
    change(world, "new@acme.example.com")
    until(serves(one, address="new@acme.example.com"))
    assert "new@acme.example.com" not in apart.served()
    partition.heal()
    apart.wait("fleet_recovered", part="log")
    until(serves(apart, address="new@acme.example.com"))
    assert apart.status_when(lambda status: not status["fleet"]["error"])


@pytest.mark.parametrize(
    "fault", [Fault.denied("dynamodb:GetItem"), Fault.throttled(), Fault.error(400, "ResourceNotFoundException")]
)
def test_without_the_table_a_task_does_all_that_it_did(
    task: Callable[..., Daemon], world: World, until: Callable[..., None], fault: Fault
) -> None:
    for action in ("GetItem", "PutItem", "Query", "DeleteItem"):
        world.proxy.fail(f"20120810.{action}", fault)
    one = task("one")
    one.wait("pass_finished", trigger="start")
    change(world, "new@acme.example.com")
    until(serves(one, address="new@acme.example.com"))
    until(world.is_drained)
    assert one.status_when(lambda status: fault.code in str(status["fleet"]["error"]))
    assert len(one.said("fleet_failed", part="log")) == 1
    world.proxy.heal()
    one.wait("fleet_recovered", part="record")  # what it owed its siblings is recorded once that is possible
    until(lambda: fleet_sequence(world) == 1)


def test_a_change_is_recorded_before_its_message_is_acknowledged_and_passes_that_fail_delay_no_sibling(
    task: Callable[..., Daemon], world: World, partition: FaultProxy, until: Callable[..., None]
) -> None:
    well = task("well", SQS_QUEUE_URL="")
    # It hears of changes and cannot read them.
    broken = task("broken", AWS_ENDPOINT_URL=partition.url, RECONFIGURE_RETRY_SECONDS="30")
    for daemon in (well, broken):
        daemon.wait("pass_finished", trigger="start")
    for action in ("BatchGetItem", "Scan", "DescribeTable"):
        partition.fail(action, Fault.denied())
    change(world, "new@acme.example.com")
    until(serves(well, address="new@acme.example.com"))
    broken.wait("pass_finished", outcome="failed")
    assert not world.is_drained()
    assert fleet_sequence(world) == 1


def test_a_task_that_leaves_takes_its_row_along(
    task: Callable[..., Daemon], world: World, until: Callable[..., None]
) -> None:
    one = task("one")
    one.wait("pass_finished", trigger="start")
    until(lambda: rows(world) == {"one"})
    assert one.stop() == 0
    assert rows(world) == set()


def rows(world: World) -> set[str]:
    items = world.direct.dynamodb.scan(TableName=f"fleet-{world.mark}", ConsistentRead=True)["Items"]
    return {item["task"]["S"] for item in items if item["task"]["S"] != "#changes"}


def test_a_check_a_task_when_the_ping_url_says_so(
    task: Callable[..., Daemon], pings: HealthchecksDouble, until: Callable[..., None]
) -> None:
    task("One.2", HEALTHCHECK_PING_URL=pings.url("mail-{tier}-{task}"))
    until(lambda: pings.pings("mail-smtp-in-one-2"))


def test_a_new_task_does_not_take_what_its_siblings_hold_back(
    task: Callable[..., Daemon], world: World, until: Callable[..., None]
) -> None:
    shops = [f"shop{number}@acme.example.com" for number in range(20)]
    world.put(*shops)
    one = task("one")
    one.wait("pass_finished", trigger="start")
    until(lambda: world.fleet_rows().get("one", {}).get("addresses") == {"N": "21"})
    world.delete(*shops[:12])
    new = task("new")
    held = new.wait("pass_finished", outcome="held")
    assert "9 addresses would be left of the 21 of the tier's other tasks" in held["error"]
    assert not (new.state / "current").exists()
    world.put(*shops[:12])
    world.send()
    new.wait("pass_finished", outcome="changed")
