"""What tests of many folders need: an AWS double over HTTP."""

from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer


@pytest.fixture(scope="session")
def double_url() -> Iterator[str]:
    """The URL of a moto server: one a process, since its state belongs to the process, so tests name things apart."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
