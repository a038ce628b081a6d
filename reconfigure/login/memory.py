"""Passwords that were right or wrong a moment ago, as keyed hashes, so that Cognito is not asked twice in a row.

A mail client opens five connections at once and comes back every minute. And a telephone that still has last year's
password repeats it for days: each repetition passed on would count against its owner in Cognito, which locks the user
for all addresses. The key is drawn when the process starts and dies with it, so a hash is of no use elsewhere.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

MOST = 10_000  # entries; some 3 MB

_KEY = secrets.token_bytes(hashlib.blake2b.MAX_KEY_SIZE)


def digest(user: str, password: str) -> bytes:
    """Return what stands for a user's password: the user is hashed along, so equal passwords do not look equal."""
    return hashlib.blake2b(f"{user}\0{password}".encode(), key=_KEY, digest_size=32).digest()


class Memory:
    """Digests by key, each for a set time, and never more than `MOST`.

    Args:
        seconds: how long each is remembered; 0: not at all.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._held: OrderedDict[Hashable, tuple[bytes, float]] = OrderedDict()  # oldest first, as all live equally long

    def put(self, key: Hashable, value: bytes) -> None:
        """Remember a digest in place of what was remembered under its key."""
        self._expire()
        self._held.pop(key, None)
        self._held[key] = (value, self._clock() + self._seconds)
        if len(self._held) > MOST:
            self._held.popitem(last=False)

    def holds(self, key: Hashable, value: bytes) -> bool:
        """Say whether exactly this digest is remembered under its key."""
        self._expire()
        held = self._held.get(key)
        return held is not None and secrets.compare_digest(held[0], value)

    def drop(self, key: Hashable) -> None:
        """Forget what is remembered under a key."""
        self._held.pop(key, None)

    def __len__(self) -> int:
        return len(self._held)

    def _expire(self) -> None:
        now = self._clock()
        while self._held:
            key, (_, until) = next(iter(self._held.items()))
            if until > now:
                return
            del self._held[key]
