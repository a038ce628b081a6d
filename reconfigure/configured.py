"""The daemons' own checkers, run against the configuration that `prepare` wrote for them, where they are installed.

A daemon that finds a mistake there ends at its start. Preflight, the container's log and `doctor` say it before that.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from reconfigure.errors import GenerationError
from reconfigure.generations.checks import has_domain
from reconfigure.generations.tools import run_tool
from reconfigure.tiers import FILE, StaticSpec

_SHOWN = 500  # characters of what a checker said


def refusals(specs: Iterable[StaticSpec], folder: Path, *, timeout: float) -> Mapping[str, str]:
    """Return file name → why its daemon would not take it; nothing for a file that it takes.

    Args:
        specs: what was written; those without a checker, or whose checker cannot be run here, are passed over.
        folder: where it lies.
        timeout: seconds for each.
    """
    found: dict[str, str] = {}
    for spec in specs:
        program = shutil.which(spec.check[0]) if spec.check else None
        if program is None or (spec.needs_domain and not has_domain()):
            continue
        path = str(folder / spec.path)
        command = [program, *(argument.replace(FILE, path) for argument in spec.check[1:])]
        try:
            ended = run_tool(command, f"checking {path}", timeout=timeout)
        except GenerationError as error:
            found[spec.path] = str(error)
            continue
        if ended.code != 0:
            found[spec.path] = (
                f"{' '.join(command)} ended with {ended.code}: {ended.said[-_SHOWN:] or 'nothing was said'}"
            )
    return found
