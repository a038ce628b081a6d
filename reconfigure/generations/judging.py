"""What a candidate is judged against: what is live, the best of the last day, or what the tier's other tasks serve."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from reconfigure.directory.model import Directory
from reconfigure.generations import peaks
from reconfigure.generations.build import counts_of
from reconfigure.generations.compare import World
from reconfigure.generations.guard import Limits, Verdict, judge
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import GenerationStore

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Judging:
    """The guard with everything that it needs to know.

    Attributes:
        store: where what is live lies.
        limits: how much may go at once.
        siblings: returns the most of each kind that another task of this tier serves, empty when nobody knows; asked
            only where nothing is live here.
    """

    store: GenerationStore
    limits: Limits
    siblings: Callable[[], Mapping[str, int]] = dict

    def verdict(self, directory: Directory, active: Manifest | None, *, now: datetime) -> Verdict:
        """Return whether a directory may go live.

        Args:
            directory: what was read.
            active: the manifest of what is live, if there is one; without it, its snapshots are still held against.
            now: with time zone.
        """
        live = self.store.snapshots()
        if live is not None:
            day = peaks.best(active.peaks, now=now) if active is not None else {}
            return judge(directory, World(generation=live), limits=self.limits, best=day)
        best = self.siblings()
        if not best and not self.limits.floor:
            log.warning(
                "guard_without_reference",
                why="nothing is live here, and no other task's numbers are known, so what was read is believed",
                fix="set FLEET_TABLE or RECONFIGURE_GUARD_FLOOR, or keep the state folder on a volume",
            )
        return judge(directory, None, limits=self.limits, best=best, best_of="the tier's other tasks")

    def verdict_while_held(self, directory: Directory, active: Manifest, *, now: datetime) -> Verdict:
        """Return whether what is left of what is live may go live while a candidate is held.

        Args:
            directory: what is left.
            active: the manifest of what is live.
            now: with time zone.
        """
        live = self.store.snapshots()
        if live is not None:
            verdict = judge(directory, World(generation=live), limits=self.limits.while_held())
            if verdict.reasons:
                return verdict
        return self.verdict(directory, active, now=now)

    @staticmethod
    def peaks(
        directory: Directory, active: Manifest | None, verdict: Verdict, *, now: datetime
    ) -> dict[str, dict[str, int]]:
        """Return what a candidate's manifest is to remember of the day.

        What is held goes live only when somebody has looked at it: from there on it is what to go by.
        """
        own = peaks.served(counts_of(directory))
        if verdict.reasons or active is None:
            return peaks.remembered({}, own, now=now)
        return peaks.remembered(active.peaks, peaks.served(active.counts), own, now=now)
