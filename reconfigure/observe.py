"""What the sources say now: everything, or only what a change named where that is enough.

Both ways lead to the same directory. Reading by key is a short cut for a change of a few addresses; wherever it is in
doubt, the answer is None, and the caller reads everything.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import structlog

from reconfigure.directory.amend import amend
from reconfigure.directory.assemble import assemble
from reconfigure.directory.hosting import Hosting
from reconfigure.directory.model import Directory
from reconfigure.errors import SourceError
from reconfigure.phases import Phases
from reconfigure.settings import Settings
from reconfigure.sources import addresses, named, users
from reconfigure.sources.aws import Clients

log = structlog.get_logger()

_SLICE = 0.1  # seconds between two looks at whether the pass is to end


def hosting_of(settings: Settings) -> Hosting:
    """Return which domains may be hosted by the settings."""
    return Hosting(own_hosts=settings.own_hosts, apexes=frozenset(settings.mail_domains or ()))


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Reads the sources for one pass.

    Attributes:
        settings: which table and pool.
        clients: how to reach them.
        phases: where the time goes.
        attempts: tries for each request.
        holders: returns UID → name of the users who are live.
        checkpoint: called before each request and now and then; may raise to stop.
        requests: counts the calls by service, retries included.
    """

    settings: Settings
    clients: Clients
    phases: Phases
    attempts: int
    holders: Callable[[], Mapping[int, str]] = dict
    checkpoint: Callable[[], None] = lambda: None
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def reads_users(self) -> bool:
        """Whether there is a user pool; without one, users are taken as present."""
        return self.settings.cognito_pool_id is not None

    def everything(self) -> Directory:
        """Read every user and every address.

        Raises:
            SourceError: something could not be read completely.
        """
        settings = self.settings
        with self.phases("read users"):
            found = None
            if settings.cognito_pool_id is not None:
                found = users.read(
                    self.clients.cognito,
                    settings.cognito_pool_id,
                    attempts=self.attempts,
                    checkpoint=lambda: self._ask("cognito"),
                    sleep=self._sleep,
                )
        with self.phases("validate"):
            pages = addresses.scan(
                self.clients.dynamodb,
                settings.addresses_table,
                attempts=self.attempts,
                checkpoint=lambda: self._ask("dynamodb"),
                sleep=self._sleep,
            )
            return assemble(
                self.phases.over("read", pages),
                found,
                hosting=hosting_of(settings),
                high_uids=settings.high_uids,
                holders=self.holders(),
                listed=settings.quarantine_listed,
                checkpoint=self.checkpoint,
            )

    def only(self, keys: Collection[str], base: Directory) -> Directory | None:
        """Read the rows of some addresses by key and return what is live with them, or None when that is not enough.

        Args:
            keys: addresses as the change named them.
            base: what is live.
        """
        if not 0 < len(keys) <= named.MOST:
            return None
        try:
            with self.phases("read"):
                rows = named.get(
                    self.clients.dynamodb,
                    self.settings.addresses_table,
                    sorted(keys),
                    attempts=1,
                    checkpoint=lambda: self._ask("dynamodb"),
                    sleep=self._sleep,
                )
        except SourceError as error:
            # Perhaps only this call is not allowed. Reading everything says for certain whether the source is well.
            log.info("read_by_key_failed", error=str(error), instead="everything is read")
            return None
        with self.phases("validate"):
            return amend(base, rows, hosting=hosting_of(self.settings))

    def _ask(self, service: str) -> None:
        self.checkpoint()
        self.requests[service] += 1

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.checkpoint()
            time.sleep(min(left, _SLICE))
