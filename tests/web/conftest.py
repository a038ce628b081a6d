"""A tier in the AWS double, with passes behind it, and its endpoint on loopback as the daemon serves it."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import NamedTuple

import pytest
import requests

from reconfigure.metrics import Metrics
from reconfigure.settings import load
from reconfigure.settings.parse import Endpoint
from reconfigure.web.app import App
from reconfigure.web.server import serving
from tests.cli.conftest import (  # noqa: F401 - pytest finds them by their names here
    changed,
    environment,
    folder,
    held,
    live,
    run,
    state,
    supervise,
    world,
)


class Site(NamedTuple):
    """What is served, and what counts in its process."""

    url: str
    metrics: Metrics

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=headers, timeout=20)

    def samples(self) -> Mapping[str, float]:
        """Every sample of /metrics, by its name and labels as they are written."""
        lines = [line for line in self.get("/metrics").text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def serve(environment: pytest.MonkeyPatch) -> Iterator[Callable[[], Site]]:  # noqa: F811, ARG001
    """Serve what the settings of the environment lead to."""
    with ExitStack() as served:

        def start() -> Site:
            metrics, endpoint = Metrics(), Endpoint("127.0.0.1", free_port())
            app = App(load(dict(os.environ)), metrics.registry)
            assert served.enter_context(serving(endpoint, app))
            return Site(f"http://{endpoint}", metrics)

        yield start


@pytest.fixture
def site(changed: object, serve: Callable[[], Site]) -> Site:  # noqa: F811, ARG001
    """The endpoint of a tier with two generations."""
    return serve()
