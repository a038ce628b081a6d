"""How this task stands: what `status` shows and `health` judges, put together from the state folder and supervisord.

Reads, never writes, and gets along with whatever is there: what cannot be read is a problem in the result, not an
error. Imports neither AWS nor templates, since it runs every few seconds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from reconfigure.daemons import Program, Supervisor
from reconfigure.errors import ReconfigureError, ReloadError
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import GenerationStore, Held
from reconfigure.reporting import status
from reconfigure.reporting.status import Health, Status
from reconfigure.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a task stands.

    Attributes:
        report: the status document, None before the first pass or when it is damaged.
        active: the active generation, as found on disk.
        before: the one before it.
        held: the one that waits for approval.
        programs: supervisord's; None when there is no supervisord here, or it did not answer.
        supervisor_error: why it could not be asked; None when it was, or when there is none.
        health: the verdict.
    """

    report: Status | None
    active: Manifest | None
    before: Manifest | None
    held: Held | None
    programs: tuple[Program, ...] | None
    supervisor_error: str | None
    health: Health


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
    programs, unasked = _programs(settings, patience)
    verdict = status.health(
        report,
        now=now,
        interval=settings.interval,
        programs={program.name: program.state for program in programs or () if not _has_ended_well(program)},
        generation=active.id if active is not None else None,
    )
    return Standing(
        report=report,
        active=active,
        before=before,
        held=held,
        programs=programs,
        supervisor_error=unasked,
        health=_worse(verdict, problems),
    )


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


def _has_ended_well(program: Program) -> bool:
    """Tell whether a program did what it was for and ended, as `prepare` does; a group's daemons never do."""
    return program.state == "EXITED" and program.exit_status == 0 and ":" not in program.name


def _worse(verdict: Health, problems: list[str]) -> Health:
    """Return the verdict with problems of the files themselves; what is damaged or forbidden is not well."""
    if not problems:
        return verdict
    at_least = "degraded" if verdict.status == "ok" else verdict.status
    # Each once: the active generation and the one before it may well be found wanting for the same reason.
    return replace(verdict, status=at_least, problems=(*dict.fromkeys(problems), *verdict.problems))
