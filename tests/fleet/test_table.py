"""The fleet table over HTTP: what is written is read, nothing is lost between two writers, and errors say the fix."""

import threading
import time

import pytest

from embedded.faults import Fault, FaultProxy
from reconfigure.errors import SourceError
from reconfigure.fleet.changelog import Position
from reconfigure.fleet.roll import Row
from reconfigure.fleet.table import LOG_KEY, FleetTable
from reconfigure.sources.aws import Clients


def test_a_log_begins_once_whoever_comes_first(table: FleetTable) -> None:
    assert table.log("imap") is None
    first, second = table.begin("imap"), table.begin("imap")
    assert first is not None
    assert first == second == table.log("imap")
    assert table.log("smtp-in") is None


def test_changes_of_writers_at_once_are_all_in_the_log(table: FleetTable) -> None:
    before = table.begin("imap")

    def write(number: int) -> None:
        table.append("imap", before, [f"{number}@example.com"], task=str(number))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    log = table.log("imap")
    assert log is not None
    assert before is not None
    assert log.named_since(Position(before.id, 0)) == {f"{number}@example.com" for number in range(6)}
    assert [change.sequence for change in log.changes] == [1, 2, 3, 4, 5, 6]


def test_a_log_that_was_removed_begins_anew_under_another_id(table: FleetTable, direct: Clients, name: str) -> None:
    before = table.append("imap", None, ["a@example.com"], task="one")
    direct.dynamodb.delete_item(TableName=name, Key={"tier": {"S": "imap"}, "task": {"S": LOG_KEY}})
    after = table.append("imap", before, ["b@example.com"], task="one")
    assert (before.sequence, after.sequence) == (1, 1)
    assert before.id != after.id
    assert after == table.log("imap")


def test_rows_are_written_read_by_tier_and_removed(table: FleetTable) -> None:
    rows = [Row(tier=tier, task=task, version="1", state="ok") for tier in ("imap", "smtp-in") for task in ("a", "b")]
    for row in rows:
        table.put(row)
    table.begin("imap")
    table.try_to_write("imap")
    found = table.tiers(["imap", "smtp-in", "smtp-out"])
    assert found["imap"].rows == (rows[0], rows[1])
    assert found["imap"].log is not None
    assert found["smtp-in"].rows == (rows[2], rows[3])
    assert found["smtp-out"] == (None, ())
    table.remove("imap", "a")
    assert table.tiers(["imap"])["imap"].rows == (rows[1],)


def test_more_rows_than_a_page_holds_are_read(table: FleetTable) -> None:
    rows = [
        Row(tier="imap", task=f"t{number:03}", version="1", state="ok", reason="x" * 12_000) for number in range(100)
    ]
    for row in rows:
        table.put(row)
    assert table.tiers(["imap"])["imap"].rows == tuple(rows)


def test_a_row_that_makes_no_sense_is_left_out(table: FleetTable, direct: Clients, name: str) -> None:
    direct.dynamodb.put_item(TableName=name, Item={"tier": {"S": "imap"}, "task": {"S": "odd"}})
    table.put(Row(tier="imap", task="well", version="1", state="ok"))
    assert [row.task for row in table.tiers(["imap"])["imap"].rows] == ["well"]


def test_a_damaged_log_is_an_error_with_the_fix(table: FleetTable, direct: Clients, name: str) -> None:
    direct.dynamodb.put_item(TableName=name, Item={"tier": {"S": "imap"}, "task": {"S": LOG_KEY}})
    with pytest.raises(SourceError, match=r"is damaged.*delete the item with tier 'imap' and task '#changes'"):
        table.log("imap")


def test_what_is_not_allowed_is_named(troubled: FleetTable, proxy: FaultProxy) -> None:
    proxy.fail("GetItem", Fault.denied("dynamodb:GetItem"))
    with pytest.raises(SourceError, match=r"reading the change log .* allow dynamodb:GetItem"):
        troubled.log("imap")
    proxy.fail("PutItem", Fault.denied("dynamodb:PutItem"))
    with pytest.raises(SourceError, match=r"writing .* allow dynamodb:PutItem"):
        troubled.put(Row(tier="imap", task="a", version="1", state="ok"))
    with pytest.raises(SourceError, match=r"writing a change .* allow dynamodb:PutItem"):
        troubled.begin("imap")
    proxy.fail("Query", Fault.denied("dynamodb:Query"))
    with pytest.raises(SourceError, match="allow dynamodb:Query"):
        troubled.tiers(["imap"])
    proxy.fail("DeleteItem", Fault.denied("dynamodb:DeleteItem"))
    with pytest.raises(SourceError, match="allow dynamodb:DeleteItem"):
        troubled.remove("imap", "a")


def test_a_request_is_made_once_and_not_waited_for_long(troubled: FleetTable, proxy: FaultProxy) -> None:
    proxy.fail("GetItem", Fault.throttled(), times=1)
    with pytest.raises(SourceError, match="ProvisionedThroughputExceeded"):
        troubled.log("imap")
    assert proxy.count("GetItem") == 1


def test_the_clock_is_that_of_the_answers(direct: Clients, name: str) -> None:
    ahead = FleetTable(lambda: direct.dynamodb, name, region="eu-west-1", clock=lambda: time.time() + 7200)
    assert ahead.now() - time.time() > 7000
    ahead.log("imap")
    assert abs(ahead.now() - time.time()) < 2
    first = ahead.append("imap", None, None, task="one")
    assert abs(first.changes[0].time - time.time()) < 3
