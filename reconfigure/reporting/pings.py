"""Which ping Healthchecks should get next: pure, with the time passed in, so every rule can be tested by itself.

Healthchecks counts a check as running from a `/start` until the success with the *same* run id, or until any
failure (`Check.ping` in its `hc/api/models.py`). A start that is never closed that way turns the check red after its
grace time although nothing failed. Hence the rules kept here, whatever is asked for in whatever order:

* an outcome waits until it is delivered or until a newer outcome takes its place, never for a newer start;
* successes are at least `spacing` apart, and so are failures with no success between them; an outcome that comes too
  early waits, and only the newest waits;
* a failure never waits for a success's spacing, nor a success for a failure's: news travels at once;
* a start is not sent while the outcome of its run might have to wait;
* a success is not sent over the open start of another run: its own start goes first and takes that one's place.

Sending, retrying and waiting are the business of `heartbeat.py`.
"""

import math
from enum import StrEnum
from typing import NamedTuple

_SEVERAL = ""  # an open start of we do not know which run; equal to no run id


class Kind(StrEnum):
    """The signals of the Healthchecks ping API that are used."""

    START = "start"
    SUCCESS = "success"
    FAIL = "fail"


class Ping(NamedTuple):
    """One signal: what it says, of which run (a UUID in canonical form), and the text that goes with it."""

    kind: Kind
    rid: str
    body: str = ""


class Pings:
    """The pings that wait, at most one start and one outcome, and what Healthchecks is believed to know.

    Args:
        spacing: the least number of seconds between two successes, or two failures in a row.
    """

    def __init__(self, *, spacing: float) -> None:
        self._spacing = spacing
        self._running: str | None = None  # newest run that began and whose start has not been delivered
        self._outcome: Ping | None = None  # newest outcome that has not been delivered
        self._announce = False  # whether the start of that outcome's run is still to be sent before it
        self._open: str | None = None  # run that Healthchecks may take as running
        self._quiet_until = {Kind.SUCCESS: -math.inf, Kind.FAIL: -math.inf}

    @property
    def pending(self) -> Kind | None:
        """What waits to be sent, the outcome before the start."""
        if self._outcome is not None:
            return self._outcome.kind
        return Kind.START if self._running is not None else None

    def start(self, rid: str) -> None:
        """Take note that a run began."""
        self._running = rid

    def finish(self, outcome: Ping) -> None:
        """Take note of how a run ended; an outcome still waiting is superseded."""
        self._announce = self._running == outcome.rid
        if self._announce:
            self._running = None
        self._outcome = outcome

    def forget_start(self) -> None:
        """Drop a start that waits by itself: its run will report no outcome."""
        self._running = None

    def forget(self) -> None:
        """Drop everything that waits: there is nowhere to send it."""
        self._running = self._outcome = None
        self._announce = False

    def due(self, now: float) -> Ping | float | None:
        """Return the ping to send now, else the time at which to ask again, else None when nothing waits."""
        quiet_until = max(self._quiet_until.values())
        outcome = self._outcome
        if outcome is None:
            if self._running is None:
                return None
            return quiet_until if now < quiet_until else Ping(Kind.START, self._running)
        if now < quiet_until:
            self._announce = False
        if now < self._quiet_until[outcome.kind]:
            return self._quiet_until[outcome.kind]
        if outcome.kind is Kind.SUCCESS and self._open not in {None, outcome.rid}:
            return Ping(Kind.START, outcome.rid)
        return Ping(Kind.START, outcome.rid) if self._announce else outcome

    def sent(self, ping: Ping, *, delivered: bool, now: float) -> None:
        """Take note of what became of a ping. Not delivered means not known to be: it may have arrived all the same."""
        if ping.kind is Kind.START:
            self._sent_start(ping.rid, delivered=delivered)
        elif delivered:
            self._open = None
            self._quiet_until[ping.kind] = now + self._spacing
            if ping.kind is Kind.SUCCESS:
                self._quiet_until[Kind.FAIL] = -math.inf
            if self._outcome is ping:
                self._outcome = None

    def _sent_start(self, rid: str, *, delivered: bool) -> None:
        if delivered or self._open in {None, rid}:
            self._open = rid
        else:
            self._open = _SEVERAL
        if delivered and self._running == rid:
            self._running = None
        if self._outcome is not None and self._outcome.rid == rid:
            self._announce = False  # one try: the outcome is known and worth more
