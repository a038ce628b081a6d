"""No row takes a domain that is not ours: the service's own host names never, foreign ones by setting."""

import pytest

from reconfigure.directory.amend import amend
from reconfigure.directory.assemble import assemble
from reconfigure.directory.hosting import Hosting
from reconfigure.directory.model import CognitoUser
from tests.directory.test_assemble import refusals, row, served

USERS = [CognitoUser("alice", confirmed=True, enabled=True, osid="1000")]
OURS = Hosting(own_hosts=frozenset({"imap.mail.example.com"}), apexes=frozenset({"example.com", "xn--mnchen-3ya.test"}))
ALL = Hosting(own_hosts=OURS.own_hosts)


@pytest.mark.parametrize("hosting", [OURS, ALL])
@pytest.mark.parametrize("key", ["ceo@imap.mail.example.com", "CEO@IMAP.mail.Example.com"])
def test_an_address_at_a_host_name_of_the_service_is_never_served(key: str, hosting: Hosting) -> None:
    found = assemble([[row(key)]], USERS, hosting=hosting)
    assert (served(found), found.domains) == ([], ())
    assert refusals(found) == [("domain-own-host", "address")]


@pytest.mark.parametrize(
    "host",
    ["world.test", "example.com.world.test", "notexample.com", "com", "xn--mnchen-3ya.example", "m\u00fcnchen.example"],
)
def test_a_row_of_a_domain_that_is_not_ours_is_refused(host: str) -> None:
    wanted = "domain-syntax" if host == "com" else "domain-not-ours"
    found = assemble([[row(f"ceo@{host}"), row(f"cfo@{host}")]], USERS, hosting=OURS)
    assert (served(found), found.domains) == ([], ())
    assert refusals(found) == [(wanted, "address")] * 2


@pytest.mark.parametrize("host", ["example.com", "acme.example.com", "a.b.Example.com", "m\u00fcnchen.test"])
def test_a_domain_is_ours_if_it_is_an_apex_or_below_one(host: str) -> None:
    found = assemble([[row(f"ceo@{host}"), row(f"cfo@{host}")]], USERS, hosting=OURS)
    assert len(served(found)) == 2
    assert found.quarantine.total == 0


def test_without_a_list_every_other_domain_is_served_as_before() -> None:
    found = assemble([[row("ceo@world.test"), row("ceo@x.imap.mail.example.com")]], USERS, hosting=ALL)
    assert len(served(found)) == 2


def test_a_row_that_is_read_by_its_key_takes_no_foreign_domain_either() -> None:
    base = assemble([[row("shop@acme.example.com")]], USERS, hosting=OURS)
    for key in ("ceo@world.test", "ceo@imap.mail.example.com"):
        assert amend(base, {key: row(key)}, hosting=OURS) is None
    assert amend(base, {"new@example.com": row("new@example.com")}, hosting=OURS) is not None


def test_a_foreign_domain_that_is_live_since_before_has_everything_read() -> None:
    base = assemble([[row("ceo@world.test")]], USERS)
    assert amend(base, {"new@example.com": row("new@example.com")}, hosting=OURS) is None
