"""One world for all tests of this folder: the containers that `make mail` starts, on a network of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.world import World
from tests.system.figures import Figure, line
from tests.system.mail import Mail
from tests.system.running import running

OVERRIDE = Path(__file__).with_name("world.yaml")

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with running(World("e2e", "10.78.0", overrides=[OVERRIDE])) as world:
        yield world


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
