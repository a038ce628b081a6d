"""How much an account may send."""

from dataclasses import dataclass
from typing import NamedTuple

from reconfigure.settings import Settings

DAY, MINUTE = 86_400.0, 60.0


class Sent(NamedTuple):
    """Messages, and recipients of all of them together."""

    messages: int
    recipients: int


@dataclass(frozen=True)
class Limits:
    """What an account may send in 24 hours, and in a minute."""

    day: Sent
    minute: Sent

    def of_day(self, number: int | None) -> "Limits":
        """Return these with another limit for the day, of messages and recipients alike; None: with these."""
        return self if number is None else Limits(Sent(number, number), self.minute)


def limits_of(settings: Settings) -> Limits:
    """Return what an account may send that has no limit of its own."""
    return Limits(
        day=Sent(settings.sending_messages_day, settings.sending_recipients_day),
        minute=Sent(settings.sending_messages_minute, settings.sending_recipients_minute),
    )
