"""How fast passes may follow each other: the timer, the pause after a pass that was not good, the end of a burst.

Pure: chance and the present are passed in. What waits, and for what, is the loop's.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast the loop may go; all in seconds but the share.

    Attributes:
        interval: between full passes without a message.
        jitter: share of the interval by which each is moved at random, so that tasks do not march in step.
        quiet: a burst of messages is over when none came for this long.
        quiet_limit: a pass begins this long after the first message of a burst at the latest.
        retry: first pause after a pass that was not good; doubled for each more, up to `longest_retry`.
        longest_retry: or, where that is longer, `retry` itself; never longer than the interval.
        follow_up: after a message had the users read, everything is read once more so much later: ListUsers answers
            what was true a moment ago, and the message is acknowledged by then; 0 for never.
        spread: the longest that the first pass waits, so that tasks that start together do not read together.
    """

    interval: float
    jitter: float
    quiet: float
    quiet_limit: float
    retry: float
    longest_retry: float = 60.0
    follow_up: float = 0.0
    spread: float = 0.0

    def start(self, chance: Callable[[], float] = random.random) -> float:
        """Return how long the first pass waits."""
        return self.spread * chance()

    def timer(self, chance: Callable[[], float] = random.random) -> float:
        """Return the time to the next full pass."""
        return self.interval * (1 + self.jitter * (2 * chance() - 1))

    def back_off(self, failures: int, chance: Callable[[], float] = random.random) -> float:
        """Return the pause after so many failures in a row: exponential, with jitter, bounded."""
        bound = min(self.interval, max(self.retry, self.longest_retry))
        return min(bound, self.retry * 2.0 ** min(failures - 1, 30)) * (1 - self.jitter * chance())


class Burst:
    """When messages that come together are over and become one pass. Pure: the time is passed in.

    Args:
        pace: says how long quiet is, and how long is too long.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._first: float | None = None
        self._last = 0.0

    def came(self, now: float) -> None:
        """Count a message."""
        self._first = now if self._first is None else self._first
        self._last = now

    @property
    def due(self) -> float | None:
        """When the pass begins unless more messages come; None without a message."""
        if self._first is None:
            return None
        return min(self._last + self._pace.quiet, self._first + self._pace.quiet_limit)
