"""What was promised and what came of it: each letter that a server took, and where it must be found once."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

INTERNET = "the internet"


@dataclass(frozen=True, kw_only=True)
class Account:
    """The end of it, counted. Lost, doubled and misdelivered say which letter and where.

    What was put off (4xx) and taken at the next try is told, and is no fault: a mail server tries again by itself.
    """

    tried: Mapping[str, int]
    taken: Mapping[str, int]
    put_off: tuple[str, ...]
    refused: tuple[str, ...]
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    misdelivered: tuple[str, ...]
    unsigned: tuple[str, ...]

    @property
    def faults(self) -> int:
        """How much went wrong in all."""
        return sum(map(len, (self.refused, self.lost, self.doubled, self.misdelivered, self.unsigned)))

    def __str__(self) -> str:
        steps = ", ".join(f"{kind} {self.taken.get(kind, 0)} of {tried}" for kind, tried in sorted(self.tried.items()))
        wrong = {
            "refused": self.refused,
            "lost": self.lost,
            "doubled": self.doubled,
            "misdelivered": self.misdelivered,
            "unsigned": self.unsigned,
        }
        counts = {"put off": self.put_off} | wrong
        lines = [f"done: {steps}", ", ".join(f"{len(found)} {name}" for name, found in counts.items())]
        lines += [f"  {name}: {each}" for name, found in counts.items() for each in found[:10]]
        return "\n".join(lines)


@dataclass
class Ledger:
    """Written by many threads while the load runs; `account` closes it."""

    _promises: dict[str, frozenset[str]] = field(default_factory=dict)
    _uncertain: dict[str, frozenset[str]] = field(default_factory=dict)
    _tried: Counter[str] = field(default_factory=Counter)
    _taken: Counter[str] = field(default_factory=Counter)
    _put_off: list[str] = field(default_factory=list)
    _refused: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tries(self, kind: str) -> None:
        """Count an attempt."""
        with self._lock:
            self._tried[kind] += 1

    def took(self, kind: str, ident: str | None = None, places: Iterable[str] = ()) -> None:
        """Count a success; a letter is owed to each of these places once."""
        with self._lock:
            self._taken[kind] += 1
            if ident is not None:
                self._promises[ident] = frozenset(places)

    def puts_off(self, kind: str, why: str) -> None:
        """Count an answer of "try again"."""
        with self._lock:
            self._put_off.append(f"{kind}: {why}")

    def refused(self, kind: str, why: str, ident: str | None = None, places: Iterable[str] = ()) -> None:
        """Count a failure. The letter may have been taken all the same, when the connection broke at its end."""
        with self._lock:
            self._refused.append(f"{kind}: {why}")
            if ident is not None:
                self._uncertain[ident] = frozenset(places)

    def missing(self, found: Mapping[str, Counter[str]]) -> list[tuple[str, str]]:
        """Return the letters that are owed to a place and not found there, with the place."""
        with self._lock:
            return [
                (ident, place)
                for ident, places in self._promises.items()
                for place in sorted(places)
                if not found.get(place, Counter())[ident]
            ]

    def account(self, found: Mapping[str, Counter[str]], *, unsigned: Iterable[str] = ()) -> Account:
        """Hold what was found, place → letter → how often, against what was promised.

        Letters that this ledger never saw are somebody else's and do not count.
        """
        lost = [f"{ident} for {place}" for ident, place in self.missing(found)]
        doubled, misdelivered = [], []
        with self._lock:
            known = self._uncertain | self._promises
            for place, letters in found.items():
                for ident, times in letters.items():
                    if ident not in known:
                        continue
                    if place not in known[ident]:
                        misdelivered.append(f"{ident} at {place}, not for {', '.join(sorted(known[ident]))}")
                    elif times > 1:
                        doubled.append(f"{ident} at {place}: {times} times")
            return Account(
                tried=dict(self._tried),
                taken=dict(self._taken),
                put_off=tuple(self._put_off),
                refused=tuple(self._refused),
                lost=tuple(lost),
                doubled=tuple(doubled),
                misdelivered=tuple(misdelivered),
                unsigned=tuple(each for each in unsigned if each in known),
            )
