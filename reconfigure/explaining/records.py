"""What DNS says of a hosted domain, against what it should say.

MX is RFC 5321's, SPF RFC 7208's, DKIM RFC 6376's, DMARC RFC 7489's.
"""

import base64
import ipaddress
import re

import dns.exception
import dns.resolver
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from reconfigure.explaining.chain import Link, State

SELECTOR = "cabal"
LIFETIME = 2.0  # seconds for each question


class Names:
    """Asks a name server.

    Args:
        server: address of the server to ask, with `:port` behind it if that is not 53 (`[::1]:53` for IPv6); the
            system's when not given.

    Raises:
        ValueError: `server` is no address.
    """

    def __init__(self, server: str | None = None) -> None:
        try:
            self._resolver = dns.resolver.Resolver(configure=server is None)
        except dns.exception.DNSException as error:
            raise ValueError(f"the system names no name server ({error}); give one by --resolver") from error
        self._resolver.lifetime = LIFETIME
        if server is not None:
            host, port = _address(server)
            self._resolver.nameservers = [host]
            self._resolver.port = port

    def ask(self, name: str, kind: str) -> list[str]:
        """Return the records of a name, none when it has none; TXT records joined, RFC 6376 3.6.2.2.

        Raises:
            dns.exception.DNSException: there was no answer.
        """
        try:
            answer = self._resolver.resolve(name, kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        if kind == "TXT":
            return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
        return sorted(str(record) for record in answer)


def _address(server: str) -> tuple[str, int]:
    bare = re.fullmatch(r"\[(?P<host>[^\]]+)\](:(?P<port>\d+))?|(?P<host4>[^:]+)(:(?P<port4>\d+))?", server)
    host = (bare["host"] or bare["host4"]) if bare else server  # an IPv6 address may stand without brackets
    port = int((bare["port"] or bare["port4"] or 53) if bare else 53)
    try:
        return str(ipaddress.ip_address(host)), port
    except ValueError as error:
        raise ValueError(f"{server!r} is no address of a name server; write it as 192.0.2.1 or 192.0.2.1:53") from error


def public_key(private: bytes | None) -> str | None:
    """Return the public half of a private key in PEM as a DKIM record holds it (RFC 6376, 3.6.1); None for None.

    Raises:
        ValueError: it is no private key.
    """
    if private is None:
        return None
    try:
        key = load_pem_private_key(private, password=None).public_key()
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"the signing key cannot be used: {error}") from error
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode("ascii")


def published_keys(names: Names, domain: str) -> list[str]:
    """Return the public keys that DNS has for a domain's selector, "" for a record that has none.

    Raises:
        dns.exception.DNSException: there was no answer.
    """
    return [_tags(text).get("p", "") for text in names.ask(f"{SELECTOR}._domainkey.{domain}", "TXT")]


def mail_comes_here(names: Names, domain: str, *, relay: str) -> bool:
    """Return whether a domain's MX names our relay.

    Raises:
        dns.exception.DNSException: there was no answer.
    """
    return _mx(names.ask(domain, "MX"), relay)[0] == "fits"


def checked(names: Names, domain: str, *, relay: str, key: str | None) -> list[Link]:
    """Return a link for each kind of record.

    Args:
        names: asks.
        domain: the hosted domain.
        relay: host name that MX should name.
        key: the public key that the DKIM record should hold; None where it is not known.
    """
    questions = (
        ("MX", domain, "MX", lambda found: _mx(found, relay)),
        ("SPF", domain, "TXT", _spf),
        ("DKIM", f"{SELECTOR}._domainkey.{domain}", "TXT", lambda found: _dkim(found, key)),
        ("DMARC", f"_dmarc.{domain}", "TXT", _dmarc),
    )
    links = []
    for what, name, kind, judge in questions:
        where = f"DNS, {what} of {name}"
        try:
            found = names.ask(name, kind)
        except (dns.exception.DNSException, OSError, ValueError) as error:
            links.append(Link(where=where, state="unknown", says=(f"no answer: {error}",)))
            continue
        state, says = judge(found)
        links.append(Link(where=where, state=state, says=says))
    return links


Judged = tuple[State, tuple[str, ...]]


def _mx(found: list[str], relay: str) -> Judged:
    hosts = [record.split()[-1].rstrip(".").lower() for record in found]
    if relay.lower() in hosts:
        return "fits", tuple(found)
    return "differs", (*found, f"mail from outside does not come here: publish MX 10 {relay}.")


def _spf(found: list[str]) -> Judged:
    policies = [text for text in found if text.lower().split(" ")[0] == "v=spf1"]
    if len(policies) == 1:
        return "fits", tuple(policies)
    if policies:
        return "differs", (*policies, "more than one is an error to every receiver (RFC 7208, 3.2): keep one")
    return "differs", ('publish TXT "v=spf1 ... -all" that names the addresses smtp-out sends from',)


def _dkim(found: list[str], key: str | None) -> Judged:
    keys = [_tags(text).get("p", "") for text in found]
    if key is None:
        if any(keys):
            return "fits", ("there is a key; whether it is the right one, smtp-out knows",)
        return "differs", ("there is no key: receivers cannot check signatures; ask on smtp-out for the record",)
    if keys == [key]:
        return "fits", ("the key that signs here",)
    wrong = "another key than the one that signs here" if any(keys) else "there is no key"
    return "differs", (f'{wrong}: receivers refuse what is signed; publish TXT "v=DKIM1; k=rsa; p={key}"',)


def _dmarc(found: list[str]) -> Judged:
    policies = [text for text in found if _tags(text).get("v") == "DMARC1"]
    if len(policies) == 1 and _tags(policies[0]).get("p") in {"none", "quarantine", "reject"}:
        return "fits", tuple(policies)
    return "differs", (*policies, 'publish one TXT "v=DMARC1; p=..." with p none, quarantine or reject')


def _tags(text: str) -> dict[str, str]:
    """Return the tags of a record (RFC 6376, 3.2); white space within a value says nothing."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): re.sub(r"\s", "", value) for name, _, value in pairs if name.strip()}
