"""One world for all drills: the containers that `make mail` starts, on a network of their own, with short waits.

A drill breaks what runs, types what the page says, and leaves all as it was; what it leaves broken is mended here, so
that it spoils no other drill, and is its own failure.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.drills import healing
from tests.drills.operator import Operator
from tests.system.mail import Mail
from tests.system.running import running

OVERRIDE = Path(__file__).with_name("world.yaml")

Read = Callable[..., Operator]
"""Opens a page, by its number, for one cause, in a tier: `read(5, "Denied", tier=Tier.IMAP)`."""


def drilled(environment: Mapping[str, str] | None = None) -> World:
    """Return the world of all drills; with other settings than usual, for containers that are created by it."""
    settings = {"DRILLS": str(OVERRIDE.parent), **(environment or {})}
    return World("drills", "10.79.0", overrides=[OVERRIDE], environment=settings)


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with running(drilled()) as world:
        healing.heal(world)
        yield world


@pytest.fixture(scope="session")
def mail(world: World) -> Mail:
    return Mail(world)


@pytest.fixture(autouse=True)
def well(request: pytest.FixtureRequest) -> Iterator[None]:
    """Begin a drill in a world that is well, and see that it leaves it so."""
    if "world" not in request.fixturenames:
        yield
        return
    world: World = request.getfixturevalue("world")
    mail: Mail = request.getfixturevalue("mail")
    healing.is_well(world, mail)  # healed when the world began, and after each drill
    yield
    left = healing.left_broken(world)
    healing.heal(world)
    assert not left, f"the page mends less than the drill broke: {left}"


@pytest.fixture
def read(world: World, mail: Mail) -> Read:
    """Open a page as the operator does, in a container of the tier."""

    def opened(number: int, cause: str = "", *, tier: Tier) -> Operator:
        return Operator(world, mail, number=number, cause=cause, tier=tier)

    return opened


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the world, so that it runs where there are containers and nowhere else."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "world" in getattr(item, "fixturenames", ()) and "drill" in item.name:
            item.add_marker("drills")
