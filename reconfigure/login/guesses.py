"""Who guesses passwords, and how long they wait.

Three counts, each with some failures free and then a pause that doubles:

- user and client address together: the usual case. Cleared by a good login.
- client address alone: one guess at each of many users. Not cleared by a good login, or whoever has one account could
  guess at all others for ever.
- user alone: one guess from each of many addresses. Its pause is short, and an address from which the user has logged
  in before is exempt, so that nobody can lock owners out of their mail by guessing at it.

While a pause lasts no password is looked at, so a right one is not given away either. An IPv6 client has a whole /64.
"""

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

FIRST_PAUSE = 1.0  # seconds; doubles with each further failure
LONGEST_FOR_USER = 60.0  # seconds; the most that guesses from elsewhere can cost an owner at a new address
FORGET_AFTER = 3600.0  # seconds without a failure
LONGEST_NAME = 64  # characters; what goes beyond is nobody's name, and must not fill the tables
MOST = 20_000  # entries of each table; some 5 MB each

_IPV6_BITS = 64


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many failures are free, and the longest pause in seconds."""

    pair: int = 5
    address: int = 20
    user: int = 30
    longest: float = 900.0


@dataclass
class _Count:
    failures: int = 0
    last: float = 0.0
    until: float = 0.0


class _Table:
    """Counts by key, the least recently failed one dropped first."""

    def __init__(self, free: int, longest: float) -> None:
        self.free = free
        self.longest = longest
        self._counts: OrderedDict[Hashable, _Count] = OrderedDict()

    def pause(self, key: Hashable, now: float) -> float:
        count = self._counts.get(key)
        return max(0.0, count.until - now) if count else 0.0

    def failed(self, key: Hashable, now: float) -> None:
        count = self._counts.pop(key, None)
        if count is None or now - count.last > FORGET_AFTER:
            count = _Count()
        count.failures += 1
        count.last = now
        beyond = count.failures - self.free
        if beyond >= 0:
            count.until = now + min(self.longest, FIRST_PAUSE * 2.0 ** min(beyond, 30))
        self._counts[key] = count
        if len(self._counts) > MOST:
            self._counts.popitem(last=False)

    def clear(self, key: Hashable) -> None:
        self._counts.pop(key, None)

    def __len__(self) -> int:
        return len(self._counts)


class Guesses:
    """Counts failed logins.

    Args:
        limits: what is free.
        clock: monotonic seconds.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pairs = _Table(limits.pair, limits.longest)
        self._addresses = _Table(limits.address, limits.longest)
        self._users = _Table(limits.user, min(LONGEST_FOR_USER, limits.longest))
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._limits = limits
        self._open: Counter[tuple[str, str | None]] = Counter()

    def pause(self, user: str, address: str | None) -> float:
        """Return for how many seconds no password of this user is looked at for this client; 0: it is."""
        now, user, client = self._clock(), user[:LONGEST_NAME], network(address)
        if self._open[user, client] >= self._limits.pair:
            return FIRST_PAUSE  # or many guesses at once would all be made before the first is counted
        pauses = [self._pairs.pause((user, client), now)]
        if client is not None:
            pauses.append(self._addresses.pause(client, now))
        if client is None or (user, client) not in self._known:
            pauses.append(self._users.pause(user, now))
        return max(pauses)

    def pause_of(self, address: str | None) -> float:
        """Return for how many seconds nothing is looked at for this client, whoever it says it is."""
        client = network(address)
        return self._addresses.pause(client, self._clock()) if client is not None else 0.0

    def failed(self, user: str, address: str | None) -> None:
        """Count a wrong password."""
        now, user, client = self._clock(), user[:LONGEST_NAME], network(address)
        self._pairs.failed((user, client), now)
        self._users.failed(user, now)
        if client is not None:
            self._addresses.failed(client, now)

    @contextmanager
    def looking(self, user: str, address: str | None) -> Iterator[None]:
        """Count a password that is being looked at."""
        pair = (user, network(address))
        self._open[pair] += 1
        try:
            yield
        finally:
            self._open[pair] -= 1
            if not self._open[pair]:
                del self._open[pair]

    def succeeded(self, user: str, address: str | None) -> None:
        """Clear what one's own typing errors made, and remember the address as the user's."""
        client = network(address)
        self._pairs.clear((user, client))
        if client is None:
            return
        self._known.pop((user, client), None)
        self._known[user, client] = None
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def __len__(self) -> int:
        return len(self._pairs) + len(self._addresses) + len(self._users) + len(self._known)


def network(address: str | None) -> str | None:
    """Return what stands for a client: its IPv4 address, its IPv6 network, or None for what is neither."""
    if address is None:
        return None
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), _IPV6_BITS), strict=False).network_address)
    return str(parsed)
