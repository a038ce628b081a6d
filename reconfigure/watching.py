"""What a task sees beside its passes: how full its queue is and how its daemons are, looked at in a thread of its own.

Neither may delay a pass or be missing when a pass fails, so both are read here, once a minute, and handed to the loop
as an event. What is wrong with a look is part of what was seen, and is logged once.
"""

import contextvars
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from reconfigure.daemons import Program
from reconfigure.errors import ReconfigureError
from reconfigure.inbox import Seen
from reconfigure.reporting.reports import ProgramReport, ProgramsReport, QueueReport

log = structlog.get_logger()

PERIOD = 60.0  # seconds between two looks

Depth = Callable[[], Mapping[str, Any]]
Programs = Callable[[], tuple[Program, ...] | None]


class Watch:
    """Looks at the queue and at supervisord's programs, again and again, until the process ends.

    Args:
        depth: returns `visible`, `in_flight`, `delayed` and `dead_letters`; None without a queue.
        programs: returns supervisord's programs, or None where there is no supervisord.
        period: seconds between two looks.
    """

    def __init__(self, *, depth: Depth | None, programs: Programs, period: float = PERIOD) -> None:
        self._depth = depth
        self._ask_programs = programs
        self._period = period
        self._queue: QueueReport | None = None
        self._programs: ProgramsReport | None = None
        self._pids: dict[str, int] = {}  # the last process of each program; it stays while there is none
        self._restarts: dict[str, int] = {}
        self._silent: set[str] = set()

    def start(self, tell: Callable[[Seen], None]) -> None:
        """Begin; `tell` is called in a thread after each look."""
        context = contextvars.copy_context()  # so that its log lines name the tier
        threading.Thread(target=context.run, args=(self._run, tell), name="watch", daemon=True).start()

    def look(self) -> Seen:
        """Look once. What cannot be seen keeps the values of the time before, with the reason as `error`."""
        if self._depth is not None:
            self._queue = self._seen_queue(self._depth)
        self._programs = self._seen_programs()
        return Seen(self._queue, self._programs)

    def _run(self, tell: Callable[[Seen], None]) -> None:
        pause = threading.Event()
        while True:
            tell(self.look())
            pause.wait(self._period)

    def _seen_queue(self, depth: Depth) -> QueueReport:
        seen = _stamp()
        try:
            found = QueueReport(seen=seen, **depth())
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may go well; it is said
            return replace(self._queue or QueueReport(seen=seen), error=self._failed("queue", error))
        self._went_well("queue")
        return found

    def _seen_programs(self) -> ProgramsReport | None:
        seen, before = _stamp(), self._programs
        try:
            listed = self._ask_programs()
        except Exception as error:  # noqa: BLE001 - as above
            told = self._failed("supervisord", error)
            return replace(before or ProgramsReport(seen=seen, counted_since=seen), error=told)
        self._went_well("supervisord")
        if listed is None:
            return None
        reports = tuple(self._program(one) for one in listed)
        return ProgramsReport(seen=seen, counted_since=before.counted_since if before else seen, listed=reports)

    def _program(self, one: Program) -> ProgramReport:
        if one.pid:
            self._restarts[one.name] = self._restarts.get(one.name, 0) + (self._pids.get(one.name, one.pid) != one.pid)
            self._pids[one.name] = one.pid
        return ProgramReport(
            name=one.name,
            state=one.state,
            pid=one.pid,
            since=None if one.since is None else _stamp(one.since),
            detail=one.detail,
            restarts=self._restarts.get(one.name, 0),
            up=one.is_as_it_should_be,
        )

    def _failed(self, what: str, error: Exception) -> str:
        told = str(error) if isinstance(error, ReconfigureError) else f"{type(error).__name__}: {error}"
        if what not in self._silent:
            self._silent.add(what)
            log.warning("not_seen", what=what, error=told, meanwhile="the status document keeps what was seen before")
        return told

    def _went_well(self, what: str) -> None:
        if what in self._silent:
            self._silent.remove(what)
            log.info("seen_again", what=what)


def _stamp(seconds: float | None = None) -> str:
    time = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return time.isoformat(timespec="milliseconds")
