"""HTTP and figures of the real daemon: what it counts, and that nothing of it keeps a pass from being made."""

import re
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
import requests

from embedded.faults import Fault
from reconfigure.fleet.roll import Row
from reconfigure.fleet.table import FleetTable
from tests.observability.test_dashboard import expressions
from tests.observability.test_rules import ALERTS
from tests.web.conftest import free_port

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]

SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
SELECTOR = re.compile(r"\b(reconfigure_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
BY_THE_SCRAPER = {"tier", "instance", "job"}


def metrics(port: int) -> dict[str, float]:
    """Return every sample, by its name and labels as they are written."""
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
    answer.raise_for_status()
    found = (SAMPLE.fullmatch(line) for line in answer.text.splitlines() if not line.startswith("#"))
    return {f"{one['name']}{{{one['labels'] or ''}}}": float(one["value"]) for one in found if one}


def labels_of(samples: Mapping[str, float]) -> dict[str, set[str]]:
    """Return the labels that each metric has."""
    found: dict[str, set[str]] = {}
    for sample in samples:
        name, _, labels = sample.removesuffix("}").partition("{")
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def test_passes_requests_and_the_queue_are_counted(run: Run, world: "World", until: Callable[..., None]) -> None:
    world.put("info@acme.example.com")
    world.proxy.fail("Scan", Fault.throttled(), times=1)
    port = free_port()
    daemon = run(RECONFIGURE_HTTP=f"127.0.0.1:{port}")
    daemon.wait("pass_finished", outcome="changed")
    until(lambda: metrics(port).get("reconfigure_healthy{}") == 1, "it is healthy")
    world.put("shop@acme.example.com")
    world.send()
    daemon.wait("pass_finished", outcome="changed", count=2)
    until(lambda: 'reconfigure_queue_messages{state="visible"}' in metrics(port), "the queue was looked at")

    samples = metrics(port)
    assert samples['reconfigure_passes_total{outcome="changed",trigger="start"}'] == 1
    assert samples['reconfigure_passes_total{outcome="changed",trigger="message"}'] == 1
    assert samples['reconfigure_pass_duration_seconds_count{outcome="changed"}'] == 2
    scans = 'reconfigure_aws_requests_total{operation="Scan",outcome="%s",service="dynamodb"}'
    assert samples[scans % "throttled"] == 1
    assert samples[scans % "ok"] >= 2
    assert samples['reconfigure_aws_requests_total{operation="ReceiveMessage",outcome="ok",service="sqs"}'] >= 1
    assert samples['reconfigure_generation_entries{map="mail/access"}'] >= 2
    assert not [sample for sample in samples if "acme" in sample]
    assert requests.get(f"http://127.0.0.1:{port}/health", timeout=10).status_code == 200
    assert daemon.stop() == 0


def test_a_port_that_is_taken_is_one_warning_and_passes_are_made(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon = run(RECONFIGURE_HTTP=f"127.0.0.1:{taken.getsockname()[1]}")
        daemon.wait("pass_finished", outcome="changed")
    (said,) = daemon.said("http_not_served")
    assert said["error"] == "Address already in use"
    assert daemon.stop() == 0
    assert daemon.err.read_text() == ""


def test_figures_for_cloudwatch_are_lines_of_the_log_of_a_bounded_kind(
    run: Run, world: "World", until: Callable[..., None]
) -> None:
    world.put("info@acme.example.com", "not-an-address")
    daemon = run(RECONFIGURE_EMF_NAMESPACE="Mail")

    def figures() -> list[dict[str, Any]]:
        return [line for line in daemon.lines() if "_aws" in line]

    daemon.wait("pass_finished", outcome="changed")
    until(figures, "the figures were written")
    assert daemon.stop() == 0
    first = figures()[0]
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Mail"
    assert directive["Dimensions"] == [["Tier"]]
    assert first["Tier"] == "smtp-in"
    assert all(isinstance(first[metric["Name"]], int | float) for metric in directive["Metrics"])
    assert (first["Healthy"], first["Quarantined"]) == (1, 1)
    assert first["PassDuration"] > 0
    assert not [line for line in daemon.out.read_text().splitlines() if "_aws" in line and "acme" in line]


def test_figures_are_written_only_where_they_are_wanted_and_by_the_daemon(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished", outcome="changed")
    assert daemon.stop() == 0
    once = run("once", RECONFIGURE_EMF_NAMESPACE="Mail")
    assert once.process.wait(timeout=30) == 0
    for each in (daemon, once):
        assert "_aws" not in each.out.read_text()


def test_rules_and_dashboard_name_only_what_there_is(run: Run, world: "World", until: Callable[..., None]) -> None:
    world.put("info@acme.example.com", "not-an-address")
    port = free_port()
    fleet = {"FLEET_TABLE": world.make_fleet(), "RECONFIGURE_START_SPREAD_SECONDS": "0"}
    put_a_sibling(world)
    daemon = run(RECONFIGURE_HTTP=f"127.0.0.1:{port}", SQS_DLQ_URL=world.dead_url, **fleet)
    daemon.wait("pass_finished", outcome="changed")
    until(lambda: 'reconfigure_queue_messages{state="dead"}' in metrics(port), "the dead letters were counted")
    until(lambda: 'reconfigure_fleet_lag_seconds{fleet_tier="smtp-in"}' in metrics(port), "a sibling was seen")
    there = labels_of(metrics(port))
    # These need a supervisord; tests/web sees to them.
    there |= {"reconfigure_daemon_up": {"program"}, "reconfigure_daemon_restarts_total": {"program"}}
    there |= {"reconfigure_sessions": {"program"}, "reconfigure_sessions_limit": {"program"}}
    there |= {"reconfigure_reloads_total": {"program", "result"}}
    for expression in [*expressions(), *(rule["expr"] for rule in ALERTS.values())]:
        for name, matchers in SELECTOR.findall(expression):
            assert name in there, expression
            unknown = set(LABEL.findall(matchers)) - there[name] - BY_THE_SCRAPER
            assert not unknown, f"{name} has no {unknown}: {expression}"


def put_a_sibling(world: "World") -> None:
    """Write the row of a task that is there when the daemon first looks at the fleet."""
    table = FleetTable(lambda: world.direct.dynamodb, f"fleet-{world.mark}", region=world.direct.region)
    table.put(
        Row(tier="smtp-in", task="beside", version="1", state="ok", written=table.now(), expires=int(table.now() + 900))
    )


@pytest.mark.parametrize("expression", ["reconfigure_passed_total", 'reconfigure_state{status="ok"}'])
def test_a_name_or_label_that_is_not_there_would_be_noticed(expression: str) -> None:
    there = {"reconfigure_passes_total": {"outcome"}, "reconfigure_state": {"state"}}
    ((name, matchers),) = SELECTOR.findall(expression)
    assert name not in there or set(LABEL.findall(matchers)) - there[name]
