"""What the sources say of one address or user at this moment, by the same permissions that a pass needs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reconfigure.directory import syntax
from reconfigure.directory.model import CognitoUser, RawRow
from reconfigure.generations.compare import holders_of
from reconfigure.reconcile import Reconciler
from reconfigure.settings import Settings
from reconfigure.sources import named, users
from reconfigure.sources.aws import Clients

ATTEMPTS = 2
ONE_BY_ONE = 20  # users; more are read with everybody else


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Asks the sources.

    Attributes:
        settings: which table and pool.
        clients: how to reach them.
        holders: UID → name of the users who are live.
    """

    settings: Settings
    clients: Clients
    holders: Mapping[int, str] = field(default_factory=dict)

    def rows(self, keys: Iterable[str]) -> list[RawRow]:
        """Return the rows that there are of some keys.

        Raises:
            SourceError: the table could not be read.
        """
        found = named.get(
            self.clients.dynamodb,
            self.settings.addresses_table,
            sorted(set(keys)),
            attempts=ATTEMPTS,
            checkpoint=lambda: None,
        )
        return [row for row in found.values() if row is not None]

    def users(self, names: Sequence[str]) -> list[CognitoUser] | None:
        """Return the users that there are of some names; None without a pool. Names that no user can have are skipped.

        Raises:
            SourceError: the pool could not be read.
        """
        pool = self.settings.cognito_pool_id
        if pool is None:
            return None
        fit = [name for name in dict.fromkeys(names) if isinstance(syntax.user_name(name), str)]
        if len(fit) > ONE_BY_ONE:
            everybody = users.read(self.clients.cognito, pool, attempts=ATTEMPTS, checkpoint=lambda: None)
            return [user for user in everybody if user.name in set(fit)]
        found = (users.find(self.clients.cognito, pool, name, attempts=ATTEMPTS) for name in fit)
        return [user for user in found if user is not None]

    def rivals(self, users: Iterable[CognitoUser]) -> list[CognitoUser]:
        """Return of the users who are live those that have the UIDs of some other users, as the pool knows them.

        Raises:
            SourceError: the pool could not be read.
        """
        asked = {user.name: user.osid or "" for user in users}
        uids = {int(osid) for osid in asked.values() if osid.isascii() and osid.isdecimal()}
        names = {self.holders[uid] for uid in uids if uid in self.holders} - asked.keys()
        return self.users(sorted(names)) or []


def asking(reconciler: Reconciler) -> Asked:
    """Return what asks a tier's sources; where what is live cannot be read, which another link says, nobody is."""
    try:
        holders = holders_of(reconciler.store.snapshots())
    except OSError:
        holders = {}
    return Asked(settings=reconciler.settings, clients=reconciler.clients, holders=holders)


def owners(row: RawRow) -> list[str]:
    """Return the names in a row's field of users, as they are written."""
    value = row.get("user", {}).get("S")
    return value.split("/") if isinstance(value, str) and value else []


def told(user: CognitoUser) -> str:
    """Return what Cognito says of a user, in words."""
    states = ["enabled" if user.enabled else "disabled", "confirmed" if user.confirmed else "not confirmed"]
    return f"{user.name}: {', '.join(states)}, UID {user.osid if user.osid is not None else 'not set'}"
