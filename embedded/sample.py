"""The world that the embedded AWS begins with: believable users and addresses, and every case worth looking at.

Only domains that are reserved for examples (RFC 2606). How it gets into the tables is `aws`'s business.
"""

from collections.abc import Mapping
from typing import NamedTuple

CERT_DOMAIN = "mail.example.com"
TABLE = "cabal-addresses"
PASSWORD = "Sample-passw0rd"  # noqa: S105 of all sample users, in a user pool that only this machine reaches
APEXES = ("example.com", "example.net", "example.org")


class SampleUser(NamedTuple):
    """A user of the pool; not confirmed means: signed up, and never entered the code from the e-mail."""

    name: str
    osid: int
    confirmed: bool = True
    enabled: bool = True


class SampleAddress(NamedTuple):
    """A row of the address table; `users` as the table holds them, parted by slashes."""

    name: str
    users: str
    suspended: bool = False
    comment: str = ""


USERS = (
    SampleUser("alice", 2001),
    SampleUser("bob", 2002),
    SampleUser("carol", 2003),
    SampleUser("dave", 2004),
    SampleUser("erin", 2005),
    SampleUser("heidi", 2006),
    SampleUser("frank", 2007, confirmed=False),
    SampleUser("grace", 2008, enabled=False),
)

ADDRESSES = (
    SampleAddress("alice@example.com", "alice"),
    SampleAddress("bob@example.com", "bob"),
    SampleAddress("carol@example.com", "carol"),
    SampleAddress("postmaster@example.com", "alice"),
    SampleAddress("bank@example.com", "alice", comment="the one that only the bank knows"),
    SampleAddress("shop@acme.example.com", "alice"),
    SampleAddress("orders@acme.example.com", "bob"),
    SampleAddress("returns@acme.example.com", "bob"),
    SampleAddress("team@acme.example.com", "alice/bob", comment="shared"),
    SampleAddress("jobs@acme.example.com", "carol"),
    SampleAddress("press@acme.example.com", "erin"),
    SampleAddress("newsletter@acme.example.com", "alice", suspended=True, comment="sold to spammers"),
    SampleAddress("dave@example.net", "dave"),
    SampleAddress("erin@example.net", "erin"),
    SampleAddress("heidi@example.net", "heidi"),
    SampleAddress("family@example.net", "dave/erin/frank", comment="shared; frank never confirmed"),
    SampleAddress("garage@example.net", "dave"),
    SampleAddress("travel@example.net", "heidi"),
    SampleAddress("flights.2026@example.net", "heidi"),
    SampleAddress("seeds@garden.example.org", "carol"),
    SampleAddress("bees@garden.example.org", "carol"),
    SampleAddress("compost@garden.example.org", "heidi"),
    SampleAddress("allotment-12@garden.example.org", "erin"),
    SampleAddress("club@garden.example.org", "grace", comment="dangling: grace is disabled"),
    SampleAddress(
        "x\t|/bin/sh\nroot: :include:/etc/passwd@acme.example.com",
        "alice\n/../../etc/passwd",
        comment="hostile: tabs, line ends, a pipe, an include and a path",
    ),
)


def row(address: SampleAddress) -> Mapping[str, Mapping[str, str | bool]]:
    """Return the address as the table holds it: attribute name → {type code: value}."""
    local, _, domain = address.name.rpartition("@")
    apex = next((each for each in APEXES if domain == each or domain.endswith(f".{each}")), domain)
    attributes: dict[str, Mapping[str, str | bool]] = {
        "address": {"S": address.name},
        "username": {"S": local},
        "tld": {"S": apex},
        "user": {"S": address.users},
        "RequestTime": {"S": "2026-11-02T09:30:00+00:00"},
    }
    if domain != apex:
        attributes["subdomain"] = {"S": domain.removesuffix(f".{apex}")}
    if address.suspended:
        attributes["suspended"] = {"BOOL": True}
    if address.comment:
        attributes["comment"] = {"S": address.comment}
    return attributes
