"""Nobody hears from an answer, from a pause or from the time that it takes which names are users'."""

import time
from collections.abc import Callable
from random import Random

import pytest

from embedded import sample
from embedded.faults import FaultProxy
from reconfigure.login.saslauthd import REFUSAL_SECONDS
from reconfigure.settings import Tier
from tests.login.conftest import Helper, serve_users

Start = Callable[..., Helper]

ADDRESSES = ("198.51.100.7", "203.0.113.5", "2001:db8::7")


@pytest.mark.parametrize("seed", range(4))
def test_a_name_that_nobody_has_is_answered_as_a_users_is(start: Start, proxy: FaultProxy, seed: int) -> None:
    random = Random(seed)  # noqa: S311
    guesses = [(f"Guess-{random.randrange(6)}", random.choice(ADDRESSES)) for _ in range(25)]

    real, other = start(Tier.IMAP), start(Tier.IMAP)
    of_a_user = [real.dovecot("alice", *guess) for guess in guesses]
    asked = proxy.count("InitiateAuth")
    of_nobody = [other.dovecot("nobody", *guess) for guess in guesses]

    assert of_nobody == of_a_user
    assert {"no", "unavailable"} == set(of_a_user), "no pause was met"
    assert proxy.count("InitiateAuth") == asked, "Cognito was asked about somebody whom nobody serves"


def test_who_tried_before_the_account_was_there_gets_in_once_it_is(start: Start) -> None:
    helper = start(Tier.IMAP)
    serve_users(helper.state, "bob", generation="2")
    for guess in (sample.PASSWORD, "Guess-1", "Guess-2", sample.PASSWORD):
        assert helper.dovecot("alice", guess) != "yes"
    serve_users(helper.state, "alice", generation="3")
    assert helper.dovecot("alice", sample.PASSWORD) == "yes"


@pytest.mark.parametrize("name", ["alice", "nobody", "Not A Name"])
def test_nobody_is_refused_sooner_than_cognito_would(start: Start, name: str) -> None:
    helper = start(Tier.SMTP_OUT)
    began = time.monotonic()
    assert helper.sasl(name, "Guess-1") == "NO"
    assert time.monotonic() - began >= REFUSAL_SECONDS
