"""The page of costs has the table that its figures give, and its figures are those of the project."""

from typing import Any

from reconfigure.settings import Tier
from tests.terraform.costs import ALARMED, FILE, METRICS, SIZES, platform, reconciler, written
from tests.terraform.module import GIVEN, Instance, Module
from tests.terraform.test_containers import SERVICES
from tests.terraform.test_files import NETWORK


def test_the_page_has_the_table_as_it_is_now() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert written(text) == text


def alarmed(alarm: Instance) -> list[dict[str, Any]]:
    """Return the metrics that an alarm looks at; an expression is no metric."""
    queries = alarm.get("metric_query")
    if queries is None:
        return [{"namespace": alarm.get("namespace"), "metric_name": alarm.get("metric_name")}]
    return [metric for query in queries for metric in query.get("metric", ())]


MODULE = Module(given={**GIVEN, **NETWORK, "services": SERVICES})


def test_as_many_metrics_are_looked_at_as_the_module_s_alarms_name() -> None:
    looked_at = [metric for alarm in MODULE.all("aws_cloudwatch_metric_alarm") for metric in alarmed(alarm)]
    assert len(looked_at) == ALARMED * len(Tier)


def test_as_many_metrics_of_our_own_as_alarms_and_dashboard_name() -> None:
    ours = MODULE.variable("metrics_namespace")
    looked_at = [metric for alarm in MODULE.all("aws_cloudwatch_metric_alarm") for metric in alarmed(alarm)]
    figures = {metric["metric_name"] for metric in looked_at if metric["namespace"] == ours}
    figures |= {figure["metric"] for figure in MODULE.local("figures").values()}
    assert len(figures) + 1 == METRICS  # and that of pings that fail, which a filter makes


def test_what_grows_with_tenants_is_what_the_service_does_not_what_watches_it() -> None:
    small, _, large = SIZES
    assert sum(platform(large).values()) > 10 * sum(platform(small).values())
    assert sum(reconciler(large).values()) < 3 * sum(reconciler(small).values())
