"""The fleet as the status document has it: on the screen, on the page, in the metrics, in the verdict."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconfigure.reporting import status
from reconfigure.reporting.reports import FleetReport, TaskReport
from tests.web.conftest import Site

WELL = TaskReport(
    tier="imap", task="one", version="1.2.0", state="ok", applied=7, digest="ab" * 32, success_seconds=30.0
)
LATE = replace(WELL, task="two", applied=6, missing=1, lag_seconds=4.0)
SILENT = replace(WELL, task="<b>three</b>", is_silent=True, silent_seconds=240.0, trouble="silent for 4 min")
ELSEWHERE = replace(WELL, tier="smtp-in", task="four", state="held", trouble="held: too much would go")


def write(state: Path, fleet: FleetReport) -> None:
    path = state / "status.json"
    before = status.read(path)
    assert before is not None
    assert before.tier == "imap"
    status.write(path, replace(before, task="one", fleet=fleet))


@pytest.fixture
def unwell(changed: Any, state: Path) -> None:  # noqa: ARG001
    write(
        state,
        FleetReport(seen="2026-01-01T00:00:00+00:00", sequence=7, applied=7, tasks=(WELL, LATE, SILENT, ELSEWHERE)),
    )


@pytest.mark.usefixtures("unwell")
def test_a_sibling_in_trouble_degrades_the_verdict_and_leads_to_its_page(run: Any) -> None:
    health = run("health")
    assert health.exit_code == 0  # nothing is restarted for it
    assert json.loads(health.stdout) == {
        "status": "degraded",
        "problems": ["imap task <b>three</b> is silent for 4 min"],  # not that of another tier
    }
    shown = run("status")
    assert shown.exit_code == 1
    text = " ".join(shown.stdout.split())
    assert "3 tasks of imap, 1 not well, 1 behind by up to 4 s; this one on change 7 of 7" in text
    assert "1 task of other tiers, 1 not well" in text
    assert "what to do reconfigure runbook 17" in text


@pytest.mark.usefixtures("live")
def test_a_table_that_cannot_be_used_degrades_the_verdict_and_says_what_is_lost(run: Any, state: Path) -> None:
    write(state, FleetReport(seen="2026-01-01T00:00:00+00:00", error="allow dynamodb:GetItem"))
    (problem,) = json.loads(run("health").stdout)["problems"]
    assert problem.endswith("siblings see changes by the timer: allow dynamodb:GetItem")
    assert "reconfigure runbook 17" in run("status").stdout


@pytest.mark.usefixtures("live")
def test_a_fleet_that_is_well_is_one_line(run: Any, state: Path) -> None:
    write(
        state,
        FleetReport(seen="2026-01-01T00:00:00+00:00", sequence=7, applied=7, tasks=(WELL, replace(WELL, task="two"))),
    )
    shown = run("status")
    assert shown.exit_code == 0
    assert "2 tasks of imap, all on change 7" in " ".join(shown.stdout.split())


@pytest.mark.usefixtures("unwell")
def test_the_page_has_a_row_a_task_and_what_is_said_of_it(site: Site) -> None:
    text = site.get("/").text
    assert "&lt;b&gt;three&lt;/b&gt;" in text
    assert "<b>three" not in text
    for said in ("silent for 4 min", "held: too much would go", "1 change, 4 s"):
        assert said in text


@pytest.mark.usefixtures("unwell")
def test_metrics_count_tasks_by_state_and_name_none(site: Site) -> None:
    found = {name: value for name, value in site.samples().items() if name.startswith("reconfigure_fleet")}
    assert found == {
        'reconfigure_fleet_tasks{fleet_tier="imap",state="ok"}': 2,
        'reconfigure_fleet_tasks{fleet_tier="imap",state="silent"}': 1,
        'reconfigure_fleet_tasks{fleet_tier="smtp-in",state="held"}': 1,
        'reconfigure_fleet_lag_seconds{fleet_tier="imap"}': 4,
        'reconfigure_fleet_lag_seconds{fleet_tier="smtp-in"}': 0,
        "reconfigure_fleet_sequence": 7,
        "reconfigure_fleet_applied_sequence": 7,
        "reconfigure_fleet_table_usable": 1,
    }
