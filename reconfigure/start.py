"""A container's start, in order: secrets, first generation, then the mail daemons and the loop.

The daemons' programs are not started by supervisord itself, so none can run before there is a configuration to read.
"""

import uuid
from collections.abc import Callable, Sequence

import structlog

from reconfigure import secrets
from reconfigure.daemons import Supervisor
from reconfigure.outcome import Outcome
from reconfigure.pace import Pace
from reconfigure.reconcile import Reconciler
from reconfigure.report import Reporter

log = structlog.get_logger()

LOOP_PROGRAM = "reconfigure"


class Start:
    """Prepares one container.

    Args:
        reconciler: makes the passes.
        reporter: hears of them.
        supervisor: starts the programs.
        pace: how long to wait after a pass that left no generation.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self,
        reconciler: Reconciler,
        reporter: Reporter,
        supervisor: Supervisor,
        *,
        pace: Pace,
        sleep: Callable[[float], object],
    ) -> None:
        self._reconciler = reconciler
        self._reporter = reporter
        self._supervisor = supervisor
        self._pace = pace
        self._sleep = sleep

    def run(self, *, groups: Sequence[str], once: bool) -> str:
        """Prepare, start the groups, and return why the container is not ready; empty when it is.

        Args:
            groups: supervisord groups to start after the loop.
            once: try once, start nothing, and let no earlier generation stand in for a pass (preflight).

        Raises:
            ReconfigureError: a secret could not be written, or supervisord could not start a program.
        """
        written = secrets.write_secrets(self._reconciler.settings, self._reconciler.tier.secrets)
        log.info("secrets_written", files=len(written), folder=str(self._reconciler.settings.secrets_dir))
        why_not = self._generation(once=once)
        if not why_not and not once:
            self._start(groups)
        return why_not

    def _start(self, groups: Sequence[str]) -> None:
        for group in groups:
            self._supervisor.start(group, absent=self._reconciler.settings.absent_programs)
            log.info("programs_started", group=group)
        if groups:
            self._supervisor.start(LOOP_PROGRAM, wait=False)
            log.info("programs_started", group=LOOP_PROGRAM)

    def _generation(self, *, once: bool) -> str:
        """Make passes until a generation is active, or one pass only; return why that did not lead to one."""
        failures = 0
        while True:
            pass_id = str(uuid.uuid4())
            self._reporter.begin(pass_id)
            result = self._reconciler.reconcile("start", pass_id=pass_id, attempts=1 if failures else None)
            if result.active is not None and not result.outcome.is_good and not once:
                log.warning("starting_from_last_generation", generation=result.active.id, why=result.reason)
            failures += 1
            pause = self._pace.back_off(failures)
            done = result.active is not None or once
            self._reporter.finish(result, next_pass=None if done else pause)
            if done:
                # Degraded is ready: what is live is right, and no daemon can be told before it is started.
                applied = result.outcome.is_good or result.outcome is Outcome.DEGRADED
                return result.reason if once and not applied else ""
            self._sleep(pause)
