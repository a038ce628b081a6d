"""A run of whole tasks: changes one after the other, while tasks are killed, stopped, cut off, throttled, started."""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.fleet.tasks import Run
from bench.fleet.waiting import double, summary
from bench.processes import CREDENTIALS


def measure(folder: Path, *, tasks: int, changes: int, every: float, console: Console) -> dict[str, Any]:
    """Return what a run with real tasks came to.

    Args:
        folder: for state.
        tasks: how many start at once.
        changes: how many are made.
        every: seconds between two.
        console: for progress.

    Raises:
        TimeoutError: some task never had some change.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(CREDENTIALS)
    with double(folder) as world:
        run = Run(folder, world, tasks=tasks, settings={})
        events = _events(run, changes)
        try:
            with console.status(f"{tasks} tasks start …") as spinner:
                run.start()
                before, began = _counts(run), time.monotonic()
                for number in range(changes):
                    spinner.update(f"change {number + 1} of {changes}")
                    if number in events:
                        events[number]()
                    run.change(number)
                    run.watch(every)
                run.everybody_has_everything()
                seconds, asked = time.monotonic() - began, _counts(run) - before
        finally:
            run.close()
        return {
            "tasks": tasks,
            "changes": changes,
            "every": every,
            "seconds": seconds,
            "starts": [round(at - run.started_apart[0], 3) for at in run.started_apart],
            **summary(run.took),
            "returns": {what: max(took) for what, took in run.returns.items()},
            "requests": dict(asked),
        }


def _events(run: Run, changes: int) -> dict[int, Callable[[], None]]:
    """Return what happens before which change: five times somebody goes away, and comes back after some changes."""
    pairs = (
        (run.kill, run.start_again),
        (run.stand_still, run.go_on),
        (run.cut_off, run.mend),
        (run.throttle, run.ease),
    )
    step = changes // (2 * len(pairs) + 2)
    if not step:
        return {}
    found: dict[int, Callable[[], None]] = {}
    for number, (away, back) in enumerate(pairs):
        found[(2 * number + 1) * step] = away
        found[(2 * number + 1) * step + max(1, step // 2)] = back
    found[(2 * len(pairs) + 1) * step] = run.join
    return found


def _counts(run: Run) -> Counter[str]:
    """Return how often each operation was asked for."""
    counted: Counter[str] = Counter()
    for proxy in (run.proxy, run.apart):
        for target, number in dict(proxy.counts).items():
            counted[target.rpartition(".")[2]] += number
    return counted
