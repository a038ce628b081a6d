"""How a task stands as one JSON document: what `status --json` prints and `/status` answers."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from reconfigure.errors import ReconfigureError
from reconfigure.reporting import history
from reconfigure.settings import Settings
from reconfigure.standing import Standing

HISTORY_LOOKED_AT = 200  # lines, from the newest, in which to look for what made the active generation

KEYS = {
    "health": "`status` (`ok`, `degraded`, `starting`, `failing`) and, unless ok, `problems`: a list of sentences",
    "active": "the active generation as found on disk: `id`, `created`, `parent`, `counts`; or null",
    "before": "id of the generation that was active before it, or null",
    "last_change": "the line of the [history](status.md) that made the active generation live, or null",
    "held": "the generation that waits for approval: `id`, `since`, `reasons`, `lost`; or null",
    "paused": "the pause in force: `until`, `since`, `by`, `why`, `error` (why it cannot be read; it has no end "
    "then); or null",
    "pinned": "the pin in force: `generation`, `by`, `since`, `why`, `error`; or null",
    "supervisor": "`error`: why it could not be asked, or null; `programs`, each with `name`, `state`, `pid`, "
    "`detail`, `since` and `restarts` (seen by the loop; null where it has not looked), or null when it was not asked",
    "runbook": "number of the page of the runbooks that helps (`reconfigure runbook NUMBER`), or null",
    "report": "the [status document](status.md) of the last pass, or null; `quarantine.listed` only with "
    "`--quarantine`",
}


def document(settings: Settings, standing: Standing, *, listed: bool) -> dict[str, Any]:
    """Return how a task stands as plain JSON values (see `KEYS`); `listed` adds what is refused."""
    active, held, programs = standing.active, standing.held, standing.programs
    report = standing.report.document() if standing.report is not None else None
    if report is not None and not listed:
        del report["quarantine"]["listed"]
    return {
        "health": standing.health.document(),
        "active": active
        and {"id": active.id, "created": active.created, "parent": active.parent, "counts": dict(active.counts)},
        "before": standing.before.id if standing.before is not None else None,
        "last_change": last_change(settings, standing),
        "held": held and {"id": held.id, "since": held.since, "reasons": list(held.reasons), "lost": dict(held.lost)},
        "paused": standing.paused and asdict(standing.paused),
        "pinned": standing.pinned and asdict(standing.pinned),
        "supervisor": {
            "error": standing.supervisor_error,
            "programs": None
            if programs is None
            else [
                {
                    "name": one.name,
                    "state": one.state,
                    "pid": one.pid,
                    "detail": one.detail,
                    "since": stamp(one.since),
                    "restarts": restarts(standing, one.name),
                }
                for one in programs
            ],
        },
        "runbook": standing.runbook,
        "report": report,
    }


def restarts(standing: Standing, name: str) -> int | None:
    """Return how often the loop saw a program restarted; None where it has not looked."""
    seen = standing.report.programs if standing.report is not None else None
    return next((one.restarts for one in seen.listed if one.name == name), None) if seen is not None else None


def last_change(settings: Settings, standing: Standing) -> dict[str, Any] | None:
    """Return the history's line of the pass, or the operator, that made the active generation live last."""
    if standing.active is None:
        return None
    try:
        lines = history.read(settings.state_dir / history.HISTORY_NAME, limit=HISTORY_LOOKED_AT)
    except ReconfigureError:
        return None  # `history` says why; here it is a detail
    flips = {"rolled back", "approved"}
    made = (line for line in lines if line.get("generation") == standing.active.id)
    return next(
        (
            line
            for line in made
            if line.get("outcome") in flips
            or (line.get("changes") and not line.get("held") and line.get("outcome") != "pinned")
        ),
        None,
    )


def stamp(seconds: float | None) -> str | None:
    """Return seconds since the epoch as an ISO time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
