"""What the daemons are told of a login, by the real process over its real sockets."""

from collections.abc import Callable
from itertools import count

import pytest

from embedded import sample
from embedded.aws import Clients, World
from embedded.faults import Fault, FaultProxy
from reconfigure.settings import Tier
from tests.login.conftest import Helper, Milter, serve_users

Start = Callable[..., Helper]


def test_right_password_of_a_served_user_is_taken_by_both_protocols(start: Start) -> None:
    assert start(Tier.IMAP).dovecot("alice", sample.PASSWORD) == "yes"
    assert start(Tier.SMTP_OUT).sasl("alice", sample.PASSWORD) == "OK"


def test_wrong_password_is_refused_by_both_protocols(start: Start) -> None:
    assert start(Tier.IMAP).dovecot("alice", "Guess-1") == "no"
    assert start(Tier.SMTP_OUT).sasl("alice", "Guess-1") == "NO"


def test_case_of_the_user_name_does_not_count(start: Start) -> None:
    assert start(Tier.SMTP_OUT).sasl("ALICE", sample.PASSWORD) == "OK"


@pytest.mark.parametrize("user", ["", "alice@example.com", "alice:x", "alice\n", "\N{KELVIN SIGN}", "root", "a" * 300])
def test_what_is_no_users_name_is_refused_without_asking_cognito(start: Start, proxy: FaultProxy, user: str) -> None:
    helper = start(Tier.IMAP)
    assert helper.dovecot(user, sample.PASSWORD) == "no"
    assert proxy.count("InitiateAuth") == 0


def test_realm_makes_another_name_which_nobody_has(start: Start) -> None:
    assert start(Tier.SMTP_OUT).sasl("alice", sample.PASSWORD, realm="example.com") == "NO"


def test_empty_password_is_refused_without_asking_cognito(start: Start, proxy: FaultProxy) -> None:
    assert start(Tier.SMTP_OUT).sasl("alice", "") == "NO"
    assert start(Tier.IMAP).dovecot("alice", "") == "no"
    assert proxy.count("InitiateAuth") == 0


def test_user_whom_the_generation_does_not_serve_is_refused_at_once_and_taken_back_at_once(start: Start) -> None:
    helper = start(Tier.IMAP)
    assert helper.dovecot("alice", sample.PASSWORD) == "yes"
    serve_users(helper.state, "bob", generation="2")
    assert helper.dovecot("alice", sample.PASSWORD) == "no"
    assert helper.dovecot("bob", sample.PASSWORD) == "yes"
    serve_users(helper.state, "alice", generation="3")
    assert helper.dovecot("alice", sample.PASSWORD) == "yes"


def test_without_a_generation_nobody_is_told_that_a_password_is_wrong(start: Start) -> None:
    helper = start(Tier.IMAP)
    (helper.state / "current").unlink()
    assert helper.dovecot("alice", sample.PASSWORD) == "unavailable"


@pytest.mark.parametrize(("user", "reason"), [("grace", "disabled"), ("frank", "not-confirmed")])
def test_disabled_and_unconfirmed_users_are_refused_by_their_reason(start: Start, user: str, reason: str) -> None:
    helper = start(Tier.IMAP)
    assert helper.dovecot(user, sample.PASSWORD) == "no"
    assert helper.logins()[-1]["reason"] == reason


@pytest.mark.parametrize("challenge", ["NEW_PASSWORD_REQUIRED", "SOFTWARE_TOKEN_MFA", "SMS_MFA"])
def test_challenge_is_refused_and_named_in_the_log(start: Start, proxy: FaultProxy, challenge: str) -> None:
    helper = start(Tier.IMAP)
    body = f'{{"ChallengeName": "{challenge}", "Session": "{"s" * 30}", "ChallengeParameters": {{}}}}'
    proxy.fail("InitiateAuth", Fault.answer(body.encode()))
    assert helper.dovecot("alice", sample.PASSWORD) == "no"
    assert helper.logins()[-1]["reason"] == f"challenge-{challenge}"


def test_token_of_another_user_is_no_login(start: Start, proxy: FaultProxy, world: World) -> None:
    answer = Clients(world.url).cognito.initiate_auth(
        AuthFlow="USER_PASSWORD_AUTH",
        ClientId=world.client_id,
        AuthParameters={"USERNAME": "bob", "PASSWORD": sample.PASSWORD},
    )
    token = answer["AuthenticationResult"]["AccessToken"]
    helper = start(Tier.IMAP)
    proxy.fail("InitiateAuth", Fault.answer(f'{{"AuthenticationResult": {{"AccessToken": "{token}"}}}}'.encode()))
    assert helper.dovecot("alice", sample.PASSWORD) == "no"
    assert helper.logins()[-1]["reason"] == "alias"


