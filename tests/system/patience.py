"""Waiting for what comes about by itself: looked for again and again until a deadline, never slept for."""

import time
from collections.abc import Callable
from typing import TypeVar

from stack.world import World

Found = TypeVar("Found")

_LOOK_SECONDS = 0.1


def until(look: Callable[[], Found], what: str, *, seconds: float = 30.0, every: float = _LOOK_SECONDS) -> Found:
    """Return what `look` finds, as soon as that is true.

    Raises:
        AssertionError: it was not within `seconds`; says what was waited for and what was found last.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}; found last: {found!r}")
        time.sleep(every)


def until_running(world: World, task: str, program: str) -> int:
    """Return a program's pid, once supervisord calls it running: seconds after its start, while it is at work."""
    pid = until(lambda: world.programs(task)[program].pid, f"{program} runs in {task}", seconds=60)
    assert pid is not None
    return pid
