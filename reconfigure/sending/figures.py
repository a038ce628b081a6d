"""What accounts send on this task in numbers, without a name, for metrics: read from what the login helper writes."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from reconfigure.sending import ledger
from reconfigure.sending.counts import Kind
from reconfigure.sending.holds import Holds
from reconfigure.sending.limits import Granted, limits_of
from reconfigure.settings import Settings, Tier


class Figures(NamedTuple):
    """Numbers of a task of smtp-out.

    Attributes:
        sent: accounts that have sent something in the last 24 hours.
        limited: those of them that may send nothing more today.
        held: accounts that an operator has stopped.
        refusals: messages and recipients that were not taken, by reason; counted since the file was begun.
    """

    sent: int
    limited: int
    held: int
    refusals: Mapping[str, int]


def figures(settings: Settings, *, now: float | None = None) -> Figures | None:
    """Return the figures; None where nothing was counted yet, or what was cannot be read.

    Args:
        settings: of the task.
        now: seconds since the epoch; None: the time.
    """
    if settings.tier is not Tier.SMTP_OUT:
        return None
    now = time.time() if now is None else now
    try:
        counts = ledger.read(settings.sending_dir, now=now)
        held = len(Holds(settings.sending_dir).all())
    except (OSError, ValueError):
        return None
    granted = Granted(settings.state_dir, limits_of(settings))
    standings = dict(counts.standings(now))
    return Figures(
        sent=sum(standing.messages > 0 for standing in standings.values()),
        limited=sum(standing.reaches(granted(user).day) for user, standing in standings.items()),
        held=held,
        refusals={kind.value: counts.refusals[kind] for kind in Kind},
    )
