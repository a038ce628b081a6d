"""One world for all tests of this folder: the containers that `make mail` starts, on a network of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.world import World
from tests.system.figures import Figure, line
from tests.system.mail import Mail

OVERRIDE = Path(__file__).with_name("world.yaml")

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Start it, and leave nothing of it behind; E2E_KEEP=1 takes what runs, and leaves it for the next run."""
    world = World("e2e", "10.78.0", overrides=[OVERRIDE])
    keep = os.environ.get("E2E_KEEP") == "1"
    try:
        if not keep:
            world.down()  # what a run that was cut off has left
            world.up()
        world.wait_ready()
        yield world
    finally:
        if not keep:
            world.down()


@pytest.fixture(scope="session")
def mail(world: World) -> Mail:
    return Mail(world)


@pytest.fixture(scope="session")
def figure(pytestconfig: pytest.Config) -> Figure:
    """Keep a figure for the end of the run."""
    kept = pytestconfig.stash.setdefault(_FIGURES, [])
    return lambda name, value: kept.append(line(name, value))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the world, so that it runs where there are containers and nowhere else."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "world" in getattr(item, "fixturenames", ()):
            item.add_marker("containers")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if kept := config.stash.get(_FIGURES, []):
        terminalreporter.section("measured")
        for each in kept:
            terminalreporter.line(each)
