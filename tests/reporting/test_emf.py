"""The line that CloudWatch makes metrics of: every metric named has its value, and only the tier is a dimension."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconfigure.reporting.emf import line
from reconfigure.reporting.reports import Pause, ProgramReport, ProgramsReport, QueueReport
from reconfigure.reporting.status import Health, Status

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WELL = Health("ok", ())
GOOD = Status(tier="imap", task="task-1", version="0", pid=1, state="ok", generation="g1")


def figures(document: Status, *, health: Health = WELL, pass_seconds: float | None = None) -> dict[str, Any]:
    """Return the metrics of a line by name, after asserting that the specification's rules hold."""
    written = line("Mail", document, health, now=NOW, pass_seconds=pass_seconds)
    assert "\n" not in written
    told = json.loads(written)
    (directive,) = told["_aws"]["CloudWatchMetrics"]
    assert told["_aws"]["Timestamp"] == NOW.timestamp() * 1000
    assert (directive["Namespace"], directive["Dimensions"]) == ("Mail", [["Tier"]])
    assert (told["Tier"], told["Task"]) == (document.tier, document.task)
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert len(names) == len(set(names))
    assert set(names) == told.keys() - {"_aws", "Tier", "Task"}
    return {name: told[name] for name in names}


def program(state: str, *, up: bool, name: str = "mail:sendmail") -> ProgramReport:
    return ProgramReport(name=name, state=state, pid=0, up=up)


def test_what_is_not_known_has_no_figure() -> None:
    assert figures(GOOD) == {"Healthy": 1, "Quarantined": 0, "Held": 0, "Paused": 0, "Pinned": 0}
    found = figures(replace(GOOD, last_success=(NOW - timedelta(seconds=90)).isoformat()))
    assert found["LastSuccessAge"] == 90
    assert figures(GOOD, pass_seconds=0.25)["PassDuration"] == 0.25


@pytest.mark.parametrize("stamp", ["yesterday", "", "2026-11-26T11:00:00"])
def test_a_damaged_time_is_no_figure(stamp: str) -> None:
    assert "LastSuccessAge" not in figures(replace(GOOD, last_success=stamp))


def test_queue_daemons_and_orders_are_counted() -> None:
    programs = ProgramsReport(
        seen="t",
        counted_since="t",
        listed=(
            program("RUNNING", up=True),
            program("EXITED", up=True, name="prepare"),
            program("STOPPED", up=True, name="verify:opendkim"),
            program("FATAL", up=False, name="mail:dovecot"),
        ),
    )
    queue = QueueReport(seen="t", visible=3, in_flight=2, delayed=0, dead_letters=None)
    paused = Pause(until="t", since="t")
    found = figures(
        Status(**{**vars(GOOD), "programs": programs, "queue": queue, "paused": paused}),
        health=Health("failing", ("x",)),
    )
    assert found["DaemonsDown"] == 1
    assert (found["QueueVisible"], found["QueueInFlight"]) == (3, 2)
    assert "DeadLetters" not in found
    assert (found["Paused"], found["Healthy"]) == (1, 0)
    # A program that is left off is no complaint, and neither is one that did its work.
    assert programs.states == {"mail:sendmail": "RUNNING", "mail:dovecot": "FATAL"}


@given(st.text(), st.text())
def test_no_tier_or_task_breaks_the_line(tier: str, task: str) -> None:
    figures(replace(GOOD, tier=tier, task=task))
