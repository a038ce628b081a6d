"""How much an account may send: what holds for all, unless the live generation has another limit for the user."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
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


class Granted:
    """Says what an account may send, by the active generation's file of users' own limits.

    The file is looked at each time, and read where it is another one: a flip counts at once. One that is not there is
    of a generation without such limits; one that cannot be read, or a line of it, gives nobody more than all have.

    Args:
        state_dir: the state folder.
        usual: what holds for all others.
    """

    def __init__(self, state_dir: Path, usual: Limits) -> None:
        self._path = state_dir / "current" / "sending" / "limits"
        self._usual = usual
        self._read: tuple[tuple[int, ...], dict[str, int]] = ((), {})

    def __call__(self, user: str) -> Limits:
        """Return what an account may send.

        Args:
            user: its name in lower case.
        """
        return self._usual.of_day(self._own().get(user))

    def _own(self) -> dict[str, int]:
        try:
            with self._path.open(encoding="ascii", errors="replace") as file:
                found = os.fstat(file.fileno())
                which = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
                if which != self._read[0]:
                    self._read = (which, dict(_parsed(file)))
        except OSError:
            return {}
        return self._read[1]


def _parsed(lines: Iterable[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        user, tab, number = line.rstrip("\n").partition("\t")
        if tab and number.isascii() and number.isdecimal():
            yield user.lower(), int(number)
