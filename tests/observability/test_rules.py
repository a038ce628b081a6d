"""Each alert can be read by Prometheus, fires when it should, is quiet when it should be, and says where to go on."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observability.promtool import RULES, needs_promtool, promtool
from tests.observability.runbooks import assert_is_a_page

PLAYED = Path(__file__).with_name("rules_test.yaml")

ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
PLAYS: dict[str, list[dict[str, Any]]] = {
    play["name"]: play["promql_expr_test"] for play in yaml.safe_load(PLAYED.read_text(encoding="utf-8"))["tests"]
}
each_alert = pytest.mark.parametrize("alert", ALERTS)


@needs_promtool
def test_prometheus_reads_the_rules() -> None:
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "rules", RULES)


@needs_promtool
def test_each_alert_fires_for_what_it_is_about_and_for_nothing_else() -> None:
    assert "SUCCESS" in promtool("test", "rules", PLAYED)


@needs_promtool
def test_an_alert_that_does_not_fire_is_noticed(tmp_path: Path) -> None:
    """What the test above is worth: with one threshold moved, it fails."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.read_text().replace("reconfigure_held) == 1", "reconfigure_held) == 2"))
    played = tmp_path / "played.yaml"
    played.write_text(PLAYED.read_text().replace("../../docs/observability/prometheus-rules.yaml", str(rules)))
    with pytest.raises(AssertionError, match="ReconfigureHeld"):
        promtool("test", "rules", played)


@each_alert
def test_each_alert_is_played_both_ways(alert: str) -> None:
    seen = [bool(expected["exp_samples"]) for expected in PLAYS[alert]]
    assert sorted(set(seen)) == [False, True]
    assert {expected["expr"] for expected in PLAYS[alert]} == {f'ALERTS{{alertname="{alert}", alertstate="firing"}}'}


@each_alert
def test_each_alert_says_how_bad_it_is_and_what_it_means(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert len(rule["annotations"]["summary"]) < 120
    assert len(rule["annotations"]["description"]) > 80


@each_alert
def test_a_label_in_the_words_of_an_alert_is_one_that_it_fires_with(alert: str) -> None:
    words = " ".join(ALERTS[alert]["annotations"].values())
    samples = [sample["labels"] for expected in PLAYS[alert] for sample in expected["exp_samples"]]
    for label in re.findall(r"\$labels\.(\w+)", words):
        assert all(f'{label}="' in sample for sample in samples), label


@each_alert
def test_each_alert_leads_to_a_page_of_the_runbooks(alert: str) -> None:
    assert_is_a_page(ALERTS[alert]["annotations"]["runbook"])
