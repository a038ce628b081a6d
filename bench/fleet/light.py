"""A run of light tasks: their part in the fleet alone, many to a process, against a log that is written often."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.fleet.waiting import double, summary, until
from bench.processes import CREDENTIALS
from embedded.places import CHECKOUT
from reconfigure.fleet.changelog import ChangeLog
from reconfigure.fleet.table import FleetTable
from reconfigure.settings import Tier
from reconfigure.sources.aws import Clients as OwnClients

PROCESSES = 2  # that the tasks are spread over


def measure(folder: Path, *, tasks: int, changes: int, every: float, console: Console) -> dict[str, Any]:
    """Return how long light tasks took to hear of changes that were written into the log."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update(CREDENTIALS)
    with double(folder) as world:
        own = OwnClients(world.region, world.url)
        table = FleetTable(lambda: own.fleet, world.fleet_table, region=world.region)
        heard: list[tuple[str, int, float]] = []
        share = tasks // PROCESSES
        where = (world.url, world.region, world.fleet_table)
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.fleet.follower", *where, str(n * share), str(share)],
                cwd=CHECKOUT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for n in range(PROCESSES)
        ]
        for process in processes:
            threading.Thread(target=_hear, args=(process, heard), daemon=True).start()
        try:
            with console.status(f"{tasks} light tasks start …") as spinner:
                until(lambda: len({name for name, _, _ in list(heard)}) == share * PROCESSES, "every light task reads")
                recorded: dict[int, float] = {}
                log = table.log(Tier.IMAP.value) or ChangeLog.new()
                for number in range(changes):
                    spinner.update(f"change {number + 1} of {changes}")
                    log = table.append(Tier.IMAP.value, log, [f"{number}@example.com"], task="bench")
                    recorded[log.sequence] = time.monotonic()
                    time.sleep(every)
                last = log.sequence
                until(lambda: _all_on(heard, last, share * PROCESSES), "every light task is on the last change")
        finally:
            for process in processes:
                process.kill()
                process.wait()
        return {"tasks": share * PROCESSES, "changes": changes, "every": every, **summary(_delays(heard, recorded))}


def _hear(process: "subprocess.Popen[str]", heard: list[tuple[str, int, float]]) -> None:
    for line in process.stdout or ():
        name, sequence, at = json.loads(line)
        heard.append((name, sequence, at))


def _all_on(heard: list[tuple[str, int, float]], sequence: int, tasks: int) -> bool:
    return len({name for name, on, _ in list(heard) if on == sequence}) == tasks


def _delays(heard: Sequence[tuple[str, int, float]], recorded: dict[int, float]) -> list[float]:
    """Return for each task and change how long it took until the task was on it, or on a later one."""
    found: list[float] = []
    by_task: dict[str, list[tuple[float, int]]] = {}
    for name, sequence, at in heard:
        by_task.setdefault(name, []).append((at, sequence))
    for steps in by_task.values():
        steps.sort()
        for sequence, since in recorded.items():
            found.append(next(at for at, on in steps if on >= sequence) - since)
    return found
