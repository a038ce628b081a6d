"""One task's part in the fleet, against the table over HTTP; what follows for whole passes is in tests/passes."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from embedded.faults import Fault, FaultProxy
from embedded.healthchecks import HealthchecksDouble
from reconfigure.fleet.member import Member, Spacing
from reconfigure.fleet.roll import Limits, Row
from reconfigure.fleet.siblings import Siblings
from reconfigure.fleet.table import FleetTable
from reconfigure.inbox import FleetSeen, SiblingChanged
from reconfigure.outcome import Outcome
from reconfigure.report import Reporter
from reconfigure.reporting.heartbeat import Heartbeat
from reconfigure.reporting.ping_url import PingUrl
from reconfigure.reporting.reports import FleetReport, TaskReport
from reconfigure.reporting.status import STATUS_NAME, Status, read, write
from reconfigure.settings import Settings, Tier
from reconfigure.sources.queue import Received
from tests.loop.conftest import result

STATUS = Status(tier="imap", task="one", version="1", pid=1, state="ok")


def message(*addresses: str, id: str | None = None) -> Received:  # noqa: A002
    names = ", ".join(f'"{address}"' for address in addresses)
    return Received(id or uuid.uuid4().hex, "receipt", f'{{"event": "address_changed", "addresses": [{names}]}}', 1)


class Told(list[object]):
    """What a member told its loop."""

    def of(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def member(troubled: FleetTable, told: Told) -> Iterator[Callable[[str], Member]]:
    """Start a member of the imap tier by its task's name."""
    made: list[Member] = []

    def start(task: str = "one") -> Member:
        spacing = Spacing(read=0.05, forget=900, look=0.05)
        made.append(Member(troubled, tier=Tier.IMAP, task=task, spacing=spacing, limits=Limits(180, 180)))
        made[-1].start(told.append)
        return made[-1]

    yield start
    for each in made:
        each.leave(5)


def test_what_a_sibling_records_is_told_until_a_pass_begins_with_it(
    member: Callable[..., Member], table: FleetTable, told: Told, until: Callable[..., None]
) -> None:
    one = member()
    one.reached(one.mark())
    table.append("imap", table.log("imap"), ["a@example.com"], task="other")
    until(lambda: one.is_behind)
    before = told.of(SiblingChanged)
    until(lambda: told.of(SiblingChanged) > before)
    mark = one.mark()
    assert mark.named == {"a@example.com"}
    one.reached(mark)
    assert (one.report().applied, one.report().sequence) == (1, 1)
    assert one.mark().named == set()


def test_what_a_pass_that_was_not_good_began_with_is_named_again(
    member: Callable[..., Member], table: FleetTable, until: Callable[..., None]
) -> None:
    one = member()
    one.reached(one.mark())
    for number in (1, 2):
        table.append("imap", table.log("imap"), [f"{number}@example.com"], task="other")
        until(lambda: one.is_behind)
        named = one.mark().named
    assert named == {"1@example.com", "2@example.com"}


def test_own_changes_are_recorded_once_and_wake_nobody_here(
    member: Callable[..., Member], table: FleetTable, told: Told, until: Callable[..., None]
) -> None:
    one = member()
    one.reached(one.mark())
    again = message("a@example.com")
    one.record([again, message("b@example.com")])
    assert one.mark().named == {"a@example.com", "b@example.com"}
    one.record([again])
    log = table.log("imap")
    assert log is not None
    assert log.sequence == 1
    seen = told.of(FleetSeen)
    until(lambda: told.of(FleetSeen) > seen + 1)  # it has read the log since
    assert not one.is_behind


def test_a_message_that_names_nothing_is_recorded_as_anything(member: Callable[..., Member], table: FleetTable) -> None:
    one = member()
    one.reached(one.mark())
    one.record([message("a@example.com"), Received("x", "r", '{"event": "resync"}', 1)])
    log = table.log("imap")
    assert log is not None
    assert log.changes[-1].addresses is None
    assert one.mark().named is None


def test_what_cannot_be_recorded_is_owed_and_recorded_later(
    member: Callable[..., Member], table: FleetTable, proxy: FaultProxy, until: Callable[..., None]
) -> None:
    one = member()
    proxy.fail("PutItem", Fault.throttled())
    one.record([message("a@example.com")])
    one.record([message("b@example.com")])
    assert "ProvisionedThroughputExceeded" in str(one.report().error)
    proxy.heal()

    def recorded() -> set[str]:
        log = table.log("imap")
        return {name for change in (log.changes if log is not None else ()) for name in change.addresses or ()}

    until(lambda: recorded() == {"a@example.com", "b@example.com"})
    until(lambda: one.report().error is None)


def test_reading_slows_down_while_the_table_is_throttled_and_says_so_once(
    member: Callable[..., Member], proxy: FaultProxy, until: Callable[..., None], told: Told
) -> None:
    one = member()
    proxy.fail("GetItem", Fault.throttled())
    until(lambda: one.report().error)
    failed = proxy.count("GetItem")
    until(lambda: proxy.count("GetItem") > failed)  # the first failure has been told by then
    seen, before = told.of(FleetSeen), proxy.count("GetItem")
    until(lambda: proxy.count("GetItem") >= before + 3)
    assert told.of(FleetSeen) == seen
    proxy.heal()
    until(lambda: one.report().error is None)


