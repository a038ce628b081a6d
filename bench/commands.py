"""What the operators' commands cost that ask no AWS: CPU seconds from start to end, imports included."""

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import server, world
from bench.processes import cost_of, environment
from reconfigure.settings import Tier

GOAL_SECONDS = 0.5
COMMANDS = (
    "",
    "status",
    "status --json",
    "status --quarantine",
    "health",
    "history",
    "logs",
    "diff",
    "pause --for 1m",
    "resume",
    "runbook",
    "runbook 11",
    "completion bash",
    "--help",
    "explain --help",
    "doctor --help",
)


def measure(folder: Path, *, size: int, runs: int, console: Console) -> list[dict[str, Any]]:
    """Return the median CPU seconds of each command, in a state folder with two generations."""
    found = []
    world.write(folder / "world", size)
    state = folder / "state"
    state.mkdir()
    with server.serving(folder / "world") as url:
        os.environ.update(environment(Tier.IMAP, state=state, url=url))
        for _ in range(2):
            subprocess.run([sys.executable, "-m", "reconfigure", "once"], check=True, capture_output=True, timeout=300)
    with console.status("") as spinner:
        for command in COMMANDS:
            spinner.update(f"reconfigure {command} …")
            words = [sys.executable, "-m", "reconfigure", *command.split()]
            costs = [cost_of(words) for _ in range(runs)]
            cpu, peak = (statistics.median(each) for each in zip(*((c.cpu, c.peak_mb) for c in costs), strict=True))
            found.append({"command": command, "cpu": cpu, "peak_mb": peak})
    return found


def show(found: list[dict[str, Any]], console: Console) -> None:
    """Print what was measured."""
    table = Table(title=f"Commands that ask no AWS (goal ≤ {GOAL_SECONDS} s of CPU)", title_justify="left")
    table.add_column("command")
    for head in ("CPU s", "peak MB"):
        table.add_column(head, justify="right")
    for one in found:
        colour = "green" if one["cpu"] <= GOAL_SECONDS else "red"
        table.add_row(f"reconfigure {one['command']}", f"[{colour}]{one['cpu']:.2f}[/]", f"{one['peak_mb']:.0f}")
    console.print(table)
