"""A task's siblings, as far as its own reports go: who of them is in trouble, and whether that was told already."""

from collections.abc import Callable

import structlog

from reconfigure.fleet.member import Member
from reconfigure.reporting.reports import FleetReport, siblings_in_trouble
from reconfigure.reporting.status import Status
from reconfigure.settings import Settings

log = structlog.get_logger()


class Siblings:
    """What a reporter has to do with the fleet.

    Args:
        settings: the task's.
        member: this task's part in the fleet; None where there is no fleet, or for a pass by hand.
        own_check: tells whether pings go to a check of this task alone, which siblings have no part in.
    """

    def __init__(self, settings: Settings, member: Member | None, *, own_check: Callable[[], bool]) -> None:
        self._settings = settings
        self._member = member
        self._own_check = own_check
        self._told: frozenset[str] = frozenset()

    def report(self) -> FleetReport | None:
        """Return the fleet as this task saw it last; None without a fleet."""
        return self._member.report() if self._member is not None else None

    def tell(self, status: Status) -> None:
        """Let them know how this task is."""
        if self._member is not None:
            self._member.tell(status)

    def trouble(self) -> str | None:
        """Return what of theirs fails this task's heartbeat; None when all are well, or have checks of their own."""
        unwell = self._unwell()
        return None if self._own_check() else "; ".join(unwell.values()) or None

    def has_changed(self) -> bool:
        """Tell once, and log, when others of them are in trouble than before; only the log where checks are apart."""
        unwell = self._unwell()
        if unwell.keys() == self._told:
            return False
        self._told = frozenset(unwell)
        if unwell:
            log.warning("siblings_unwell", trouble="; ".join(unwell.values()))
        else:
            log.info("siblings_well")
        return not self._own_check()

    def _unwell(self) -> dict[str, str]:
        """Return what is wrong with each that is not well."""
        if self._member is None:
            return {}
        tier, task = self._settings.tier.value, self._settings.task
        return {one.task: one.told for one in siblings_in_trouble(self._member.report().tasks, tier=tier, task=task)}
