"""What tests of many folders need: an AWS double over HTTP."""

from collections.abc import Iterator

import pytest

from embedded.aws import Server


@pytest.fixture(scope="session")
def double_url() -> Iterator[str]:
    """The URL of a moto server: one a process, since its state belongs to the process, so tests name things apart."""
    with Server() as server:
        yield server.url
