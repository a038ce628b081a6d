"""Who guesses passwords, and how long they wait.

Three counts, each with some failures free:

- user and client address together: the usual case. A pause that doubles; cleared by a good login.
- client address alone: one guess at each of many users. A pause that doubles; not cleared by a good login, or whoever
  has one account could guess at all others for ever. Networks of the service itself are not counted: behind their
  addresses are many people.
- user alone, and only what Cognito refused: it locks a user out for everybody after five wrong passwords, and forgets
  after a quarter of an hour without one, or a good login (Amazon Cognito developer guide, "Lockout behavior for failed
  sign-in attempts"). So it hears of four at most. Strangers have three of them, one stranger two; the rest is kept for
  addresses from which the user has logged in.

Those addresses wait for the last count alone, and not even for that with the password that was last right (`checker`
knows it): so nobody can lock owners out of their mail by guessing at it, not from behind the same address either. To
everybody else no password is looked at while a pause lasts, so a right one is not given away. An IPv6 client has a
whole /64.
"""

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

FIRST_PAUSE = 1.0  # seconds; doubles with each further failure
FORGET_AFTER = 3600.0  # seconds without a failure
COGNITO_FORGETS = 900.0  # seconds; the same of Cognito's own count
LOOKS = 600  # wrong passwords a minute that a user's own address may have compared during a pause
LOOKS_SECONDS = 60.0
LONGEST_NAME = 64  # characters; what goes beyond is nobody's name, and must not fill the tables
MOST = 20_000  # entries of each table; some 5 MB each

