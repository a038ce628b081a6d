"""What each account has sent, and whether it may send more. Pure: time is passed in, nothing is read or written.

A message counts from MAIL on and a recipient from RCPT on, so that sessions side by side have no more than one alone;
what comes to nothing is taken back.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from reconfigure.sending.limits import DAY, MINUTE, Limits, Sent
from reconfigure.sending.window import Window

MOST = 20_000  # accounts; those that have not sent for longest are forgotten first
QUIET = 3600.0  # seconds without a refusal, after which the next one is news


class Kind(StrEnum):
    """Why something was not taken."""

    DAY = "day"
    MINUTE = "minute"
    HELD = "held"


class Refused(NamedTuple):
    """What was not taken.

    Attributes:
        kind: why.
        what: messages or recipients; of which there were too many.
        limit: how many there may be; 0 for an account that is held.
        is_news: whether this is the first refusal of the account for this reason in the last hour.
    """

    kind: Kind
    what: str
    limit: int
    is_news: bool


@dataclass
class _Account:
    day: dict[str, Window] = field(default_factory=lambda: {name: Window(DAY) for name in (*Sent._fields, "refused")})
    minute: dict[str, Window] = field(default_factory=lambda: {name: Window(MINUTE) for name in Sent._fields})
    refused_at: dict[Kind, float] = field(default_factory=dict)


class Standing(NamedTuple):
    """What an account has had in the last 24 hours."""

    messages: int
    recipients: int
    refused: int

    def reaches(self, day: Sent) -> bool:
        """Say whether an account may send nothing more today."""
        return self.messages >= day.messages or self.recipients >= day.recipients


class Counts:
    """The accounts of one process. Times are seconds since the epoch.

    Args:
        document: what `document` of an earlier process returned, or nothing.
        now: the time.

    Raises:
        ValueError: it is no such document.
    """

    def __init__(self, document: Mapping[str, Any] | None = None, *, now: float = 0.0) -> None:
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self.refusals: Counter[Kind] = Counter()
        if document is not None:
            self._read(document, now)

    def message(self, user: str, limits: Limits, now: float) -> Refused | None:
        """Count a message, unless the account may not send one more."""
        account = self._account(user)
        refused = self._over(account, "messages", limits, now)
        # Without a recipient left it would come to nothing anyhow, and a program shows the answer to MAIL.
        refused = refused or self._over(account, "recipients", limits, now)
        if refused is None:
            self._add(account, "messages", now)
        return refused

    def recipient(self, user: str, limits: Limits, now: float) -> Refused | None:
        """Count a recipient, unless the account may not send to one more."""
        account = self._account(user)
        refused = self._over(account, "recipients", limits, now)
        if refused is None:
            self._add(account, "recipients", now)
        return refused

    def held(self, user: str, now: float) -> Refused:
        """Count something that was not taken since the account is held."""
        return self._refused(self._account(user), Refused(Kind.HELD, "messages", 0, is_news=True), now)

    def take_back(self, user: str, *, message: float, recipients: Iterable[float]) -> None:
        """Take back a message that came to nothing.

        Args:
            user: whose.
            message: when it was counted.
            recipients: when each of its recipients was.
        """
        account = self._account(user)
        for windows in (account.day, account.minute):
            windows["messages"].take_back(message)
            for then in recipients:
                windows["recipients"].take_back(then)

    def standings(self, now: float) -> Iterator[tuple[str, Standing]]:
        """Yield each account that did anything in the last 24 hours."""
        for user, account in self._accounts.items():
            standing = Standing(**{name: window.total(now) for name, window in account.day.items()})
            if any(standing):
                yield user, standing

    def document(self, now: float) -> dict[str, Any]:
        """Return all that outlives the process; the minute does not."""
        accounts = {
            user: {name: pieces for name, window in account.day.items() if (pieces := window.pieces(now))}
            for user, account in self._accounts.items()
        }
        return {
            "accounts": {user: windows for user, windows in accounts.items() if windows},
            "refusals": {kind.value: number for kind, number in self.refusals.items()},
        }

    def _account(self, user: str) -> _Account:
        account = self._accounts.setdefault(user, _Account())
        self._accounts.move_to_end(user)
        if len(self._accounts) > MOST:
            self._accounts.popitem(last=False)
        return account

    def _over(self, account: _Account, what: str, limits: Limits, now: float) -> Refused | None:
        # The day first: who has come to its end is told so, and not to try again in a minute.
        for kind, windows, most in (
            (Kind.DAY, account.day, limits.day),
            (Kind.MINUTE, account.minute, limits.minute),
        ):
            limit: int = getattr(most, what)
            if windows[what].total(now) >= limit:
                return self._refused(account, Refused(kind, what, limit, is_news=True), now)
        return None

    def _add(self, account: _Account, what: str, now: float) -> None:
        account.day[what].add(now)
        account.minute[what].add(now)

    def _refused(self, account: _Account, refused: Refused, now: float) -> Refused:
        account.day["refused"].add(now)
        self.refusals[refused.kind] += 1
        last = account.refused_at.get(refused.kind, float("-inf"))
        account.refused_at[refused.kind] = now
        return refused._replace(is_news=now - last > QUIET)

    def _read(self, document: Mapping[str, Any], now: float) -> None:
        try:
            for user, windows in document["accounts"].items():
                account = self._account(user)
                for name, pieces in windows.items():
                    if name not in account.day:
                        continue
                    account.day[name] = Window(DAY, {int(piece): int(number) for piece, number in pieces.items()})
                    account.day[name].total(now)
            self.refusals.update({Kind(kind): int(number) for kind, number in document["refusals"].items()})
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"no document of counts: {error!r}") from error
