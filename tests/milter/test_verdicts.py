"""No message comes in with what a stranger says of where it comes from: the real milter, asked by the real sendmail."""

from collections.abc import Callable
from pathlib import Path

import pytest

from reconfigure.milter.fields import is_verdict
from tests.milter.conftest import Filter, Relay
from tests.milter.recorder import Recorder
from tests.sendmail.configured import configure

PASS = "control.example; dmarc=pass header.from=bank.test"
KEPT = [
    "From: Bank <ceo@bank.test>",
    "Subject: Authentication-Results: in a subject",
    "X-Authentication-Results-Of-Mine: one",
    "Arcade: a word that begins like the names of a chain",
    "DKIM-Signature: v=1; a=rsa-sha256; d=bank.test; s=a; h=from; bh=AAAA; b=AAAA",
]


def folded(size: int) -> str:
    """Return a value of about so many bytes on lines of 900."""
    return "\r\n ".join([PASS, *("x" * 900 for _ in range(size // 903))])


FORGED = {
    "plain": [f"Authentication-Results: {PASS}"],
    "upper case": [f"AUTHENTICATION-RESULTS: {PASS}"],
    "odd case": [f"aUTHENTICATION-rESULTS: {PASS}"],
    "blank before the colon": [f"Authentication-Results : {PASS}"],
    "tab before the colon": [f"Authentication-Results\t: {PASS}"],
    "vertical tab before the colon": [f"Authentication-Results\v: {PASS}"],
    "no blank after it": [f"Authentication-Results:{PASS}"],
    "folded": [f"Authentication-Results:\r\n\t{PASS}"],
    "empty": ["Authentication-Results:"],
    "no result in it": ["Authentication-Results: control.example"],
    "comment first": ["Authentication-Results: (a comment) control.example (another) 1; dmarc=pass"],
    "quoted": ['Authentication-Results: "control.example"; dmarc=pass'],
    "no syntax at all": ["Authentication-Results: ;;;=()\x7f"],
    "beyond ASCII": ["Authentication-Results: control.example; dmarc=pass (\u0085\u00e9)"],
    "longer than a header ruleset is called for": [f"Authentication-Results: {folded(2_000)}"],
    "60 kB": [f"Authentication-Results: {folded(60_000)}"],
    "on one long line": [f"Authentication-Results: {PASS} {'x' * 60_000}"],
    "sixty": [f"Authentication-Results: {PASS} {number}" for number in range(60)],
    "sixty in many cases": [
        f"{'Authentication-Results' if number % 3 else 'authentication-RESULTS'}: {number}" for number in range(60)
    ],
    "a thousand": [f"Authentication-Results: {number}" for number in range(1000)],
    "chain": [
        f"ARC-Authentication-Results: i=1; {PASS}",
        "ARC-Message-Signature: i=1; a=rsa-sha256; d=evil.test; s=a; b=AAAA",
        "arc-seal: i=1; a=rsa-sha256; cv=none; d=evil.test; s=a; b=AAAA",
        "ARC-Whatever-Comes: next",
    ],
    "SPF": ["Received-SPF: pass (control.example: domain of ceo@bank.test designates 192.0.2.1 as permitted sender)"],
    "logo": ["BIMI-Location: v=BIMI1; l=https://evil.test/bank.svg", "BIMI-Indicator: PHN2Zz4="],
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_what_a_stranger_says_of_where_a_message_comes_from_is_gone_and_all_else_is_there(
    relay: Relay, milter: Filter, forged: list[str]
) -> None:
    half = len(forged) // 2
    header = [*forged[:half], *KEPT[:2], *forged[half:], *KEPT[2:]]

    assert relay.takes(header) == "250"

    [fields] = relay.queued()
    assert [field for field in fields if is_verdict(field.partition(":")[0].encode())] == []
    assert set(KEPT) <= set(fields)
    assert milter.log.read_text().count('"fields_removed"') == 1


def test_a_name_that_is_folded_before_its_colon_ends_the_header(relay: Relay, milter: Filter) -> None:
    """To sendmail the line is no field any more, so what follows is text, and goes on as that."""
    assert milter.process.poll() is None
    assert relay.takes([*KEPT, f"Authentication-Results\r\n : {PASS}", f"Authentication-Results: {PASS}"]) == "250"

    [fields] = relay.queued()
    assert [field for field in fields if is_verdict(field.partition(":")[0].encode())] == []
    assert set(KEPT) <= set(fields)


def test_a_message_without_any_is_left_as_it_is(relay: Relay, milter: Filter) -> None:
    assert relay.takes(KEPT) == "250"

    [fields] = relay.queued()
    assert set(KEPT) <= set(fields)
    assert "fields_removed" not in milter.log.read_text()


@pytest.mark.parametrize("count", [1, 2])
def test_a_header_that_a_milter_cannot_be_shown_is_refused_for_good(relay: Relay, milter: Filter, count: int) -> None:
    assert milter.process.poll() is None
    each = 70_000 // count
    answer = relay.takes([*KEPT, *(f"Authentication-Results: {folded(each)}" for _ in range(count))])

    assert answer.startswith("552 5.6.0"), answer
    assert relay.queued() == []


def test_no_milter_after_it_is_shown_what_it_removed(safe: Path, milter: Filter, tmp_path: Path) -> None:
    with Recorder(safe / "recorder") as recorder:
        made = configure("smtp-in", tmp_path, filters={"verdicts": milter.socket, "recorder": recorder.path})
        (tmp_path / "queue").mkdir(mode=0o700)
        assert Relay(made).takes([*FORGED["sixty in many cases"], *FORGED["chain"], *KEPT]) == "250"

    assert set(KEPT) <= set(recorder.shown)
    assert [field for field in recorder.shown if is_verdict(field.partition(":")[0].encode())] == []


def test_while_the_milter_is_down_mail_is_put_off(relay: Relay) -> None:
    assert relay.takes([f"Authentication-Results: {PASS}", *KEPT]).startswith("4")
    assert relay.queued() == []


def test_a_milter_that_ended_in_the_middle_of_a_session_puts_its_message_off(
    safe: Path, milter: Filter, tmp_path: Path
) -> None:
    with Recorder(safe / "recorder", at_data=milter.end) as recorder:
        made = configure("smtp-in", tmp_path, filters={"recorder": recorder.path, "verdicts": milter.socket})
        (tmp_path / "queue").mkdir(mode=0o700)
        relay = Relay(made)
        assert relay.takes([f"Authentication-Results: {PASS}", *KEPT]).startswith("4")

    assert milter.process.poll() is not None, "it was still there when the message came"
    assert relay.queued() == []


def test_mail_is_taken_again_once_the_milter_is_back(relay: Relay, start: Callable[[], Filter]) -> None:
    start().end()
    assert relay.takes(KEPT).startswith("4")
    start()
    assert relay.takes([f"Authentication-Results: {PASS}", *KEPT]) == "250"
    [fields] = relay.queued()
    assert [field for field in fields if is_verdict(field.partition(":")[0].encode())] == []


def test_the_second_message_of_a_session_is_looked_at_by_itself(relay: Relay, milter: Filter) -> None:
    assert relay.takes_many([[*FORGED["sixty"], *KEPT], KEPT, [*FORGED["plain"], *KEPT]]) == ["250"] * 3
    found = [field for fields in relay.queued() for field in fields]
    assert [field for field in found if is_verdict(field.partition(":")[0].encode())] == []
    assert milter.log.read_text().count('"fields_removed"') == 2
