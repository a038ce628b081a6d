"""An AWS double over HTTP, a proxy before it that makes trouble, and clients that talk through both.

Everything made here has a name of its own and is deleted again, so nothing needs to reset the double, whose state
is shared by the whole process.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from embedded.faults import FaultProxy
from reconfigure.sources.aws import Clients

REGION = "eu-west-1"


@pytest.fixture(scope="module", autouse=True)
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.delenv("AWS_PROFILE", raising=False)
        yield


@pytest.fixture
def proxy(double_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(double_url) as proxy:
        yield proxy


@pytest.fixture
def clients(proxy: FaultProxy) -> Iterator[Clients]:
    """Clients without retries of botocore's own, so that the tests see only ours."""
    clients = Clients(REGION, proxy.url, 1)
    yield clients
    clients.close()


@pytest.fixture(scope="module")
def direct(double_url: str, credentials: None) -> Iterator[Clients]:  # noqa: ARG001  (only its effect is needed)
    """Clients that no fault reaches: for making the world and looking at it."""
    clients = Clients(REGION, double_url)
    yield clients
    clients.close()


@pytest.fixture
def table(direct: Clients) -> Iterator[str]:
    name = f"addresses-{uuid.uuid4().hex}"
    direct.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield name
    direct.dynamodb.delete_table(TableName=name)


@pytest.fixture
def fill(direct: Clients, table: str) -> Callable[..., list[dict[str, Any]]]:
    """Put that many rows into the table; with a large comment in each, two of them fill a page."""

    def fill(count: int, *, comment: int = 0) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [
            {
                "address": {"S": f"shop{n}@acme.example.com"},
                "username": {"S": f"shop{n}"},
                "subdomain": {"S": "acme"},
                "tld": {"S": "example.com"},
                "user": {"S": "alice/bob"},
                "suspended": {"BOOL": n % 2 == 1},
            }
            for n in range(count)
        ]
        for row in rows:
            item = {**row, "comment": {"S": "x" * comment}} if comment else row
            direct.dynamodb.put_item(TableName=table, Item=item)
        return rows

    return fill


@pytest.fixture
def pool(direct: Clients) -> Iterator[str]:
    answer = direct.cognito.create_user_pool(
        PoolName=f"pool-{uuid.uuid4().hex}",
        Schema=[{"Name": name, "AttributeDataType": "String", "Mutable": True} for name in ("osid", "sending_limit")],
    )
    pool = answer["UserPool"]["Id"]
    yield pool
    direct.cognito.delete_user_pool(UserPoolId=pool)


@pytest.fixture
def queue_url(direct: Clients, proxy: FaultProxy) -> Iterator[str]:
    name = f"reconfigure-{uuid.uuid4().hex}"
    url = direct.sqs.create_queue(QueueName=name)["QueueUrl"]
    # SQS clients send to the URL's host, so it names the proxy.
    yield f"{proxy.url}/{url.split('/', 3)[3]}"
    direct.sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true, 20 s at most."""

    def until(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, "it did not come true within 20 s"
            time.sleep(0.01)

    return until
