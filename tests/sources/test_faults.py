import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from embedded.faults import Fault, FaultProxy
from reconfigure.sources.aws import Clients

SCAN = {"X-Amz-Target": "DynamoDB_20120810.Scan", "Content-Type": "application/x-amz-json-1.0"}


@pytest.fixture
def connection(proxy: FaultProxy) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(proxy.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    yield connection
    connection.close()


def test_requests_go_through_and_are_counted_by_target(clients: Clients, proxy: FaultProxy) -> None:
    assert "TableNames" in clients.dynamodb.list_tables()
    assert "Topics" in clients.sns.list_topics()
    assert dict(proxy.counts) == {"DynamoDB_20120810.ListTables": 1, "ListTopics": 1}
    assert proxy.count("List") == 2


def test_a_fault_hits_as_often_as_ordered_and_only_what_it_names(clients: Clients, proxy: FaultProxy) -> None:
    proxy.fail("ListTables", Fault.throttled(), times=2)
    proxy.fail("ListTables", Fault.denied("dynamodb:ListTables"), times=1)
    codes = []
    for _ in range(3):
        with pytest.raises(ClientError) as caught:
            clients.dynamodb.list_tables()
        codes.append(caught.value.response["Error"]["Code"])
    assert codes == [*["ProvisionedThroughputExceededException"] * 2, "AccessDeniedException"]
    assert "TableNames" in clients.dynamodb.list_tables()


def test_healing_ends_every_fault(clients: Clients, proxy: FaultProxy) -> None:
    proxy.fail("", Fault.server_error())
    with pytest.raises(ClientError):
        clients.dynamodb.list_tables()
    proxy.heal()
    assert "TableNames" in clients.dynamodb.list_tables()


def test_an_error_speaks_the_protocol_of_the_request(clients: Clients, proxy: FaultProxy) -> None:
    proxy.fail("", Fault.throttled("Throttling"))
    for call in (clients.sns.list_topics, clients.sqs.list_queues, clients.ssm.describe_parameters):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "Throttling"


def test_a_reset_is_a_reset_on_the_wire(proxy: FaultProxy, connection: http.client.HTTPConnection) -> None:
    proxy.fail("Scan", Fault.connection_reset())
    connection.request("POST", "/", body=b"{}", headers=SCAN)
    with pytest.raises(ConnectionResetError):
        connection.getresponse()


def test_a_truncated_answer_announces_more_than_arrives(
    proxy: FaultProxy, connection: http.client.HTTPConnection
) -> None:
    proxy.fail("Scan", Fault.truncated())
    connection.request("POST", "/", body=b"{}", headers=SCAN)
    answer = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead):
        answer.read()


def test_an_answer_can_be_dictated(proxy: FaultProxy, connection: http.client.HTTPConnection) -> None:
    proxy.fail("Scan", Fault.answer(b'{"Count": 0}', status=201))
    connection.request("POST", "/", body=b"{}", headers=SCAN)
    answer = connection.getresponse()
    assert answer.status == 201
    assert json.loads(answer.read()) == {"Count": 0}


def test_a_double_that_is_gone_is_a_bad_gateway() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with FaultProxy(f"http://127.0.0.1:{port}") as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(proxy.url).port, timeout=20)
        connection.request("POST", "/", body=b"{}", headers=SCAN)
        assert connection.getresponse().status == 502
        connection.close()


def test_closing_ends_delays_and_idle_connections(proxy: FaultProxy, connection: http.client.HTTPConnection) -> None:
    proxy.fail("Scan", Fault.delayed(3600))
    connection.request("POST", "/", body=b"{}", headers=SCAN)
    proxy.close()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        connection.getresponse()
