import pytest

from embedded.sample import APEXES
from stack.lab.zone import MISSING, Answer, Zone


@pytest.fixture
def zone() -> Zone:
    return Zone("10.77.0", "mail.example.com", APEXES, "QUJD")


def test_a_hosted_domains_mail_goes_to_smtp_in_though_nobody_named_it(zone: Zone) -> None:
    for domain in ("example.com", "acme.example.com", "new.deep.example.org"):
        assert zone.answer(domain, "MX") == Answer(("10 smtp-in.mail.example.com.",))


def test_every_hosted_domain_has_the_dkim_key_below_one_selector(zone: Zone) -> None:
    assert zone.answer("cabal._domainkey.new.example.net", "TXT") == Answer(("v=DKIM1; k=rsa; p=QUJD",))
    assert zone.answer("other._domainkey.new.example.net", "TXT") == MISSING
    assert zone.answer("cabal._domainkey.elsewhere.test", "MX").records == ("10 mx.world.test.",)


def test_spf_and_dmarc_name_the_submission_tier_and_ask_for_rejection(zone: Zone) -> None:
    assert zone.answer("acme.example.com", "TXT") == Answer(("v=spf1 ip4:10.77.0.13 -all",))
    assert zone.answer("_dmarc.acme.example.com", "TXT") == Answer(("v=DMARC1; p=reject; adkim=s",))


def test_the_internets_mail_goes_to_the_sink(zone: Zone) -> None:
    assert zone.answer("elsewhere.test", "MX") == Answer(("10 mx.world.test.",))
    assert zone.answer("mx.world.test", "A") == Answer(("10.77.0.4",))


@pytest.mark.parametrize("name", ["nowhere.test", "below.nowhere.test", "example.edu", "test", "notexample.com"])
def test_what_no_rule_knows_does_not_exist(zone: Zone, name: str) -> None:
    assert zone.answer(name, "MX") == MISSING


def test_services_have_addresses_by_both_names_and_back(zone: Zone) -> None:
    for name in ("imap", "IMAP.mail.example.com.", "imap.mail.example.com"):
        assert zone.answer(name, "A") == Answer(("10.77.0.11",))
    assert zone.answer("11.0.77.10.in-addr.arpa", "PTR") == Answer(("imap.mail.example.com.",))
    assert zone.answer("4.0.77.10.in-addr.arpa", "PTR") == Answer(("mx.world.test.",))
    assert zone.answer("99.0.77.10.in-addr.arpa", "PTR") == MISSING
    assert zone.answer("11.0.78.10.in-addr.arpa", "PTR") == MISSING


def test_a_name_that_exists_has_no_record_of_another_type(zone: Zone) -> None:
    assert zone.answer("imap", "AAAA") == Answer()
    assert zone.answer("elsewhere.test", "A") == Answer()


def test_what_is_set_goes_before_the_rules_until_it_is_forgotten(zone: Zone) -> None:
    zone.set("elsewhere.test", "*", (), "SERVFAIL")
    zone.set("Made.UP.", "A", ("10.77.0.99",))
    assert zone.answer("elsewhere.test", "MX") == Answer((), "SERVFAIL")
    assert zone.answer("made.up", "A") == Answer(("10.77.0.99",))
    assert zone.answer("made.up", "MX") == Answer()  # it exists now, without that
    zone.forget()
    assert zone.answer("elsewhere.test", "MX").records == ("10 mx.world.test.",)
    assert zone.answer("made.up", "A") == MISSING
