"""A tier of many tasks: how long until each has a change that one message brought, and what that costs.

`real` runs whole tasks against the AWS double, while some of them are killed, stopped, cut off, and started; `light`
runs many tasks' parts in the fleet alone. The double runs on the same machine, so its time is part of every figure.
"""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.fleet import light, real
from reconfigure.settings import Tier

GOAL_SECONDS = 5.0
# List prices in us-east-1, on demand, November 2026: dollars for a million.
READ_UNITS, WRITE_UNITS = 0.125, 0.625
MONTH_SECONDS = 730 * 3600.0
PARTITION_READ_UNITS = 4  # a tier's partition of 20 rows and a full log: 13 KB


def month(tasks: int, *, read: float = 2.0) -> dict[str, float]:
    """Return what so many tasks ask of the fleet table at rest, and what that costs: requests and dollars a month."""
    reads = tasks * MONTH_SECONDS / read
    looks = tasks * MONTH_SECONDS / 60 * len(Tier)
    writes = tasks * MONTH_SECONDS / 60
    dollars = (reads + looks * PARTITION_READ_UNITS) * READ_UNITS / 1e6 + writes * WRITE_UNITS / 1e6
    return {"reads": reads, "looks": looks, "writes": writes, "dollars": dollars}


def show(found: dict[str, Any], console: Console) -> None:
    """Print the figures."""
    table = Table(title=f"From a change to all tasks (goal: at most {GOAL_SECONDS:g} s)", title_justify="left")
    for head in ("tasks", "changes", "arrivals", "p50 s", "p99 s", "max s"):
        table.add_column(head, justify="right")
    for name in ("real", "light"):
        if one := found.get(name):
            figures = (f"{one[key]:.2f}" for key in ("p50", "p99", "max"))
            table.add_row(f"{one['tasks']} {name}", str(one["changes"]), str(one["arrivals"]), *figures)
    console.print(table)
    if real := found.get("real"):
        starts = real["starts"]
        console.print(
            f"First full reads of {real['tasks']} tasks started at once: spread over {starts[-1]:.1f} s, ", end=""
        )
        busiest = Counter(int(at) for at in starts).most_common(1)[0][1]
        console.print(f"at most {busiest} in one second")
        for what, seconds in real["returns"].items():
            console.print(f"Tasks that were {what} had everything {seconds:.1f} s after that ended")
        asked = ", ".join(f"{number / real['changes']:.1f} {name}" for name, number in sorted(real["requests"].items()))
        console.print(f"Requests a change (in {real['seconds']:.0f} s): {asked}")
    cost = month(20)
    console.print(
        f"20 tasks at rest, a month: {cost['reads'] / 1e6:.1f} M reads of the log, {cost['looks'] / 1e6:.1f} M looks, "
        f"{cost['writes'] / 1e6:.1f} M rows written: {cost['dollars']:.2f} dollars"
    )


def run(*, tasks: int, followers: int, changes: int, every: float, console: Console) -> dict[str, Any]:
    """Measure both, one after the other."""
    with tempfile.TemporaryDirectory(prefix="fleet-") as name:
        folder = Path(name)
        found: dict[str, Any] = {}
        if tasks:
            found["real"] = real.measure(folder / "real", tasks=tasks, changes=changes, every=every, console=console)
        if followers:
            found["light"] = light.measure(
                folder / "light", tasks=followers, changes=changes, every=min(every, 0.5), console=console
            )
    return found
