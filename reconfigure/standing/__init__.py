"""How this task stands: what `status` and the page show and `health` judges, from the state folder and supervisord.

Reads, never writes, and gets along with whatever is there: what cannot be read is a problem in the result, not an
error. Imports neither AWS nor templates, since it runs every few seconds.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from reconfigure.daemons import Program, Supervisor
from reconfigure.errors import ReconfigureError, ReloadError
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import GenerationStore, Held
from reconfigure.reporting import status
from reconfigure.reporting.orders import Orders
from reconfigure.reporting.reports import Pause, Pin
from reconfigure.reporting.status import Health, Status
from reconfigure.runbooks import OF_CAUSES, Runbook, of_failure
from reconfigure.settings import Settings

LOOP = "reconfigure"  # its name under supervisord
LEAST_ROOM = 65_536  # bytes; a status document is some thousands

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a task stands.

    Attributes:
        report: the status document, None before the first pass or when it is damaged.
        active: the active generation, as found on disk.
        before: the one before it.
        held: the one that waits for approval.
        paused: the pause in force, from its file; with `error` set when that cannot be read, and in force all the same.
        pinned: the pin in force, the same way.
        programs: supervisord's; None when there is no supervisord here, or it did not answer.
        supervisor_error: why it could not be asked; None when it was, or when there is none.
        no_room: why nothing can be written into the state folder; the report is of before then. None when it can.
        health: the verdict.
    """

    report: Status | None
    active: Manifest | None
    before: Manifest | None
    held: Held | None
    paused: Pause | None
    pinned: Pin | None
    programs: tuple[Program, ...] | None
    supervisor_error: str | None
    no_room: str | None
    health: Health

    @property
    def liveness(self) -> Health:
        """The verdict for whoever may replace this container.

        Where supervisord cannot be asked, nobody restarts a dead daemon any more, and whether one is dead cannot be
        known.
        """
        if self.supervisor_error is None:
            return self.health
        return Health("failing", (self.supervisor_error, *self.health.problems))

    @property
    def runbook(self) -> Runbook | None:
        """The page that helps with what keeps this task from being well, the most urgent trouble first."""
        report = self.report
        if self.health.status not in {"ok", "starting"}:
            return self._unwell()
        if report is not None and report.queue is not None and report.queue.dead_letters:
            return OF_CAUSES["dead letters"]
        return OF_CAUSES["heartbeat"] if report is not None and report.heartbeat.get("consecutive_failures") else None

    def _unwell(self) -> Runbook:
        report, programs = self.report, self.programs or ()
        down = {one.name for one in programs if not one.is_as_it_should_be and one.state != "STARTING"}
        signs = (
            ("disk", self.no_room is not None),
            ("loop", LOOP in down),
            ("daemon", bool(down)),
            ("paused", self.paused is not None),
            ("pin", self.pinned is not None),
        )
        cause = next((cause for cause, seen in signs if seen), None)
        if cause is None and report is not None and report.last_error is not None and report.state != "ok":
            return of_failure(report.last_error.cause, report.last_error.error)
        queue = report is not None and report.queue is not None and bool(report.queue.troubles)
        apart = self.health.status == "degraded" and bool(status.complaints_of_fleet(report))
        return OF_CAUSES[cause or ("queue" if queue else "fleet" if apart else "loop")]


def look(settings: Settings, *, now: datetime, patience: float = 1.0) -> Standing:
    """Return how this task stands.

    Args:
        settings: of the task.
        now: the present, with time zone.
        patience: seconds that supervisord may take to answer.
    """
    problems: list[str] = []
    store = GenerationStore(settings.state_dir)
    report = _or_problem(lambda: status.read(settings.state_dir / status.STATUS_NAME), problems)
    active = _or_problem(store.active, problems)
    before = _or_problem(store.before, problems)
    held = _or_problem(store.held, problems)
    orders = Orders(settings.state_dir, now=lambda: now)
    paused, pinned = orders.pause(), orders.pin()
    programs, unasked = _programs(settings, patience)
    no_room = _no_room(settings.state_dir)
    if no_room is not None:
        problems.append(no_room)
    verdict = status.health(
        report,
        now=now,
        interval=settings.interval,
        programs={program.name: program.state for program in programs or () if not program.is_out_of_it},
        generation=active.id if active is not None else None,
        paused=paused,
        pinned=pinned,
    )
    return Standing(
        report=report,
        active=active,
        before=before,
        held=held,
        paused=paused,
        pinned=pinned,
        programs=programs,
        supervisor_error=unasked,
        no_room=no_room,
        health=_worse(verdict, problems),
    )


def _no_room(folder: Path) -> str | None:
    """Return why nothing can be written into a folder, by what its file system says; None when it can."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None  # what cannot be read is said elsewhere
    what = None
    if found.f_blocks and found.f_bavail * found.f_frsize < LEAST_ROOM:
        what = "space"
    elif found.f_files and not found.f_favail:
        what = "inode"
    return what and f"no {what} is left for {folder}, so passes fail, and what is said of the last one may be old"


def _or_problem(read: Callable[[], T | None], problems: list[str]) -> T | None:
    try:
        return read()
    except ReconfigureError as error:
        problems.append(str(error))
    except OSError as error:
        problems.append(f"{error.filename} cannot be read: {error.strerror}; look at its owner and mode")
    return None


def _programs(settings: Settings, patience: float) -> tuple[tuple[Program, ...] | None, str | None]:
    try:
        if not settings.supervisor_socket.exists():
            return None, None
        return Supervisor(settings.supervisor_socket, timeout=patience).programs(), None
    except (ReloadError, OSError) as error:
        return None, str(error)


def _worse(verdict: Health, problems: list[str]) -> Health:
    """Return the verdict with problems of the files themselves; what is damaged or forbidden is not well."""
    if not problems:
        return verdict
    at_least = "degraded" if verdict.status == "ok" else verdict.status
    # Each once: the active generation and the one before it may well be found wanting for the same reason.
    return replace(verdict, status=at_least, problems=(*dict.fromkeys(problems), *verdict.problems))
