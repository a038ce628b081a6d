"""What the daemon holds in memory when it does nothing: after its first pass, and after one more."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import server, switch, world
from bench.processes import environment, memory
from reconfigure.settings import Tier

GOAL_MB = 60.0
_DEADLINE_SECONDS = 120.0
_LOOK_SECONDS = 0.1
_STILL = 10  # looks without a change: at rest


def measure(folder: Path, *, sizes: Sequence[int], tiers: Sequence[Tier], console: Console) -> list[dict[str, Any]]:
    """Return resident MB of `reconfigure run` for each size and tier, after the first, second and third pass."""
    found = []
    with console.status("") as spinner:
        for size in sizes:
            world.write(folder / "world", size)
            with server.serving(folder / "world") as url:
                for tier in tiers:
                    spinner.update(f"the daemon at rest: {size:,} addresses, {tier} …")
                    found.append({"size": size, "tier": tier.value, **_one(folder / tier.value, tier=tier, url=url)})
            shutil.rmtree(folder)
    return found


def _one(state: Path, *, tier: Tier, url: str) -> dict[str, Any]:
    state.mkdir(parents=True)
    environ = {
        **environment(tier, state=state, url=url),
        "SQS_QUEUE_URL": f"{url}/000000000000/reconfigure",
        "RECONFIGURE_LOG_FORMAT": "json",
    }
    switch.tell(url, more=False)
    with (state / "log").open("wb") as log:
        command = [sys.executable, "-m", "reconfigure", "run"]
        daemon = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        try:
            found = {"start_mb": _after_pass(daemon, state, "")}
            for name, more in (("one_more_mb", True), ("one_less_mb", False)):
                last = _pass_id(state)
                switch.tell(url, more=more)
                daemon.send_signal(signal.SIGHUP)
                found[name] = _after_pass(daemon, state, last)
            found["peak_mb"] = round(memory(daemon.pid, "VmHWM"), 1)
        finally:
            daemon.terminate()
            daemon.wait(20)
    return found


def _pass_id(state: Path) -> str:
    try:
        return str(json.loads((state / "status.json").read_text())["pass"]["id"])
    except FileNotFoundError:
        return ""


def _after_pass(daemon: "subprocess.Popen[bytes]", state: Path, last: str) -> float:
    """Wait for the next pass to end and memory to come to rest; return what is resident then, in MB."""
    _until(daemon, lambda: _pass_id(state) not in {"", last})
    seen: list[float] = []

    def still() -> bool:
        seen.append(memory(daemon.pid))
        return len(seen) >= _STILL and len(set(seen[-_STILL:])) == 1

    _until(daemon, still)
    return round(seen[-1], 1)


def _until(daemon: "subprocess.Popen[bytes]", true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not true():
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"the daemon made no pass within {_DEADLINE_SECONDS:.0f} s, or ended")
        time.sleep(_LOOK_SECONDS)


def show(found: Sequence[dict[str, Any]], console: Console) -> None:
    """Print what was measured."""
    table = Table(title=f"The daemon at rest: resident MB (goal ≤ {GOAL_MB:.0f})", title_justify="left")
    for column in ("addresses", "tier", "after start", "one more", "one less", "peak so far"):
        table.add_column(column, justify="left" if column == "tier" else "right")
    for one in found:
        values = [one[name] for name in ("start_mb", "one_more_mb", "one_less_mb")]
        cells = (f"[{'green' if value <= GOAL_MB else 'red'}]{value:.1f}[/]" for value in values)
        table.add_row(f"{one['size']:,}", one["tier"], *cells, f"{one['peak_mb']:.1f}")
    console.print(table)
