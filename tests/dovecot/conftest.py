"""Two containers of the delivery tier on one volume of homes, with the AWS double, for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.world import World
from tests.dovecot.clients import Tier
from tests.system.patience import until

OVERRIDE = Path(__file__).with_name("world.yaml")
SECOND_IP = 21  # world.yaml


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.containers)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Start it, and leave nothing of it behind."""
    world = World("dovecot", "10.83.0", overrides=[OVERRIDE])
    world.down()  # what a run that was cut off has left
    try:
        world.up("aws", "dns", "imap", "imap-2")
        world.wait_ready("aws", "imap")
        second = lambda: world.health("imap-2")["status"] in {"ok", "degraded"}  # noqa: E731
        until(second, "the second container is healthy", seconds=60)
        yield world
    finally:
        world.down()


@pytest.fixture(scope="session")
def imap(world: World) -> Tier:
    return Tier(world, "imap", world.ip("imap"))


@pytest.fixture(scope="session")
def second(world: World) -> Tier:
    return Tier(world, "imap-2", f"{world.prefix}.{SECOND_IP}")
