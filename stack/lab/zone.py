"""What the test world's name service answers: rules rather than records, so that a new domain needs no edit.

Everything below the sample's apexes is hosted here: mail goes to smtp-in, `cabal._domainkey` holds the world's DKIM
key, and there are SPF and DMARC records. Everything below `.test` is "the internet": mail goes to the sink. Names of
the services answer to their addresses, alone and below the control domain, and back. The rest does not exist.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SELECTOR = "cabal"
HOSTS: Mapping[str, int] = {"dns": 2, "aws": 3, "sink": 4, "imap": 11, "smtp-in": 12, "smtp-out": 13}
INTERNET = "test"
MAIL_OF_INTERNET = "mx.world.test"
NOWHERE = "nowhere.test"


@dataclass(frozen=True)
class Answer:
    """An answer: `records` as text (none: the name exists, the type does not), or a failure by its DNS name."""

    records: Sequence[str] = ()
    failure: str | None = None


MISSING = Answer(failure="NXDOMAIN")


@dataclass
class Zone:
    """The rules, and what was set beside them.

    Args:
        prefix: the first three numbers of all addresses, "10.77.0".
        cert_domain: the control domain.
        apexes: domains below which everything is hosted.
        dkim_key: the public key as a TXT record holds it, base64.
    """

    prefix: str
    cert_domain: str
    apexes: Sequence[str]
    dkim_key: str
    _set: dict[tuple[str, str], Answer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self, name: str, kind: str, values: Sequence[str], failure: str | None = None) -> None:
        """Answer a name and type ("*": any) with these, whatever the rules say."""
        with self._lock:
            self._set[name.lower().rstrip("."), kind] = Answer(tuple(values), failure)

    def forget(self) -> None:
        """Follow the rules alone again."""
        with self._lock:
            self._set.clear()

    def answer(self, name: str, kind: str) -> Answer:
        """Return the answer to a question; `name` in any case, with or without the last dot."""
        name = name.lower().rstrip(".")
        with self._lock:
            chosen = self._set.get((name, kind)) or self._set.get((name, "*"))
            known = any(each == name for each, _ in self._set)
        if chosen is not None:
            return chosen
        ruled = self._ruled(name, kind)
        return Answer() if known and ruled.failure else ruled

    def _ruled(self, name: str, kind: str) -> Answer:
        if name.endswith(".in-addr.arpa"):
            return self._reverse(name, kind)
        host = name.removesuffix(f".{self.cert_domain}")
        if host in HOSTS:
            return _only(kind, A=f"{self.prefix}.{HOSTS[host]}")
        if name.endswith(f".{INTERNET}"):
            return self._internet(name, kind)
        if any(name == apex or name.endswith(f".{apex}") for apex in self.apexes):
            return self._hosted(name, kind)
        return MISSING

    def _internet(self, name: str, kind: str) -> Answer:
        if name == NOWHERE or name.endswith(f".{NOWHERE}"):
            return MISSING
        if name == MAIL_OF_INTERNET:
            return _only(kind, A=f"{self.prefix}.{HOSTS['sink']}")
        return _only(kind, MX=f"10 {MAIL_OF_INTERNET}.", TXT=f"v=spf1 a:{MAIL_OF_INTERNET} -all")

    def _hosted(self, name: str, kind: str) -> Answer:
        first, _, rest = name.partition(".")
        if rest.startswith("_domainkey."):
            return _only(kind, TXT=f"v=DKIM1; k=rsa; p={self.dkim_key}") if first == SELECTOR else MISSING
        if first == "_dmarc":
            return _only(kind, TXT="v=DMARC1; p=reject; adkim=s")
        if first.startswith("_"):
            return MISSING
        spf = f"v=spf1 ip4:{self.prefix}.{HOSTS['smtp-out']} -all"
        return _only(kind, MX=f"10 smtp-in.{self.cert_domain}.", TXT=spf)

    def _reverse(self, name: str, kind: str) -> Answer:
        address = ".".join(reversed(name.removesuffix(".in-addr.arpa").split(".")))
        network, _, last = address.rpartition(".")
        for host, number in HOSTS.items():
            if network == self.prefix and last == str(number):
                return _only(kind, PTR=f"{MAIL_OF_INTERNET if host == 'sink' else f'{host}.{self.cert_domain}'}.")
        return MISSING


def _only(kind: str, **records: str) -> Answer:
    return Answer((records[kind],)) if kind in records else Answer()
