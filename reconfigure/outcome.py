"""What a pass came to: its outcome, what it found, what it changed, and why it is not good if it is not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from reconfigure.daemons import ReloadOutcome
from reconfigure.directory.model import Quarantine
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import Held
from reconfigure.reporting.reports import Pin


class Outcome(StrEnum):
    """What a pass came to."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    HELD = "held"
    PINNED = "pinned"  # an operator pinned a generation, and the source says otherwise
    DEGRADED = "degraded"  # the generation is live, but a daemon could not be told or a home not made
    FAILED = "failed"

    @property
    def is_good(self) -> bool:
        """Whether live state equals desired state, all of it."""
        return self in {Outcome.UNCHANGED, Outcome.CHANGED}


Cause = Literal["", "source", "state-folder", "lock", "build", "daemon", "home", "guard", "pin", "defect"]
"""Why a pass is not good, in one word: what to look at first. Empty when it is good."""


@dataclass(frozen=True, kw_only=True)
class PassResult:
    """What a pass did and found.

    `counts` and `quarantine` are None when the sources could not be read, `quarantine` also when only named addresses
    were (`full` is false then); `requests` are calls, retries included, by service; `withdrawn` says how much was taken
    away beside a candidate that is held, None when nothing was.
    """

    id: str
    trigger: str
    outcome: Outcome
    started: datetime
    seconds: float
    phases: Mapping[str, float]
    active: Manifest | None = None
    held: Held | None = None
    counts: Mapping[str, int] | None = None
    quarantine: Quarantine | None = None
    changes: Mapping[str, int] = field(default_factory=dict)
    reloads: tuple[ReloadOutcome, ...] = ()
    problems: tuple[str, ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict)
    full: bool = True
    pinned: Pin | None = None
    withdrawn: Mapping[str, int] | None = None
    cause: Cause = ""

    @property
    def reason(self) -> str:
        """Return why the pass is not good, in one line; empty when it is."""
        held: tuple[str, ...] = ()
        if self.outcome is Outcome.HELD and self.held is not None:
            held = (f"generation {self.held.id} is held: {'; '.join(self.held.reasons)}",)
            if self.withdrawn is not None:
                counts = ", ".join(f"{what} {number}" for what, number in self.withdrawn.items())
                held = (*held, f"what was revoked is live all the same ({counts or 'in no count'})")
        if self.outcome is Outcome.PINNED and self.pinned is not None:
            counts = ", ".join(f"{what} {number}" for what, number in self.changes.items())
            held = (f"{self.pinned.told}; the source says otherwise ({counts or 'in no count'})",)
        return "; ".join((*held, *self.problems))