_IPV6_BITS = 64

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many failures are free, how many Cognito may hear of for one user, and the longest pause in seconds."""

    pair: int = 5
    address: int = 20
    user: int = 4
    longest: float = 900.0

    def asked(self, *, known: bool) -> int:
        """Return how many wrong passwords of a user Cognito may have heard of for this client to be asked about."""
        return self.user if known else max(1, self.user - 1)

    @property
    def share(self) -> int:
        """How many of them one stranger may use up."""
        return max(1, self.user - 2)


@dataclass
class _Count:
    failures: int = 0
    last: float = 0.0
    until: float = 0.0


class _Table:
    """Counts by key, the least recently failed one dropped first."""

    def __init__(self, free: int, longest: float, *, forget: float = FORGET_AFTER) -> None:
        self.free = free
        self.longest = longest
        self.forget = forget
        self._counts: OrderedDict[Hashable, _Count] = OrderedDict()

    def pause(self, key: Hashable, now: float) -> float:
        count = self._counts.get(key)
        return max(0.0, count.until - now) if count else 0.0

    def failed(self, key: Hashable, now: float) -> None:
        count = self._counts.pop(key, None)
        if count is None or now - count.last > self.forget:
            count = _Count()
        count.failures += 1
        count.last = now
        beyond = count.failures - self.free
        if beyond >= 0:
            count.until = now + min(self.longest, FIRST_PAUSE * 2.0 ** min(beyond, 30))
        self._counts[key] = count
        if len(self._counts) > MOST:
            self._counts.popitem(last=False)

    def held(self, key: Hashable, now: float) -> tuple[int, float]:
        """Return how often it failed, and for how many seconds that is still counted."""
        count = self._counts.get(key)
        left = 0.0 if count is None else count.last + self.forget - now
        return (count.failures, left) if count is not None and left > 0 else (0, 0.0)

    def clear(self, key: Hashable) -> None:
        self._counts.pop(key, None)

    def __len__(self) -> int:
        return len(self._counts)


class Guesses:
    """Counts failed logins.

    Args:
        limits: what is free.
        trusted: networks whose addresses are never paused as such.
        clock: monotonic seconds.
    """

    def __init__(
        self, limits: Limits, *, trusted: Iterable[Network] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._trusted = tuple(trusted)
        self._pairs = _Table(limits.pair, limits.longest)
        self._addresses = _Table(limits.address, limits.longest)
        self._refused = _Table(limits.user, COGNITO_FORGETS, forget=COGNITO_FORGETS)
        self._shares = _Table(limits.share, COGNITO_FORGETS, forget=COGNITO_FORGETS)
        self._looks = _Table(LOOKS, LOOKS_SECONDS, forget=LOOKS_SECONDS)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._clients: Counter[str] = Counter()  # of the known
        self._limits = limits
        self._open: Counter[tuple[str, str | None]] = Counter()
        self._open_users: Counter[str] = Counter()

    def knows(self, user: str, address: str | None) -> bool:
        """Say whether the user has logged in from there."""
        return (user[:LONGEST_NAME], network(address)) in self._known

    def pause(self, user: str, address: str | None, *, proven: bool = False, asking: bool = False) -> float:
        """Return for how many seconds no password of this user is looked at for this client; 0: it is.

        Args:
            user: who the client says it is.
            address: the client's, where it is known.
            proven: whether the password is the one that was right the last time, and the address one that is known.
            asking: whether Cognito is being asked about this very password, so that it hears of nothing new.
        """
        if proven:
            return 0.0
        if self.knows(user, address):
            return self._pause_of_user(user, address, known=True, asking=asking)
        return max(self.pause_of_guesser(user, address), self._pause_of_user(user, address, known=False, asking=asking))

    def pause_of_guesser(self, user: str, address: str | None) -> float:
        """Return for how many seconds this client waits for what it got wrong itself, known or not."""
        now, user, client = self._clock(), user[:LONGEST_NAME], network(address)
        if self._open[user, client] >= self._limits.pair:
            return FIRST_PAUSE  # or many guesses at once would all be made before the first is counted
        return max(self._pairs.pause((user, client), now), self._pause_of_address(address, now))

    def _pause_of_user(self, user: str, address: str | None, *, known: bool, asking: bool) -> float:
        """Return for how many seconds Cognito must not be asked about this user for this client."""
        now, user, pair = self._clock(), user[:LONGEST_NAME], (user[:LONGEST_NAME], network(address))
        counts = [(*self._refused.held(user, now), self._open_users[user], self._limits.asked(known=known))]
        if not known and not self._is_trusted(address):
            counts.append((*self._shares.held(pair, now), self._open[pair], self._limits.share))
        # What is being asked may be refused, too.
        waits = [
            left if failures >= most else FIRST_PAUSE
            for failures, left, asked, most in counts
            if failures + (0 if asking else asked) >= most
        ]
        return max(waits, default=0.0)

    def _pause_of_address(self, address: str | None, now: float) -> float:
        client = network(address)
        return 0.0 if client is None or self._is_trusted(address) else self._addresses.pause(client, now)

    def pause_of(self, address: str | None) -> float:
        """Return for how many seconds nothing is looked at for this client, whoever it says it is."""
        client = network(address)
        # Among many people behind one address are owners; what is theirs shows only with their name.
        return 0.0 if client in self._clients else self._pause_of_address(address, self._clock())

    def failed(self, user: str, address: str | None) -> None:
        """Count a wrong password, or a wrong name."""
        now, user, client = self._clock(), user[:LONGEST_NAME], network(address)
        self._pairs.failed((user, client), now)
        if client is not None and not self._is_trusted(address):
            self._addresses.failed(client, now)

    def refused(self, user: str, address: str | None) -> None:
        """Count a wrong password that Cognito has counted, too."""
        now, pair = self._clock(), (user[:LONGEST_NAME], network(address))
        self._refused.failed(pair[0], now)
        self._shares.failed(pair, now)

    def heard(self, user: str) -> int:
        """Return how many wrong passwords of this user Cognito has heard of and not forgotten."""
        return self._refused.held(user[:LONGEST_NAME], self._clock())[0]

    def may_look(self, user: str, address: str | None) -> bool:
        """Say whether a password may be compared with the one that was last right, pause or not."""
        if not self.knows(user, address):
            return False
        failures, _ = self._looks.held((user, network(address)), self._clock())
        return failures < LOOKS

    def looked(self, user: str, address: str | None) -> None:
        """Count a password that was compared during a pause, and was another one."""
        if self.knows(user, address):
            self._looks.failed((user, network(address)), self._clock())

    @contextmanager
    def looking(self, user: str, address: str | None) -> Iterator[None]:
        """Count a password that is being looked at."""
        pair = (user, network(address))
        self._open[pair] += 1
        self._open_users[user] += 1
        try:
            yield
        finally:
            self._open[pair] -= 1
            self._open_users[user] -= 1
            if not self._open[pair]:
                del self._open[pair]
            if not self._open_users[user]:
                del self._open_users[user]

    def succeeded(self, user: str, address: str | None) -> None:
        """Clear what one's own typing errors made, and remember the address as the user's."""
        client = network(address)
        self._pairs.clear((user, client))
        if client is None:
            return
        self._forget((user, client))
        self._known[user, client] = None
        self._clients[client] += 1
        if len(self._known) > MOST:
            self._forget(next(iter(self._known)))

    def accepted(self, user: str, address: str | None) -> None:
        """Clear what Cognito has cleared: it took the user's password."""
        self._refused.clear(user)
        self._shares.clear((user, network(address)))

    def _forget(self, pair: tuple[str, str]) -> None:
        if pair in self._known:
            del self._known[pair]
            self._clients[pair[1]] -= 1
            if not self._clients[pair[1]]:
                del self._clients[pair[1]]

    def _is_trusted(self, address: str | None) -> bool:
        return within(address, self._trusted)

    def __len__(self) -> int:
        tables = (self._pairs, self._addresses, self._refused, self._shares, self._looks)
        return sum(map(len, tables)) + len(self._known)


def within(address: str | None, networks: Iterable[Network]) -> bool:
    """Say whether an address is in one of these networks; what is no address is in none."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in each for each in networks)


def network(address: str | None) -> str | None:
    """Return what stands for a client: its IPv4 address, its IPv6 network, or None for what is neither."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed), _IPV6_BITS), strict=False).network_address)
    return None if parsed is None else str(parsed)


def _parsed(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, the IPv4 one where it is written as IPv6, or None."""
    if address is None:
        return None
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
