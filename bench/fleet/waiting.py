"""What both kinds of run need: an AWS double, waiting for something, and a summary of what was waited for."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embedded.aws import World
from embedded.places import CHECKOUT

PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.02


@contextmanager
def double(folder: Path) -> Iterator[World]:
    """Run a seeded AWS double as a process of its own."""
    file = folder / "aws.json"
    command = [sys.executable, "-m", "embedded.aws", "--file", str(file)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(file.exists, "the AWS double is up")
        yield World.read(file)
    finally:
        process.terminate()
        process.wait(timeout=10)


def until(true: Callable[[], object], what: str, *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something is true.

    Raises:
        TimeoutError: it did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not after {seconds:.0f} s")
        time.sleep(LOOK_SECONDS)


def summary(took: Sequence[float]) -> dict[str, Any]:
    """Return how many there were, and the median, the 99th percentile and the largest."""
    ordered = sorted(took)
    return {
        "arrivals": len(ordered),
        "p50": statistics.median(ordered),
        "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        "max": ordered[-1],
    }
