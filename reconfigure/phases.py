"""Where a pass spends its time: named phases, each with wall-clock and CPU seconds of its own (children included)."""

import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Spent:
    """Seconds spent in one phase."""

    wall: float = 0.0
    cpu: float = 0.0


class Phases:
    """Adds up time by phase. A phase entered inside another pauses it, so the sums do not count a second twice.

    Args:
        entered: told the name of a phase each time one begins, for progress.
    """

    def __init__(self, entered: Callable[[str], None] = lambda _: None) -> None:
        self.spent: dict[str, Spent] = {}
        self._entered = entered
        self._open: list[str] = []
        self._mark = _now()
        self._began = self._mark[0]

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Attribute the time of a block to a phase."""
        self._turn()
        self._open.append(name)
        self._entered(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def over(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, attributing the time that it takes to get each of them to a phase."""
        iterator = iter(items)
        while True:
            with self(name):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
            del item  # the next one is made without this one in memory

    def elapsed(self) -> float:
        """Return the wall-clock seconds since this was made."""
        return time.perf_counter() - self._began

    def seconds(self) -> dict[str, float]:
        """Return wall-clock seconds by phase, rounded to milliseconds, in the order they first ran."""
        return {name: round(spent.wall, 3) for name, spent in self.spent.items()}

    def _turn(self) -> None:
        wall, cpu = _now()
        if self._open:
            spent = self.spent.setdefault(self._open[-1], Spent())
            spent.wall += wall - self._mark[0]
            spent.cpu += cpu - self._mark[1]
        self._mark = (wall, cpu)


def _now() -> tuple[float, float]:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter(), time.process_time() + children.ru_utime + children.ru_stime
