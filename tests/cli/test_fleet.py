"""The fleet command against a fleet table over HTTP."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from embedded.aws import create_fleet_table
from embedded.faults import Fault, FaultProxy
from reconfigure.fleet.changelog import ChangeLog
from reconfigure.fleet.roll import Row
from reconfigure.fleet.table import FleetTable
from reconfigure.sources.aws import Clients

REGION = "eu-west-1"


@pytest.fixture
def proxy(double_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(double_url) as proxy:
        yield proxy


@pytest.fixture
def table(environment: pytest.MonkeyPatch, double_url: str, proxy: FaultProxy) -> Iterator[FleetTable]:
    clients = Clients(REGION, double_url)
    name = f"fleet-{uuid.uuid4().hex[:12]}"
    create_fleet_table(clients.dynamodb, name)
    environment.setenv("FLEET_TABLE", name)
    environment.setenv("ADDRESSES_TABLE", "addresses")
    environment.setenv("AWS_ENDPOINT_URL", proxy.url)
    yield FleetTable(lambda: clients.dynamodb, name, region=REGION)
    clients.dynamodb.delete_table(TableName=name)
    clients.close()


def fill(table: FleetTable) -> ChangeLog:
    """Two tasks of imap, one behind by a change of a minute ago; one of smtp-in, silent for half an hour."""
    log = table.append("imap", None, ["a@example.com"], task="one")
    now = time.time()
    one = Row(
        tier="imap",
        task="ip-10-0-1-17",
        version="1.2.0",
        state="ok",
        generation="20261127T090000Z-1a2b3c",
        digest="ab" * 32,
        log=log.id,
        applied=1,
        success=now - 40,
        written=now,
        expires=int(now + 900),
        quarantine=3,
    )
    table.put(one)
    table.put(replace(one, task="ip-10-0-2-8", applied=0, success=now - 300, digest="cd" * 32))
    table.put(replace(one, tier="smtp-in", task="ip-10-0-3-9", written=now - 600))
    return log


def test_it_shows_every_task_and_names_who_is_not_well(table: FleetTable, run: Any) -> None:
    fill(table)
    result = run("fleet")
    assert result.exit_code == 1
    assert result.stdout.startswith("3 tasks: 1 not well\n")
    assert "smtp-in ip-10-0-3-9: silent for 10 min" in result.stdout.replace("\n    ", " ")
    for task in ("ip-10-0-1-17", "ip-10-0-2-8"):
        assert task in result.stdout
    assert "last changes: imap 1" in result.stdout


def test_a_wide_terminal_gets_a_table(table: FleetTable, run: Any, environment: pytest.MonkeyPatch) -> None:
    fill(table)
    environment.setenv("COLUMNS", "140")
    _, head, *rows = run("fleet").stdout.splitlines()
    heads = "tier task state change behind last success generation digest version refused"
    assert " ".join(head.split()) == heads
    row = "imap ip-10-0-2-8 ok 0 1 change, 0 s 5 min ago 20261127T090000Z-1a2b3c cdcdcdcd 1.2.0 3"
    assert " ".join(rows[1].split()) == row


def test_the_same_as_json(table: FleetTable, run: Any) -> None:
    fill(table)
    result = run("fleet", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["sequences"] == {"imap": 1, "smtp-in": None, "smtp-out": None}
    assert [one["missing"] for one in told["tasks"]] == [0, 1, 0]
    assert [bool(one["trouble"]) for one in told["tasks"]] == [False, False, True]


def test_a_tier_alone_and_how_far_behind_is_too_far(table: FleetTable, run: Any) -> None:
    fill(table)
    assert run("fleet", "--tier", "imap").exit_code == 0
    result = run("fleet", "--tier", "imap", "--behind", "0")
    assert result.exit_code == 1
    assert "1 not well" in result.stdout
    assert "smtp-in" not in result.stdout
    assert run("fleet", "--tier", "mars").exit_code == 2


def test_an_empty_table_is_not_well(table: FleetTable, run: Any) -> None:  # noqa: ARG001 (that there is one)
    result = run("fleet")
    assert result.exit_code == 1
    assert result.stdout == "no task is in the fleet table\n"


def test_without_a_fleet_or_a_permission_it_says_so(
    table: FleetTable,  # noqa: ARG001 (that there is one)
    proxy: FaultProxy,
    environment: pytest.MonkeyPatch,
    run: Any,
) -> None:
    proxy.fail("Query", Fault.denied("dynamodb:Query"))
    result = run("fleet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "allow dynamodb:Query on it in the task's role" in result.stderr
    environment.delenv("FLEET_TABLE")
    result = run("fleet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "FLEET_TABLE is not set" in result.stderr
