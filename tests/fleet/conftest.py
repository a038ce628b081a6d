"""A fleet table in an AWS double over HTTP, with a proxy before it where AWS is to have a bad day."""

import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from embedded.aws import create_fleet_table
from embedded.faults import FaultProxy
from reconfigure.fleet.table import FleetTable
from reconfigure.sources.aws import Clients

REGION = "eu-west-1"


@pytest.fixture
def direct(double_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients that no fault reaches."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    clients = Clients(REGION, double_url)
    yield clients
    clients.close()


@pytest.fixture
def name(direct: Clients) -> Iterator[str]:
    """An empty fleet table."""
    name = f"fleet-{uuid.uuid4().hex[:12]}"
    create_fleet_table(direct.dynamodb, name)
    yield name
    direct.dynamodb.delete_table(TableName=name)


@pytest.fixture
def proxy(double_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(double_url) as proxy:
        yield proxy


@pytest.fixture
def table(direct: Clients, name: str) -> FleetTable:
    return FleetTable(lambda: direct.dynamodb, name, region=REGION)


@pytest.fixture
def troubled(proxy: FaultProxy, name: str, direct: Clients) -> Iterator[FleetTable]:  # noqa: ARG001 (credentials)
    """The same table by way of the proxy."""
    clients = Clients(REGION, proxy.url)
    yield FleetTable(lambda: clients.fleet, name, region=REGION)
    clients.close()


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait until something is true, 20 s at most."""

    def until(true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, "it did not come true within 20 s"
            time.sleep(0.01)

    return until
