"""What `makemap` alone costs on the maps of a generation: the yardstick, taken in the same run on the same rows."""

import shutil
import statistics
from pathlib import Path
from typing import Any

from bench.processes import Cost, cost_of
from reconfigure.tiers import FileSpec, TierManifest


def alone(tier: TierManifest, generation: Path, *, scratch: Path, runs: int = 3) -> dict[str, Any]:
    """Compile the texts of a tier's maps anew, and return the sum of the medians of several runs.

    Args:
        tier: says which files are maps, and of which type.
        generation: the folder of the texts.
        scratch: an empty folder for the maps.
        runs: of each map.

    Returns:
        `cpu` and `wall` seconds over all maps, and the `peak_mb` of the largest.
    """
    medians = []
    for spec in tier.files:
        if spec.map is not None:
            costs = [_compile(spec, spec.map.kind, generation / spec.path, scratch) for _ in range(runs)]
            medians.append(Cost(*(statistics.median(column) for column in zip(*costs, strict=True))))
    return {
        "cpu": round(sum(cost.cpu for cost in medians), 4),
        "wall": round(sum(cost.wall for cost in medians), 4),
        "peak_mb": round(max(cost.peak_mb for cost in medians), 1),
    }


def _compile(spec: FileSpec, kind: str, text: Path, scratch: Path) -> Cost:
    scratch.mkdir(parents=True, exist_ok=True)
    separator = ["-t", spec.map.separator] if spec.map is not None and spec.map.separator else []
    try:
        with text.open("rb") as source:
            return cost_of(["makemap", "-C", "/dev/null", *separator, kind, str(scratch / text.name)], stdin=source)
    finally:
        shutil.rmtree(scratch)
