"""CloudWatch takes the template's alarms; it uses what it asks for, and each alarm says where to go on."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.observability.promtool import ROOT
from tests.observability.runbooks import PAGE, assert_is_a_page

FILE = ROOT / "docs/observability/cloudwatch-alarms.yaml"
TEMPLATE: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
ALARMS: dict[str, dict[str, Any]] = {name: found["Properties"] for name, found in TEMPLATE["Resources"].items()}
GIVEN = {
    "Tier": "smtp-in",
    "QueueName": "changes",
    "DeadLetterQueueName": "changes-dead",
    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:people",
}
each_alarm = pytest.mark.parametrize("name", ALARMS)


def filled(node: Any) -> Any:
    """Return a part of the template with its references filled in, as CloudFormation does it."""
    values = {name: GIVEN.get(name, told.get("Default")) for name, told in TEMPLATE["Parameters"].items()}
    if isinstance(node, dict):
        if set(node) == {"Ref"}:
            return values[node["Ref"]]
        if set(node) == {"Fn::Sub"}:
            return re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], node["Fn::Sub"])
        return {key: filled(value) for key, value in node.items()}
    return [filled(item) for item in node] if isinstance(node, list) else node


@pytest.fixture(scope="module")
def deployed() -> Iterator[dict[str, dict[str, Any]]]:
    """The alarms as CloudWatch has them, by name.

    The properties of AWS::CloudWatch::Alarm are the parameters of PutMetricAlarm, so the client refuses a wrong one.
    """
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="eu-west-1")
        with closing(session.client("cloudwatch", endpoint_url=f"http://{host}:{port}")) as client:
            for alarm in ALARMS.values():
                client.put_metric_alarm(**filled(alarm))
            yield {alarm["AlarmName"]: dict(alarm) for alarm in client.describe_alarms()["MetricAlarms"]}
            client.delete_alarms(AlarmNames=[filled(alarm)["AlarmName"] for alarm in ALARMS.values()])
    finally:
        server.stop()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref":
                yield value
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{(\w+)\}", value)
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics that an alarm looks at, itself or by an expression."""
    if "MetricName" in alarm:
        return [alarm]
    return [part["MetricStat"]["Metric"] for part in alarm["Metrics"] if "MetricStat" in part]


def test_every_resource_is_an_alarm() -> None:
    assert {found["Type"] for found in TEMPLATE["Resources"].values()} == {"AWS::CloudWatch::Alarm"}


def test_cloudwatch_takes_every_alarm_under_a_name_of_its_tier(deployed: dict[str, dict[str, Any]]) -> None:
    assert len(deployed) == len(ALARMS)
    assert all(name.startswith("reconfigure-smtp-in-") for name in deployed)
    assert all(alarm["AlarmActions"] == [GIVEN["TopicArn"]] for alarm in deployed.values())


def test_parameters_reach_the_alarms(deployed: dict[str, dict[str, Any]]) -> None:
    oldest, dead = deployed["reconfigure-smtp-in-oldest-message"], deployed["reconfigure-smtp-in-dead-letters"]
    assert oldest["Dimensions"] == [{"Name": "QueueName", "Value": "changes"}]
    assert dead["Dimensions"] == [{"Name": "QueueName", "Value": "changes-dead"}]
    assert deployed["reconfigure-smtp-in-no-success"]["Threshold"] == 1860
    assert deployed["reconfigure-smtp-in-held"]["Namespace"] == "Reconfigure"


def test_every_parameter_is_used_and_every_reference_is_one() -> None:
    assert set(references(TEMPLATE["Resources"])) == set(TEMPLATE["Parameters"])


def test_silence_is_one_alarm_and_not_ten() -> None:
    breaching = [name for name, alarm in ALARMS.items() if alarm["TreatMissingData"] == "breaching"]
    assert breaching == ["Silent"]


@each_alarm
def test_each_alarm_decides_what_no_data_means(name: str) -> None:
    own = all(metric["Namespace"] == {"Ref": "Namespace"} for metric in metrics_of(ALARMS[name]))
    expected = {"ignore", "breaching"} if own else {"notBreaching"}
    assert ALARMS[name]["TreatMissingData"] in expected


@each_alarm
def test_each_alarm_looks_no_further_back_than_cloudwatch_allows(name: str) -> None:
    """CloudWatch: a day for periods below an hour, seven days from an hour on."""
    alarm = ALARMS[name]
    periods = [alarm["Period"]] if "Period" in alarm else []
    periods += [part["MetricStat"]["Period"] for part in alarm.get("Metrics", ()) if "MetricStat" in part]
    assert len(set(periods)) == 1
    assert periods[0] * alarm["EvaluationPeriods"] <= (7 * 86400 if periods[0] >= 3600 else 86400)


@each_alarm
def test_an_expression_uses_each_metric_that_is_fetched_for_it(name: str) -> None:
    parts = ALARMS[name].get("Metrics", [])
    if parts:
        (returned,) = [part for part in parts if part["ReturnData"]]
        assert set(re.findall(r"[a-z]+", returned["Expression"])) == {p["Id"] for p in parts if not p["ReturnData"]}


@each_alarm
def test_each_alarm_leads_to_a_page_of_the_runbooks(name: str) -> None:
    said = ALARMS[name]["AlarmDescription"]
    assert len(said) <= 1024
    (page,) = PAGE.findall(said)
    assert_is_a_page(f"docs/runbooks/{page}.md")
