"""A Healthchecks double over HTTP, and heartbeats that are stopped when their test ends."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from embedded.healthchecks import HealthchecksDouble
from reconfigure.reporting.heartbeat import Heartbeat


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def healthchecks() -> Iterator[HealthchecksDouble]:
    with HealthchecksDouble() as double:
        yield double


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rid() -> Callable[[], str]:
    return lambda: str(uuid.uuid4())


@pytest.fixture
def heartbeats(healthchecks: HealthchecksDouble) -> Iterator[Callable[..., Heartbeat]]:
    """Make heartbeats for the check "imap", quick to retry and generous with time unless told otherwise."""
    made: list[Heartbeat] = []

    def make(url: Callable[[], str | None] | None = None, **settings: float | Clock) -> Heartbeat:
        defaults = {"timeout": 30.0, "spacing": 60.0, "first_pause": 0.01}
        heartbeat = Heartbeat(url or (lambda: healthchecks.url("imap")), **(defaults | settings))  # type: ignore[arg-type]
        made.append(heartbeat)
        return heartbeat

    yield make
    healthchecks.release()
    for heartbeat in made:
        heartbeat.close(0.2)
    deadline = time.monotonic() + 20
    while [thread for thread in threading.enumerate() if thread.name == "heartbeat"]:
        assert time.monotonic() < deadline, "a closed heartbeat lives on"
        time.sleep(0.005)
