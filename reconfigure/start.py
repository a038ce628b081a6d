"""A container's start, in order: secrets and static configuration, first generation, mail daemons, loop.

The daemons' programs are not started by supervisord itself, so none can run before there is a configuration to read.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence

import structlog

from reconfigure import account, secrets, static
from reconfigure.configured import refusals
from reconfigure.daemons import Supervisor
from reconfigure.errors import ReconfigureError, ReloadError
from reconfigure.outcome import Outcome
from reconfigure.pace import Pace
from reconfigure.reconcile import Reconciler
from reconfigure.rendering import Renderer
from reconfigure.report import Reporter
from reconfigure.settings import Settings
from reconfigure.tiers import TierManifest

log = structlog.get_logger()

LOOP_PROGRAM = "reconfigure"


def equip(settings: Settings, tier: TierManifest, renderer: Renderer) -> None:
    """Write what is for others to read, then become the account that the state folder belongs to.

    Args:
        settings: the tier's, secrets included.
        tier: which files there are.
        renderer: how they read.

    Raises:
        ConfigurationError: a template is missing or wrong, or the account does not exist; nothing was written.
        ReconfigureError: a file could not be written, or the state folder not be handed over.
    """
    account.require(settings.user)
    files = static.render(renderer, tier.static, settings) if settings.static_dir is not None else []
    written = secrets.write_secrets(settings, tier.secrets)
    log.info("secrets_written", files=len(written), folder=str(settings.secrets_dir))
    digests = static.write(settings.static_dir, files) if settings.static_dir is not None else {}
    account.hand_over(settings.user, state_dir=settings.state_dir, socket=settings.supervisor_socket)
    if account.become(settings.user):
        log.info("account_changed", user=settings.user)
    if settings.static_dir is not None:
        changed = static.changed_since(settings.state_dir, digests)
        said = {} if changed is None else {"changed": changed}
        log.info("static_written", files=len(digests), folder=str(settings.static_dir), **said)


class Start:
    """Makes one container's first generation and starts its programs; `equip` comes before.

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
            ReconfigureError: supervisord did not answer, or does not know a group.
        """
        why_not = self._generation(once=once)
        refused = self._refusals()
        for file, why in refused.items():
            # A daemon that ends at its start is named by `health`; those that can run are started all the same.
            log.error("configuration_refused", file=file, error=why)
        if not why_not and not once:
            self._start(groups)
        return why_not or ("; ".join(refused.values()) if once else "")

    def _refusals(self) -> Mapping[str, str]:
        """Return what the daemons' own checkers have against the configuration that they will be started with."""
        settings = self._reconciler.settings
        if settings.static_dir is None:
            return {}
        return refusals(self._reconciler.tier.static, settings.static_dir, timeout=settings.tool_timeout)

    def _start(self, groups: Sequence[str]) -> None:
        for group in groups:
            try:
                self._supervisor.start(group, absent=self._reconciler.settings.absent_programs)
            except ReloadError as error:
                if not self._is_known(group):
                    raise
                # supervisord goes on trying and `health` names what fails; the loop is needed all the same.
                log.error("programs_not_started", group=group, error=str(error))
            else:
                log.info("programs_started", group=group)
        if groups:
            self._supervisor.start(LOOP_PROGRAM, wait=False)
            log.info("programs_started", group=LOOP_PROGRAM)

    def _active(self) -> str | None:
        try:
            active = self._reconciler.store.active()
        except ReconfigureError:
            return None  # damaged: the pass says so, and makes another
        return active.id if active is not None else None

    def _is_known(self, group: str) -> bool:
        return any(program.name.startswith(f"{group}:") for program in self._supervisor.programs())

    def _generation(self, *, once: bool) -> str:
        """Make passes until a generation is active, or one pass only; return why that did not lead to one.

        In a pause, what is active already is enough; where nothing is, the first generation is made all the same, since
        a tier without one serves nothing.
        """
        paused = self._reconciler.orders.pause()
        if paused is not None and not once:
            active = self._active()
            log.warning("starting_while_paused", generation=active, pause=paused.told)
            if active is not None:
                return ""
        if not once:
            self._sleep(self._pace.start())  # not in step with other tasks that start now
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
