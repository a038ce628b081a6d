"""Who is well, behind, silent or different, by the rows alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconfigure.fleet.changelog import ChangeLog
from reconfigure.fleet.roll import Limits, Row, Tier, called
from reconfigure.reporting.reports import TaskReport

NOW = 10_000.0
LIMITS = Limits(silent=180, behind=180)
LOG = ChangeLog.new().appended(["a@x.org"], task="one", time=NOW - 500).appended(None, task="one", time=NOW - 20)


def row(task: str = "one", **other: object) -> Row:
    usual = Row(
        tier="imap",
        task=task,
        version="1.0",
        state="ok",
        generation="g1",
        digest="d1",
        log=LOG.id,
        applied=2,
        success=NOW - 30,
        written=NOW - 10,
        expires=int(NOW + 900),
    )
    return replace(usual, **other)  # type: ignore[arg-type]


def reports(*rows: Row, log: ChangeLog | None = LOG) -> list[TaskReport]:
    return list(called({"imap": Tier(log, rows)}, now=NOW, limits=LIMITS))


def test_tasks_that_applied_everything_are_well_and_stand_in_order() -> None:
    two, one = row("two"), row("one")
    first, second = reports(two, one)
    assert (first.task, second.task) == ("one", "two")
    assert (first.trouble, first.note, first.missing, first.lag_seconds) == (None, None, 0, 0.0)
    assert (first.success_seconds, first.silent_seconds) == (30.0, 10.0)


def test_a_task_is_behind_by_the_time_that_its_oldest_change_waits() -> None:
    (one,) = reports(row(applied=1))
    assert (one.missing, one.lag_seconds, one.trouble) == (1, 20.0, None)
    (late,) = reports(row(applied=0))
    assert (late.missing, late.lag_seconds) == (2, 500.0)
    assert late.trouble is not None
    assert "behind" in late.trouble


def test_a_task_that_never_applied_a_change_or_those_of_another_log_is_behind_by_all() -> None:
    for applied in ({"applied": None, "log": None}, {"log": "another"}):
        (one,) = reports(row(**applied))
        assert (one.missing, one.lag_seconds) == (2, 500.0)


def test_before_the_first_change_nobody_is_behind() -> None:
    (one,) = reports(row(applied=None, log=None), log=None)
    assert (one.missing, one.trouble) == (0, None)


def test_a_silent_task_is_in_trouble_whatever_it_said_last() -> None:
    (one,) = reports(row(written=NOW - 240))
    assert one.is_silent
    assert one.trouble == "silent for 4 min: it was ended, hangs, or cannot reach the table"


@pytest.mark.parametrize("state", ["held", "failed", "degraded", "pinned"])
def test_what_fails_its_own_heartbeat_is_trouble_with_its_reason(state: str) -> None:
    (one,) = reports(row(state=state, reason="of this"))
    assert one.trouble == f"{state}: of this"


def test_a_pause_is_no_trouble_and_is_told() -> None:
    (one,) = reports(row(state="paused", reason="paused until ten by root", applied=0))
    assert (one.trouble, one.note) == (None, "paused until ten by root")


def test_rows_that_expired_are_no_tasks() -> None:
    assert not reports(row(expires=int(NOW)))


def test_a_digest_that_differs_from_siblings_with_the_same_changes_and_version_is_told() -> None:
    same, odd = row("one"), row("odd", digest="d2")
    third = row("three")
    notes = {one.task: one.note for one in reports(same, third, odd)}
    assert notes["one"] is notes["three"] is None
    assert notes["odd"] is not None
    assert "digest differs" in notes["odd"]
    for different in ({"version": "1.1"}, {"applied": 1}, {"state": "held"}):
        assert not any(
            "digest" in (one.note or "") for one in reports(same, third, row("odd", digest="d2", **different))
        )


TEXTS = st.text(min_size=1, max_size=20)
ROWS = st.builds(
    Row,
    tier=TEXTS,
    task=TEXTS,
    version=TEXTS,
    state=TEXTS,
    reason=TEXTS,
    generation=st.none() | TEXTS,
    digest=st.none() | TEXTS,
    log=st.none() | TEXTS,
    applied=st.none() | st.integers(min_value=0, max_value=10**9),
    success=st.none() | st.floats(min_value=0, max_value=1e10),
    quarantine=st.integers(min_value=0, max_value=10**6),
    written=st.floats(min_value=0, max_value=1e10),
    expires=st.integers(min_value=0, max_value=10**10),
)


@given(ROWS)
def test_a_row_reads_back_as_it_was_written(row: Row) -> None:
    assert Row.from_item(row.item()) == row


@pytest.mark.parametrize(
    "damaged",
    [
        {},
        {"tier": {"S": "imap"}},
        row().item() | {"written": {"S": "soon"}},
        row().item() | {"expires": {"BOOL": True}},
    ],
)
def test_a_damaged_row_is_refused(damaged: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValueError, match="not a task's row"):
        Row.from_item(damaged)


def test_a_row_of_a_newer_version_can_be_read() -> None:
    assert Row.from_item(row().item() | {"mood": {"S": "fine"}}) == row()
