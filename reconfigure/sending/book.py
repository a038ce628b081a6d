"""Decides whether an account may send a message more: its hold, its limits, what it has sent; and says who may not.

Runs in one event loop, so nothing here needs a lock.
"""

from collections.abc import Callable, Iterable

import structlog

from reconfigure.sending.counts import Counts, Kind, Refused
from reconfigure.sending.holds import Holds
from reconfigure.sending.ledger import Ledger
from reconfigure.sending.limits import Limits

log = structlog.get_logger()


class Book:
    """What all sessions of a task write into.

    Args:
        ledger: keeps the counts.
        holds: the accounts that may send nothing.
        limits: returns what an account may send.
        changed: is called whenever there is something new to write down.
    """

    def __init__(
        self, ledger: Ledger, holds: Holds, limits: Callable[[str], Limits], *, changed: Callable[[], object]
    ) -> None:
        self._ledger = ledger
        self._holds = holds
        self._limits = limits
        self._changed = changed

    def session(self) -> "Session":
        """Return a new session's page."""
        return Session(self)

    def message(self, user: str, now: float) -> Refused | None:
        """Count a message, or say why there is to be none."""
        return self._said(user, self._held(user) or self._counts.message(user, self._limits(user), now))

    def recipient(self, user: str, now: float) -> Refused | None:
        """Count a recipient, or say why there is to be none."""
        return self._said(user, self._held(user) or self._counts.recipient(user, self._limits(user), now))

    def end(self, user: str) -> Refused | None:
        """Say why a message that has come to its end is not to be taken after all."""
        return self._said(user, self._held(user))

    def take_back(self, user: str, *, message: float, recipients: Iterable[float]) -> None:
        """Take back what came to nothing; each by when it was counted."""
        self._counts.take_back(user, message=message, recipients=recipients)
        self._changed()

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self._ledger.clock()

    @property
    def _counts(self) -> Counts:
        return self._ledger.counts

    def _held(self, user: str) -> Refused | None:
        return self._counts.held(user, self.now()) if self._holds.is_held(user) else None

    def _said(self, user: str, refused: Refused | None) -> Refused | None:
        self._changed()
        if refused is None or not refused.is_news:
            return refused
        if refused.kind is Kind.HELD:
            log.warning("sending_held", user=user)
        else:
            log.warning("sending_limited", user=user, limit=refused.limit, of=refused.what, per=refused.kind.value)
        return refused


class Session:
    """What one SMTP session sends; one message at a time.

    Args:
        book: where it is written down.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._user: str | None = None
        self._began = 0.0
        self._recipients: list[float] = []

    def mail(self, user: str | None) -> Refused | None:
        """Begin a message of a user's; None: nobody has logged in, and nothing is counted."""
        self.abort()
        if user is None:
            return None
        now = self._book.now()
        refused = self._book.message(user, now)
        if refused is None:
            self._user, self._began = user, now
        return refused

    def recipient(self) -> Refused | None:
        """Add a recipient to the message."""
        if self._user is None:
            return None
        now = self._book.now()
        refused = self._book.recipient(self._user, now)
        if refused is None:
            self._recipients.append(now)
        return refused

    def end(self) -> Refused | None:
        """End the message: from here on it is sent, and stays counted."""
        if self._user is None:
            return None
        refused = self._book.end(self._user)
        if refused is None:
            self._forget()
        else:
            self.abort()
        return refused

    def abort(self) -> None:
        """Take the message back that was begun, if there is one."""
        if self._user is not None:
            self._book.take_back(self._user, message=self._began, recipients=self._recipients)
        self._forget()

    def _forget(self) -> None:
        self._user, self._recipients = None, []
