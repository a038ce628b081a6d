"""The client of the test world's name service: ask it, and change what it answers."""

from collections.abc import Sequence

import requests
from dnslib import DNSRecord

_SECONDS = 5.0
_TRIES = 3


class NameService:
    """The name service at an address; questions go straight to it, whatever this machine's own one is."""

    def __init__(self, host: str, port: int, control_url: str) -> None:
        self._at = (host, port)
        self._control = control_url
        self._session = requests.Session()
        self._session.trust_env = False

    def query(self, name: str, kind: str) -> list[str]:
        """Return the records of a name as text; none when there are none or the name does not exist."""
        return [str(each.rdata) for each in self._ask(name, kind).rr]

    def mx(self, name: str) -> list[str]:
        """Return a domain's mail exchangers, "10 host."."""
        return self.query(name, "MX")

    def txt(self, name: str | bytes) -> bytes:
        """Return a name's TXT record, its parts joined, as `dkim.verify(dnsfunc=…)` wants it; empty when none."""
        text = name.decode() if isinstance(name, bytes) else name
        records = self._ask(text, "TXT").rr
        return b"".join(records[0].rdata.data) if records else b""

    def set(self, name: str, kind: str, *values: str, failure: str | None = None) -> None:
        """Answer so from now on.

        Args:
            name: the name, whole.
            kind: A, MX, TXT, PTR; or "*", any.
            values: the records; none, and no failure: the name exists without such a record.
            failure: SERVFAIL, NXDOMAIN, REFUSED.
        """
        self._tell("PUT", {"name": name, "type": kind, "values": list[str](values), "failure": failure})

    def forget(self) -> None:
        """Undo every `set`."""
        self._tell("DELETE", None)

    def _tell(self, method: str, document: object) -> None:
        answer = self._session.request(method, f"{self._control}/answers", json=document, timeout=_SECONDS)
        answer.raise_for_status()

    def _ask(self, name: str, kind: str) -> DNSRecord:
        question = DNSRecord.question(name, kind)
        failures: Sequence[OSError] = ()
        for _ in range(_TRIES):
            try:
                reply = DNSRecord.parse(question.send(*self._at, timeout=_SECONDS))
            except OSError as error:
                failures = [*failures, error]
                continue
            return reply
        raise RuntimeError(f"the name service at {self._at} did not answer {name} {kind}: {failures[-1]}")
