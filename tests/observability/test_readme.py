"""The page names every alert and alarm with its page, and its piece of configuration is one that Prometheus reads."""

import re
from pathlib import Path

from tests.observability.promtool import ROOT, needs_promtool, promtool
from tests.observability.runbooks import PAGE
from tests.observability.test_alarms import ALARMS
from tests.observability.test_rules import ALERTS

TEXT = (ROOT / "docs/observability/README.md").read_text(encoding="utf-8")


def rows() -> dict[str, tuple[str, str]]:
    """Return the second column and the page of each row, by the name in its first."""
    found = re.findall(r"^\| `([\w-]+)` \| ([\w ]+) \| \[(.+)\]\(\.\./runbooks/\3\.md\) \|$", TEXT, re.MULTILINE)
    return {name: (second, page) for name, second, page in found}


def test_the_tables_have_each_alert_and_alarm_as_it_is() -> None:
    no_data = {"breaching": "an alarm", "ignore": "as before", "notBreaching": "good"}
    expected = {}
    for name, rule in ALERTS.items():
        page = PAGE.findall(rule["annotations"]["runbook"])[0]
        expected[name] = (rule["labels"]["severity"], page)
    for alarm in ALARMS.values():
        name = alarm["AlarmName"]["Fn::Sub"].removeprefix("reconfigure-${Tier}-")
        expected[name] = (no_data[alarm["TreatMissingData"]], PAGE.findall(alarm["AlarmDescription"])[0])
    assert rows() == expected


@needs_promtool
def test_prometheus_reads_the_configuration_on_the_page(tmp_path: Path) -> None:
    (configuration,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    file = tmp_path / "prometheus.yml"
    file.write_text(configuration)
    assert "SUCCESS" in promtool("check", "config", file)
    assert {"tier", "instance"} <= set(re.findall(r"^ +(\w+):", configuration, re.MULTILINE))
