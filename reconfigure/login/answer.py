"""What is known of a login once it was looked at: whether it may go on, and why."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a daemon is told."""

    YES = "yes"
    NO = "no"
    LATER = "later"  # nobody looked at the password: that it is wrong must not be said


@dataclass(frozen=True)
class Answer:
    """A verdict and the word for its reason that goes to the log.

    Attributes:
        verdict: what the daemon is told.
        reason: why; a word, never text that a client sent.
        reached: whether Cognito did its work; None where it was not asked.
        detail: where it did not: what came back and what to do, for the log.
    """

    verdict: Verdict
    reason: str
    reached: bool | None = None
    detail: str = ""