FAULTS = {
    "throttled": Fault.throttled("TooManyRequestsException"),
    "server error": Fault.server_error(),
    "reset": Fault.connection_reset(),
    "cut short": Fault.truncated(),
    "nonsense": Fault.answer(b"<html>"),
    "nothing": Fault.answer(b"{}"),
    "no token": Fault.answer(b'{"AuthenticationResult": {"AccessToken": "a.b.c"}}'),
    "too many guesses, says Cognito": Fault.error(400, "NotAuthorizedException", "Password attempts exceeded"),
    "client with a secret": Fault.error(400, "NotAuthorizedException", "Client 1 is configured for secret"),
    "flow not allowed": Fault.error(400, "InvalidParameterException", "USER_PASSWORD_AUTH flow not enabled"),
    "client gone": Fault.error(400, "ResourceNotFoundException", "User pool client 1 does not exist."),
    "slow": Fault.delayed(60),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_trouble_with_cognito_is_unavailable_never_wrong(start: Start, proxy: FaultProxy, fault: Fault) -> None:
    helper = start(Tier.IMAP)
    proxy.fail("InitiateAuth", fault)
    assert helper.dovecot("alice", sample.PASSWORD) == "unavailable"
    assert proxy.count("InitiateAuth") == 1, "the helper asks once, not again and again"
    proxy.heal()
    assert helper.dovecot("alice", sample.PASSWORD) == "yes"


def test_remembered_answer_is_good_while_cognito_is_down_and_only_for_that_password(
    start: Start, proxy: FaultProxy
) -> None:
    helper = start(Tier.IMAP)
    assert helper.dovecot("alice", sample.PASSWORD) == "yes"
    proxy.fail("InitiateAuth", Fault.connection_reset())
    assert helper.dovecot("alice", sample.PASSWORD) == "yes"
    assert helper.dovecot("alice", "Another-1") == "unavailable"
    assert helper.dovecot("bob", sample.PASSWORD) == "unavailable"


def test_answer_is_not_remembered_longer_than_set(
    start: Start, proxy: FaultProxy, until: Callable[[Callable[[], bool]], None]
) -> None:
    helper = start(Tier.IMAP, cache="0.3")
    assert helper.dovecot("alice", sample.PASSWORD) == "yes"
    proxy.fail("InitiateAuth", Fault.connection_reset())
    until(lambda: helper.dovecot("alice", sample.PASSWORD) == "unavailable")


def test_submission_is_not_told_no_while_cognito_is_away_but_waits_for_it(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.SMTP_OUT, hold="30")
    proxy.fail("InitiateAuth", Fault.server_error(), times=1)
    assert helper.sasl("alice", sample.PASSWORD) == "OK"
    assert [line["result"] for line in helper.logins()] == ["later", "yes"]


def test_submission_gets_no_answer_when_cognito_stays_away(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.SMTP_OUT, hold="0")
    proxy.fail("InitiateAuth", Fault.server_error())
    assert helper.sasl("alice", sample.PASSWORD) == ""


def test_gate_is_open_while_cognito_answers_and_temporarily_shut_while_it_does_not(
    start: Start, proxy: FaultProxy, until: Callable[[Callable[[], bool]], None]
) -> None:
    helper = start(Tier.SMTP_OUT)
    session = Milter(helper.connect("gate"))
    assert session.greet() == b"c"
    assert session.ask(b"M", b"<alice@example.com>\0") == b"c"
    proxy.fail("InitiateAuth", Fault.server_error())
    until(lambda: helper.greeted() == b"t")
    proxy.heal()
    until(lambda: helper.greeted() == b"c")


def test_gate_gives_the_password_its_clients_address(start: Start) -> None:
    helper = start(Tier.SMTP_OUT)
    assert Milter(helper.connect("gate")).greet("203.0.113.9") == b"c"
    helper.sasl("alice", sample.PASSWORD)  # this process is, to the helper, the sendmail process of that session
    assert helper.logins()[-1]["address"] == "203.0.113.9"


def test_address_that_guessed_too_often_finds_the_gate_shut(
    start: Start, until: Callable[[Callable[[], bool]], None]
) -> None:
    helper = start(Tier.SMTP_OUT, guesses_address="2", guesses_user="100")
    assert Milter(helper.connect("gate")).greet("203.0.113.9") == b"c"
    guesses = count()

    def shut() -> bool:
        answer = Milter(helper.connect("gate")).greet("203.0.113.9")  # stays open: whose session the guess is in
        helper.sasl("alice", f"Guess-{next(guesses)}")
        return answer == b"t"

    until(shut)
    assert helper.greeted("203.0.113.10") == b"c"


def test_password_in_the_wrong_field_is_not_logged(start: Start) -> None:
    helper = start(Tier.IMAP)
    assert helper.dovecot(sample.PASSWORD.lower(), "x") == "no"
    assert sample.PASSWORD.lower() not in helper.log_path.read_text()
