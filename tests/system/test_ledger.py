"""The ledger itself: it would be worth nothing if it overlooked what it is there to find."""

from collections import Counter

from tests.system.ledger import INTERNET, Ledger
from tests.system.letters import Letter, ident_of


def _ledger() -> Ledger:
    ledger = Ledger()
    for ident, places in (("one", ["alice", "bob"]), ("two", [INTERNET])):
        ledger.tries("in")
        ledger.took("in", ident, places)
    return ledger


def test_every_letter_in_its_places_once_is_no_fault() -> None:
    found = {"alice": Counter(one=1), "bob": Counter(one=1), INTERNET: Counter(two=1), "carol": Counter(strange=3)}

    account = _ledger().account(found)

    assert account.faults == 0
    assert "in 2 of 2" in str(account)


def test_what_is_lost_doubled_misdelivered_and_unsigned_is_counted_and_named() -> None:
    found = {"alice": Counter(one=2), "carol": Counter(one=1), INTERNET: Counter(two=1)}

    account = _ledger().account(found, unsigned=["two", "strange"])

    assert account.lost == ("one for bob",)
    assert account.doubled == ("one at alice: 2 times",)
    assert account.misdelivered == ("one at carol, not for alice, bob",)
    assert account.unsigned == ("two",)
    assert account.faults == 4


def test_refusal_counts_and_a_letter_of_unknown_fate_may_arrive_but_not_elsewhere() -> None:
    ledger = Ledger()
    ledger.tries("out")
    ledger.refused("out", "the connection broke", "torn", ["alice"])

    assert ledger.account({"alice": Counter(torn=1)}).faults == 1
    assert ledger.account({"bob": Counter(torn=1)}).misdelivered
    assert ledger.missing({}) == []


def test_letters_are_known_by_their_id_whatever_comes_before_it() -> None:
    letter = Letter.to("alice@example.com", kind="to a new address")

    assert ident_of(b"Received: from a by b\r\n" + letter.text) == letter.ident
    assert ident_of(b"Subject: X-Letter: no\r\n\r\n") is None
