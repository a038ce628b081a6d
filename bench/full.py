"""Full passes of each tier at each size, beside `makemap` alone, held against the goals: `python -m bench`."""

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import makemap, passes, server, world
from bench.processes import environment
from reconfigure import settings
from reconfigure.settings import Tier
from reconfigure.tiers import load_manifest

GOAL_RATIO = 3.0
GOAL_PEAK_MB: Mapping[int, float] = {100_000: 120.0, 1_000_000: 256.0}
SHOWN = ("read users", "read", "validate", "render", "compile", "check", "write")
PASS_SECONDS = 280.0
USUAL_RUNS = 3
LARGE = 1_000_000  # addresses: from here on one run says enough

Measured = dict[str, Any]
Keep = Callable[[list[Measured]], object]


def measure(
    folder: Path, *, sizes: Sequence[int], tiers: Sequence[Tier], runs: int | None, console: Console, keep: Keep
) -> list[Measured]:
    """Return one entry for each size and tier; the world and all state lie in `folder` meanwhile.

    What there is so far goes to `keep` each time, because a million addresses take minutes.
    """
    found: list[Measured] = []
    with console.status("") as spinner:
        for size in sizes:
            spinner.update(f"writing {size:,} addresses …")
            times = runs or (USUAL_RUNS if size < LARGE else 1)
            here = folder / str(size)
            made = world.write(here / "world", size)
            with server.serving(here / "world") as url:
                for tier in tiers:
                    spinner.update(f"{size:,} addresses, {tier}: {times} times three passes …")
                    found.append(_one(here, tier=tier, made=made, url=url, runs=times))
                    keep(found)
            shutil.rmtree(here)
    return found


def _one(here: Path, *, tier: Tier, made: world.World, url: str, runs: int) -> Measured:
    measured = []
    state = here / tier.value
    for _ in range(runs):
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir()
        measured.append(_passes(state, tier=tier, url=url))
    chosen = settings.load(environment(tier, state=state, url=url))
    manifest = load_manifest(chosen.templates_dir, tier.value)
    # Each yardstick on the texts that its pass compiled: all maps for the first, the changed ones for the last.
    alone = makemap.alone(manifest, state / "current", scratch=here / "scratch", runs=max(3, runs))
    merged = {name: _median([each[name] for each in measured]) for name in passes.PASSES}
    _require_whole(merged[passes.FIRST], made)
    cpu = merged[passes.FIRST]["phases"]
    making = cpu["render"]["cpu"] + cpu["compile"]["cpu"]
    again = merged[passes.ONE_MORE]["phases"]["render"]["cpu"] + cpu["compile"]["cpu"]
    return {
        "size": made.size,
        "tier": tier.value,
        "runs": runs,
        "passes": merged,
        "makemap": alone,
        "ratio": round(making / alone["cpu"], 2),
        "ratio_again": round(again / alone["cpu"], 2),
        "goals": {"ratio": GOAL_RATIO, "peak_mb": GOAL_PEAK_MB.get(made.size)},
    }


def _passes(state: Path, *, tier: Tier, url: str) -> Measured:
    ended = subprocess.run(
        [sys.executable, "-m", "bench.passes", url],
        env=dict(environment(tier, state=state, url=url)),
        stdout=subprocess.PIPE,
        timeout=PASS_SECONDS,
        check=True,
    )
    measured: Measured = json.loads(ended.stdout.splitlines()[-1])
    return measured


def _require_whole(first: Measured, made: world.World) -> None:
    """Refuse a measurement of a world that is not the one that was written."""
    wanted = {"rows": made.size, "active": made.active, "suspended": made.suspended, "dangling": made.dangling}
    counts = first["counts"]
    if {name: counts[name] for name in wanted} != wanted:
        raise AssertionError(f"the pass read {counts}, and the world holds {wanted}: what was measured means nothing")


def _median(documents: Sequence[Any]) -> Any:
    """Return a document with the median of every number in it; texts as they are in the first."""
    first = documents[0]
    if isinstance(first, dict):
        return {key: _median([each[key] for each in documents]) for key in first}
    return round(statistics.median(documents), 4) if isinstance(first, int | float) else first


def show(found: Sequence[Measured], console: Console) -> None:
    """Print tables of what was measured."""
    phases = Table(title="First full pass in a fresh process: CPU seconds (children included)", title_justify="left")
    goals = Table(title="Against the goals", title_justify="left")
    later = Table(title="Later passes in the same process", title_justify="left")
    for column in ("addresses", "tier", *SHOWN, "rest", "sum", "wall"):
        phases.add_column(column, justify="left" if column == "tier" else "right")
    for column in ("addresses", "tier", "makemap alone", "render + compile", "again", "goal", "peak MB", "goal"):
        goals.add_column(column, justify="left" if column == "tier" else "right")
    for column in ("addresses", "tier", "unchanged: CPU", "wall", "one more: CPU", "wall", "peak MB", "after MB"):
        later.add_column(column, justify="left" if column == "tier" else "right")
    for one in found:
        head = (f"{one['size']:,}", one["tier"])
        first = one["passes"][passes.FIRST]
        phases.add_row(*head, *_cpu(first), f"{first['cpu']:.2f}", f"{first['wall']:.2f}")
        peak = max(each["peak_mb"] for each in one["passes"].values())
        goals.add_row(
            *head,
            f"{one['makemap']['cpu']:.3f} s",
            _held(one["ratio"], GOAL_RATIO, "{:.2f} x"),
            _held(one["ratio_again"], GOAL_RATIO, "{:.2f} x"),
            f"≤ {GOAL_RATIO:.0f}",
            _held(peak, one["goals"]["peak_mb"], "{:.0f}"),
            f"≤ {one['goals']['peak_mb']:.0f}" if one["goals"]["peak_mb"] else "",
        )
        same, more = one["passes"][passes.UNCHANGED], one["passes"][passes.ONE_MORE]
        later.add_row(
            *head,
            *(f"{value:.2f}" for value in (same["cpu"], same["wall"], more["cpu"], more["wall"])),
            f"{max(same['peak_mb'], more['peak_mb']):.0f}",
            f"{more['rest_mb']:.0f}",
        )
    for table in (phases, goals, later):
        console.print(table)
    console.print(
        "again: the same in a process that has rendered before, as a daemon has. One more: one address more, full read."
    )


def _cpu(measured: Measured) -> Iterator[str]:
    spent = measured["phases"]
    for name in SHOWN:
        yield f"{spent.get(name, {}).get('cpu', 0.0):.3f}"
    yield f"{sum(each['cpu'] for name, each in spent.items() if name not in SHOWN):.3f}"


def _held(value: float, goal: float | None, form: str) -> str:
    colour = "default" if goal is None else ("green" if value <= goal else "red")
    return f"[{colour}]{form.format(value)}[/]"