def test_one_permission_that_is_missing_costs_what_needs_it_alone(
    member: Callable[..., Member], table: FleetTable, proxy: FaultProxy, told: Told, until: Callable[..., None]
) -> None:
    proxy.fail("Query", Fault.denied("dynamodb:Query"))
    one = member()
    one.reached(one.mark())
    until(lambda: "dynamodb:Query" in str(one.report().error))
    table.append("imap", table.log("imap"), ["a@example.com"], task="other")
    until(lambda: told.of(SiblingChanged))


def test_the_row_says_how_the_task_is_and_goes_with_it(
    member: Callable[..., Member], table: FleetTable, until: Callable[..., None]
) -> None:
    one = member()
    one.reached(one.mark())
    one.tell(STATUS)
    until(lambda: table.tiers(["imap"])["imap"].rows)
    (row,) = table.tiers(["imap"])["imap"].rows
    assert (row.task, row.state, row.applied, row.expires - int(row.written)) == ("one", "ok", 0, 900)
    one.leave(5)
    assert not table.tiers(["imap"])["imap"].rows


def test_before_the_table_was_ever_read_a_pass_covers_no_change(
    member: Callable[..., Member], table: FleetTable, proxy: FaultProxy, told: Told, until: Callable[..., None]
) -> None:
    table.append("imap", None, ["a@example.com"], task="other")
    proxy.fail("GetItem", Fault.throttled())
    one = member()
    one.reached(one.mark())
    assert one.report().applied is None
    proxy.heal()
    until(lambda: told.of(SiblingChanged))
    assert one.mark().named is None  # so everything is read


def test_a_sibling_in_trouble_fails_the_heartbeat_by_name_and_its_end_mends_it(
    member: Callable[..., Member], table: FleetTable, settings: Settings, until: Callable[..., None]
) -> None:
    one = member(settings.task)
    with HealthchecksDouble() as double:
        beat = Heartbeat(lambda: double.url("imap"), timeout=5, spacing=0)
        reporter = Reporter(settings, beat, siblings=Siblings(settings, one, own_check=lambda: False))
        reporter.finish(result(Outcome.UNCHANGED))
        until(lambda: [ping.kind for ping in double.pings("imap")] == ["success"])
        other = Row(tier="imap", task="other", version="1", state="failed", reason="no rights")
        table.put(_alive(other, table))
        until(lambda: any(task.trouble for task in one.report().tasks))
        reporter.saw_fleet()
        reporter.saw_fleet()  # told once
        reporter.finish(result(Outcome.CHANGED))
        until(lambda: [ping.kind for ping in double.pings("imap")] == ["success", "fail", "fail"])
        for ping in double.pings("imap")[1:]:
            assert "reason: imap task other is failed: no rights" in ping.body
            assert f"task: {settings.task}" in ping.body
        table.remove("imap", "other")
        until(lambda: not any(task.trouble for task in one.report().tasks))
        reporter.saw_fleet()
        until(lambda: double.pings("imap")[-1].kind == "success")
        beat.close(5)


def test_a_check_of_its_own_says_nothing_of_siblings(
    member: Callable[..., Member], table: FleetTable, settings: Settings, until: Callable[..., None]
) -> None:
    one = member(settings.task)
    with HealthchecksDouble() as double:
        url = PingUrl(lambda: double.url("{tier}-{task}"), tier="imap", task=settings.task)
        beat = Heartbeat(url, timeout=5, spacing=0)
        reporter = Reporter(settings, beat, siblings=Siblings(settings, one, own_check=lambda: url.is_own))
        check = f"imap-{settings.task}"
        reporter.finish(result(Outcome.UNCHANGED))
        until(lambda: len(double.pings(check)) == 1)
        table.put(_alive(Row(tier="imap", task="other", version="1", state="failed", reason="no rights"), table))
        until(lambda: any(task.trouble for task in one.report().tasks))
        reporter.saw_fleet()
        reporter.finish(result(Outcome.CHANGED))
        until(lambda: [ping.kind for ping in double.pings(check)] == ["success", "success"])
        beat.close(5)


def test_a_task_without_a_fleet_forgets_what_an_earlier_life_saw_of_one(settings: Settings) -> None:
    silent = TaskReport(tier="imap", task="other", version="1", state="ok", trouble="silent for 4 min")
    path = settings.state_dir / STATUS_NAME
    write(path, replace(STATUS, fleet=FleetReport(seen="2026-01-01T00:00:00+00:00", tasks=(silent,))))
    alone = replace(settings, fleet_table=None)
    Reporter(alone, None).finish(result(Outcome.UNCHANGED))
    after = read(path)
    assert after is not None
    assert after.fleet is None


def test_a_pass_by_hand_keeps_what_the_loop_saw_of_the_fleet(settings: Settings) -> None:
    seen = FleetReport(seen="2026-01-01T00:00:00+00:00", sequence=7)
    path = settings.state_dir / STATUS_NAME
    write(path, replace(STATUS, fleet=seen))
    Reporter(settings, None).finish(result(Outcome.UNCHANGED))
    after = read(path)
    assert after is not None
    assert after.fleet == seen


def _alive(row: Row, table: FleetTable) -> Row:
    return replace(row, written=table.now(), expires=int(table.now() + 900))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        tier=Tier.IMAP,
        cert_domain="mail.example.com",
        aws_region="eu-west-1",
        task="one",
        state_dir=tmp_path,
        fleet_table="fleet",
    )
