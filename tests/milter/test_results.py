"""Of what verifiers wrote only that stays which they mean: its shapes, and the real milter, asked by sendmail."""

from pathlib import Path

import pytest

from reconfigure.milter.results import domain_of, is_sound
from tests.milter.conftest import Filter, Relay
from tests.milter.recorder import Recorder
from tests.sendmail.configured import configure

BY = "control.example; "
DMARC = f"{BY}dmarc=pass (p=reject dis=none) header.from=bank.example"

ONE = {
    "ceo@bank.example": "bank.example",
    "<ceo@Bank.EXAMPLE>": "bank.example",
    "  Bank <ceo@bank.example> ": "bank.example",
    "Bank\r\n <ceo@bank.example>": "bank.example",
    '"Bank, the \\"big\\" <one>" <ceo@bank.example>': "bank.example",
    "=?utf-8?q?B=C3=A4nk?= <ceo@bank.example>": "bank.example",
    "B\u00e4nk & Co <ceo@bank.example>": "bank.example",
    "MAILER-DAEMON@bank.example (Mail Delivery System)": "bank.example",
}
NOT_ONE = [
    "",
    "ceo",
    "<>",
    "<ceo@bank.example>, <x@evil.example>",
    "x@evil.example, ceo@bank.example",
    "<ceo@bank.example> <x@evil.example>",
    "ceo@bank.example <x@evil.example>",
    "ceo@bank.example@evil.example",
    "<@bank.example:x@evil.example>",
    "a: x@evil.example, ceo@bank.example;",
    "<x@evil.example; dmarc=pass header.from=bank.example>",
    "x@evil.example header.from=bank.example",
    'x@"evil.example; dmarc=pass header.from=bank.example"',
    "ceo@bank.example (<x@evil.example>)",
    '"a" b" <x@evil.example>',
]

SOUND = [
    DMARC,
    f"{BY}dmarc=fail (p=none dis=none) header.from=BANK.example",
    f"{BY}spf=none smtp.mailfrom=evil.example",
    f"{BY}spf=pass smtp.helo=mx.evil.example",
    f"{BY}\n\tdkim=none",
    f"{BY}dkim=permerror (bad message/signature format)",
    f"{BY}\n\tdkim=pass (1024-bit key; unprotected) header.d=a.example header.b=AA;\n\tdkim-atps=neutral",
    f'{BY}dkim=fail reason="key not found; in DNS" header.d=a.example;\n\tdkim=pass header.d=b.example',
]
UNSOUND = [
    f"{BY}dmarc=pass (p=reject dis=none) header.from=evil.example",
    f"{BY}dmarc=none (p=none dis=none) header.from=evil.example;dmarc=passheader.from=bank.example",
    f'{BY}dmarc=none (p=none dis=none) header.from="evil.example; dmarc=pass header.from=bank.example"',
    f"{BY}dmarc=none (p=none dis=none) header.from=evil.example header.from=bank.example",
    f"{BY}spf=none smtp.mailfrom=a;dmarc=pass",
    f"{BY}spf=none smtp.helo=x;dmarc=pass",
    f'{BY}spf=none smtp.mailfrom="a;{DMARC};"',
    f"{BY}dkim=none; dmarc=pass header.from=bank.example",
    f"{BY}spf=pass smtp.mailfrom=bank.example; {DMARC}",
    "",
]


@pytest.mark.parametrize(("value", "domain"), ONE.items())
def test_a_from_with_one_address_is_of_its_domain(value: str, domain: str) -> None:
    assert domain_of([value.encode()]) == domain.encode()


@pytest.mark.parametrize("value", NOT_ONE)
def test_a_from_that_could_be_read_in_two_ways_is_of_nobody(value: str) -> None:
    assert domain_of([value.encode()]) is None


def test_two_froms_and_none_are_of_nobody() -> None:
    assert domain_of([b"ceo@bank.example", b"ceo@bank.example"]) is None
    assert domain_of([]) is None


@pytest.mark.parametrize("value", SOUND)
def test_what_a_verifier_means_is_sound(value: str) -> None:
    assert is_sound(f" {value}".encode(), b"bank.example")


@pytest.mark.parametrize("value", UNSOUND)
def test_what_a_verifier_was_led_to_write_is_not(value: str) -> None:
    assert not is_sound(f" {value}".encode(), b"bank.example")


def test_a_verdict_about_a_from_that_is_no_one_address_is_not_sound() -> None:
    assert not is_sound(DMARC.encode(), None)


@pytest.mark.parametrize("piece", [" ", "a", '"', "(", '\\"', '"a" ', "a@", "a.", "<", "a=(", ";dkim="])
def test_nothing_takes_long_to_be_looked_at(piece: str) -> None:
    """Were one of the shapes looked for in more ways than one, this would not end."""
    value = (piece * (60_000 // len(piece))).encode()
    assert domain_of([value + b"\1"]) is None
    is_sound(value, b"bank.example")
    is_sound(BY.encode() + b"dkim=" + value, b"bank.example")


def test_only_what_is_sound_leaves_and_forgeries_before_it_move_no_number(
    safe: Path, milter: Filter, tmp_path: Path
) -> None:
    with Recorder(safe / "recorder", adds=[SOUND[2], UNSOUND[1], DMARC, UNSOUND[4]]) as recorder:
        results = milter.socket.with_name("results")
        filters = {"verdicts": milter.socket, "recorder": recorder.path, "results": results}
        made = configure("smtp-in", tmp_path, filters=filters)
        (tmp_path / "queue").mkdir(mode=0o700)
        relay = Relay(made)
        forged = [f"Authentication-Results: {DMARC}"] * 5
        assert relay.takes([*forged, "From: ceo@bank.example", *forged, "Subject: x"]) == "250"

    [fields] = relay.queued()
    said = [field.partition(":")[2].strip() for field in fields if field.startswith("Authentication-Results:")]
    assert sorted(said) == sorted([SOUND[2], DMARC])
