"""The alarms are those of the CloudFormation template, and each says where to go on."""

import re
from typing import Any

from tests.observability.runbooks import PAGE, assert_is_a_page
from tests.observability.test_alarms import ALARMS, filled
from tests.terraform.module import GIVEN, Instance, Module
from tests.terraform.test_files import NETWORK, SERVICE, TLS

SECRETS = {**TLS, "DKIM_PRIVATE_KEY": TLS["TLS_KEY"]}
PEOPLE = "arn:aws:sns:eu-west-1:123456789012:people"
MODULE = Module(
    given={
        **GIVEN,
        **NETWORK,
        "services": {"smtp-in": SERVICE, "smtp-out": {**SERVICE, "secrets": SECRETS}},
        "alarm_topic_arns": [PEOPLE],
    }
)
FOUND = {alarm.get("alarm_name"): alarm for alarm in MODULE.all("aws_cloudwatch_metric_alarm")}
OWN = {"tasks-missing", "heartbeat"}  # what only ECS and the log know
SAME = {
    "alarm_description": "AlarmDescription",
    "namespace": "Namespace",
    "metric_name": "MetricName",
    "statistic": "Statistic",
    "period": "Period",
    "evaluation_periods": "EvaluationPeriods",
    "datapoints_to_alarm": "DatapointsToAlarm",
    "comparison_operator": "ComparisonOperator",
    "threshold": "Threshold",
    "treat_missing_data": "TreatMissingData",
    "alarm_actions": "AlarmActions",
    "ok_actions": "OKActions",
}
QUEUES = {"changes": "reconfigure-smtp-in", "changes-dead": "reconfigure-smtp-in-dead"}


def as_cloudwatch(alarm: Instance) -> dict[str, Any]:
    """Return an alarm by the words of PutMetricAlarm."""
    found = {theirs: value for ours, theirs in SAME.items() if (value := alarm.get(ours)) is not None}
    found["AlarmDescription"] = " ".join(found["AlarmDescription"].split())
    if (dimensions := alarm.get("dimensions")) is not None:
        found["Dimensions"] = as_dimensions(dimensions)
    if (queries := alarm.get("metric_query")) is not None:
        found["Metrics"] = [as_query(query) for query in queries]
    return found


def as_dimensions(given: dict[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in given.items()]


def as_query(query: dict[str, Any]) -> dict[str, Any]:
    found = {"Id": query["id"], "ReturnData": query["return_data"]}
    found |= {name.title(): query[name] for name in ("label", "expression") if name in query}
    for metric in query.get("metric", ()):
        named = {"Namespace": metric["namespace"], "MetricName": metric["metric_name"]}
        named |= {"Dimensions": as_dimensions(metric["dimensions"])}
        found["MetricStat"] = {"Metric": named, "Stat": metric["stat"], "Period": metric["period"]}
    return found


def as_templates(alarm: dict[str, Any]) -> dict[str, Any]:
    """Return an alarm of the template, filled in as the module fills it in."""
    found = filled(alarm)
    name = found.pop("AlarmName")
    assert name.startswith("reconfigure-smtp-in-")
    for dimension in found.get("Dimensions", ()):
        dimension["Value"] = QUEUES.get(dimension["Value"], dimension["Value"])
    return {key: [PEOPLE] if key.endswith("Actions") else value for key, value in found.items()}


def test_each_alarm_of_the_template_is_here_for_each_tier_and_nothing_else() -> None:
    names = {filled(alarm)["AlarmName"].removeprefix("reconfigure-smtp-in-") for alarm in ALARMS.values()}
    everywhere = {f"reconfigure-{tier}-{name}" for tier in ("imap", "smtp-in", "smtp-out") for name in names}
    heartbeats = {f"reconfigure-{tier}-heartbeat" for tier in ("imap", "smtp-in", "smtp-out")}
    assert set(FOUND) == everywhere | heartbeats | {
        f"reconfigure-{tier}-tasks-missing" for tier in MODULE.given["services"]
    }


def test_each_alarm_is_what_the_template_says() -> None:
    for alarm in ALARMS.values():
        assert as_cloudwatch(FOUND[filled(alarm)["AlarmName"]]) == as_templates(alarm)


def test_each_alarm_leads_to_a_page_of_the_runbooks() -> None:
    for alarm in FOUND.values():
        (page,) = PAGE.findall(alarm.get("alarm_description"))
        assert_is_a_page(f"docs/runbooks/{page}.md")


def test_a_longer_interval_makes_the_alarm_on_success_wait_longer() -> None:
    slow = Module(given={**GIVEN, "interval": 3600})
    thresholds = {
        alarm.get("threshold") for alarm in slow.all("aws_cloudwatch_metric_alarm") if alarm.block.name == "no_success"
    }
    assert thresholds == {7260}
    assert slow.local("environment")["imap"]["RECONFIGURE_INTERVAL"] == "3600"


def test_a_missing_task_is_one_of_the_service() -> None:
    alarm = FOUND["reconfigure-smtp-in-tasks-missing"]
    assert alarm.get("dimensions") == {"ClusterName": "reconfigure", "ServiceName": "smtp-in"}
    assert alarm.get("threshold") == 2
    (cluster,) = MODULE.all("aws_ecs_cluster")
    assert cluster.get("setting") == [{"name": "containerInsights", "value": "enabled"}]


def test_the_heartbeats_line_in_the_log_is_counted_by_the_alarm() -> None:
    filters = {each.key: each for each in MODULE.all("aws_cloudwatch_log_metric_filter")}
    for tier, each in filters.items():
        (metric,) = each.get("metric_transformation")
        alarm = FOUND[f"reconfigure-{tier}-heartbeat"]
        assert (metric["namespace"], metric["name"]) == (alarm.get("namespace"), alarm.get("metric_name"))
        assert each.get("pattern") == '{ $.event = "heartbeat_failed" }'
        assert each.get("log_group_name") == f"/reconfigure/{tier}"


def test_the_dashboard_shows_figures_that_the_loop_writes() -> None:
    written = set(re.findall(r'Value\("(\w+)"', (Module().folder.parent / "reconfigure/reporting/emf.py").read_text()))
    written |= {"QueueVisible", "QueueInFlight", "DeadLetters"}
    widgets = MODULE.local("widgets")
    shown = {metric[1] for widget in widgets for metric in widget["properties"]["metrics"]}
    assert shown
    assert shown <= written
    assert len({(widget["x"], widget["y"]) for widget in widgets}) == len(widgets)
