"""The change log, by example and by property: whoever follows it misses nothing, whatever was cut off."""

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconfigure.fleet.changelog import LARGEST, Change, ChangeLog, Position

NAMES = st.sets(st.text(min_size=1, max_size=40), max_size=8)
CHANGES = st.lists(st.one_of(st.none(), NAMES), max_size=60)


def log_of(changes: list[Collection[str] | None], start: ChangeLog | None = None) -> ChangeLog:
    log = start or ChangeLog.new()
    for number, addresses in enumerate(changes):
        log = log.appended(addresses, task="one", time=1000.0 + number)
    return log


def item(log: ChangeLog) -> dict[str, dict[str, str]]:
    return {"log": {"S": log.id}, "sequence": {"N": str(log.sequence)}, "changes": {"S": log.text()}}


@given(CHANGES)
def test_it_reads_back_as_it_was_written_and_stays_within_one_read_unit(changes: list[Collection[str] | None]) -> None:
    log = log_of(changes)
    assert ChangeLog.from_item(item(log)) == log
    assert len(log.text().encode()) <= LARGEST
    assert log.sequence == len(changes)


@given(CHANGES, st.integers(min_value=0, max_value=60))
def test_whoever_applied_a_part_is_told_all_of_the_rest_or_that_anything_may_have_changed(
    changes: list[Collection[str] | None], applied: int
) -> None:
    log = log_of(changes)
    applied = min(applied, log.sequence)
    told = log.named_since(Position(log.id, applied))
    rest = changes[applied:]
    if told is not None:
        assert None not in rest
        assert set(told) == {name for names in rest for name in names or ()}
    elif None not in rest:
        assert len(log.changes) < len(rest) or any(change.addresses is None for change in log.changes)


def test_a_change_of_many_addresses_says_that_anything_may_have_changed() -> None:
    log = log_of([[f"name-{number}@acme.example.com" for number in range(100)]])
    assert log.changes[0].addresses is None
    assert log.named_since(Position(log.id, 0)) is None


def test_the_oldest_changes_go_and_whoever_needed_them_reads_everything() -> None:
    log = log_of([[f"name-{number}@acme.example.com"] for number in range(500)])
    assert log.changes[-1].sequence == log.sequence == 500
    assert log.named_since(Position(log.id, 499)) == {"name-499@acme.example.com"}
    assert log.named_since(Position(log.id, 1)) is None


def test_another_log_of_the_same_length_deceives_nobody() -> None:
    one, other = log_of([["a@example.com"]]), log_of([["b@example.com"]])
    assert one.end != other.end
    assert other.named_since(one.end) is None
    assert other.waiting_since(one.end) == 1000.0


def test_a_log_that_is_shorter_than_what_was_applied_is_in_doubt() -> None:
    log = log_of([["a@example.com"]])
    assert log.named_since(Position(log.id, 5)) is None


def test_nobody_waits_for_a_log_that_is_applied() -> None:
    log = log_of([["a@example.com"], ["b@example.com"], ["c@example.com"]])
    assert log.waiting_since(log.end) is None
    assert log.waiting_since(Position(log.id, 1)) == 1001.0
    assert log.waiting_since(None) == 1000.0
    assert ChangeLog.new().waiting_since(None) is None


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"log": {"S": "x"}, "sequence": {"N": "1"}},
        {"log": {"S": "x"}, "sequence": {"N": "2"}, "changes": {"S": "nonsense"}},
        {"log": {"S": "x"}, "sequence": {"N": "2"}, "changes": {"S": '{"a": 1}'}},
        {"log": {"S": "x"}, "sequence": {"N": "2"}, "changes": {"S": '[[1, 0, "t", []]]'}},
        {"log": {"S": "x"}, "sequence": {"N": "3"}, "changes": {"S": '[[1, 0, "t", []], [3, 0, "t", []]]'}},
        {"log": {"S": "x"}, "sequence": {"N": "many"}, "changes": {"S": "[]"}},
    ],
)
def test_a_damaged_log_is_refused(damaged: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValueError, match="not a change log"):
        ChangeLog.from_item(damaged)


def test_times_are_for_people_and_order_nothing() -> None:
    log = ChangeLog.new()
    for time in (2000.0, 5.0, -3.0):
        log = log.appended(["a@example.com"], task="one", time=time)
    assert [change.sequence for change in log.changes] == [1, 2, 3]
    assert log.missing(Position(log.id, 2)) == (
        Change(sequence=3, time=-3.0, task="one", addresses=("a@example.com",)),
    )
