"""The dashboard is one that Grafana can show: every expression parses, and every panel explains itself."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observability.promtool import ROOT, needs_promtool, promtool

DASHBOARD: dict[str, Any] = json.loads((ROOT / "docs/observability/grafana-dashboard.json").read_text(encoding="utf-8"))
ROWS = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
PANELS: dict[str, dict[str, Any]] = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
each_panel = pytest.mark.parametrize("title", PANELS)


def expressions() -> Iterator[str]:
    """Every PromQL expression of the dashboard, its variables filled in as Grafana does for `All`."""
    wanted = [target["expr"] for panel in PANELS.values() for target in panel["targets"]]
    wanted += [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]
    for expression in wanted:
        filled = expression.replace("$__rate_interval", "5m")
        for variable in DASHBOARD["templating"]["list"]:
            filled = filled.replace(f'"${variable["name"]}"', '".*"')
        yield filled


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return not beside and not above


@needs_promtool
def test_prometheus_reads_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions())]
    assert len(rules) > 25
    file = tmp_path / "expressions.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"SUCCESS: {len(rules)} rules found" in promtool("check", "rules", file)


def test_no_variable_is_left_that_the_dashboard_does_not_define() -> None:
    assert not [expression for expression in expressions() if "$" in expression]


def test_people_choose_the_data_source_the_tier_and_the_task() -> None:
    variables = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "tier": "query", "instance": "query"}


def test_ids_are_unique_and_panels_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert not [
        (one["title"], other["title"])
        for one, other in combinations(panels, 2)
        if overlap(one["gridPos"], other["gridPos"])
    ]
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


@each_panel
def test_each_panel_explains_itself_and_asks_the_chosen_data_source(title: str) -> None:
    panel = PANELS[title]
    assert len(panel["description"]) > 30
    assert panel["datasource"] == SOURCE
    assert [target["datasource"] for target in panel["targets"]] == [SOURCE] * len(panel["targets"])
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert panel["fieldConfig"]["defaults"]["unit"]


@each_panel
def test_each_panel_shows_the_chosen_tier_and_task_only(title: str) -> None:
    for target in PANELS[title]["targets"]:
        selectors = re.findall(r"(?:reconfigure|process)_\w+(\{[^}]*\})?", target["expr"])
        assert selectors
        assert all('tier=~"$tier", instance=~"$instance"' in selector for selector in selectors)
