"""A world for as long as a run of tests lasts."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from stack.world import World


@contextmanager
def running(world: World) -> Iterator[World]:
    """Start a world, and leave nothing of it behind; E2E_KEEP=1 takes what runs, and leaves it for the next run."""
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
