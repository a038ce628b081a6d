"""Three passes in one fresh process, as a daemon would make them, each measured: first, unchanged, one address more.

    python -m bench.passes URL        (settings from the environment; prints JSON)

What `passes` measures is the real Reconciler over HTTP. The loop, reports and the heartbeat are not part of it.
"""

import json
import os
import sys
from typing import Any

from bench.processes import forget_peak, memory
from bench.switch import tell
from reconfigure import assembly, reconcile, settings
from reconfigure.outcome import Outcome, PassResult
from reconfigure.phases import Phases
from reconfigure.reconcile import Reconciler

FIRST, UNCHANGED, ONE_MORE = "first", "unchanged", "one more"
PASSES = (FIRST, UNCHANGED, ONE_MORE)


class _Kept(Phases):
    """Phases that can be looked at after their pass: a PassResult keeps no CPU seconds."""

    last: "_Kept"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        _Kept.last = self


def main() -> None:
    """Make the passes and print what they cost."""
    url = sys.argv[1]
    setattr(reconcile, "Phases", _Kept)  # noqa: B010 (a name that the module imports, so types know nothing of it)
    made = assembly.reconciler(settings.load(os.environ))
    tell(url, more=False)
    measured = {FIRST: _measure(made), UNCHANGED: _measure(made)}
    tell(url, more=True)
    measured[ONE_MORE] = _measure(made)
    json.dump(measured, sys.stdout)


def _measure(reconciler: Reconciler) -> dict[str, Any]:
    forget_peak()
    result = reconciler.reconcile("bench")
    spent = _Kept.last.spent
    if not result.outcome.is_good:
        raise SystemExit(f"the pass was {result.outcome}: {result.reason}")
    return {
        "outcome": result.outcome.value,
        "wall": result.seconds,
        "cpu": round(sum(each.cpu for each in spent.values()), 4),
        "peak_mb": round(memory(field="VmHWM"), 1),
        "rest_mb": round(memory(), 1),
        "phases": {name: {"wall": round(each.wall, 4), "cpu": round(each.cpu, 4)} for name, each in spent.items()},
        "counts": dict(result.counts or {}),
        "checks": dict(result.active.checks) if result.active else {},
        "files": _files(reconciler, result),
    }


def _files(reconciler: Reconciler, result: PassResult) -> dict[str, str]:
    """Return each file of the active generation, and whether this pass wrote it or linked it."""
    if result.active is None or result.outcome is Outcome.UNCHANGED:
        return {}
    folder = reconciler.store.path(result.active.id)
    return {path: "linked" if (folder / path).stat().st_nlink > 1 else "written" for path in result.active.files}


if __name__ == "__main__":
    main()
