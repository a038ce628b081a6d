"""The server around the page: that it ends cleanly whatever is under way."""

import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from reconfigure.settings.parse import Endpoint
from reconfigure.web.server import serving
from tests.web.conftest import free_port

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
TIMES = 100


def ok(_: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def test_it_ends_without_a_word_while_requests_are_under_way(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(TIMES):
        endpoint = Endpoint("127.0.0.1", free_port())
        with serving(endpoint, ok) as is_served:
            assert is_served
            clients = [socket.create_connection(endpoint) for _ in range(3)]
            for client in clients:
                client.sendall(REQUEST)
            clients[0].recv(1)
        for client in clients:
            client.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(endpoint)
    assert [record.getMessage() for record in caplog.records] == []
