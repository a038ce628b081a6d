"""Owners get in whatever others guess, guessers do not, and Cognito is not driven to lock anybody out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from embedded import sample
from embedded.faults import Fault, FaultProxy
from reconfigure.settings import Tier
from tests.login.conftest import Helper, Milter

Start = Callable[..., Helper]

NAT, ELSEWHERE = "198.51.100.7", "203.0.113.5"


def test_wrong_logins_from_behind_the_same_address_do_not_keep_an_owner_out(start: Start) -> None:
    helper = start(Tier.IMAP)
    assert helper.dovecot("alice", sample.PASSWORD, NAT) == "yes"
    for number in range(30):
        helper.dovecot(f"nobody{number}", "Guess-1", NAT)
    assert helper.dovecot("bob", sample.PASSWORD, NAT) == "unavailable", "the address is paused"
    assert helper.dovecot("alice", sample.PASSWORD, NAT) == "yes"


def test_guesses_at_the_owner_from_the_owners_own_address_do_not_either(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.IMAP, cache="0")  # so that nothing is remembered but that the password was right
    assert helper.dovecot("alice", sample.PASSWORD, NAT) == "yes"
    asked = proxy.count("InitiateAuth")
    for number in range(30):
        helper.dovecot("alice", f"Guess-{number}", NAT)
    assert proxy.count("InitiateAuth") - asked == 4
    assert helper.dovecot("alice", sample.PASSWORD, NAT) == "yes"
    assert proxy.count("InitiateAuth") - asked == 5, "Cognito is asked all the same"
    assert helper.dovecot("alice", sample.PASSWORD, ELSEWHERE) == "yes", "and has forgotten"


def test_owner_elsewhere_gets_in_by_what_one_guesser_leaves(start: Start) -> None:
    helper = start(Tier.IMAP)
    for number in range(30):
        helper.dovecot("alice", f"Guess-{number}", NAT)
    assert helper.dovecot("alice", sample.PASSWORD, ELSEWHERE) == "yes"


def test_right_password_is_not_given_away_to_a_guesser_at_another_address(start: Start) -> None:
    helper = start(Tier.IMAP)
    assert helper.dovecot("alice", sample.PASSWORD, NAT) == "yes"
    for number in range(10):
        helper.dovecot("alice", f"Guess-{number}", ELSEWHERE)
    assert helper.dovecot("alice", sample.PASSWORD, ELSEWHERE) == "unavailable"


def test_guesses_from_many_addresses_reach_cognito_less_often_than_it_takes_to_lock(
    start: Start, proxy: FaultProxy
) -> None:
    helper = start(Tier.IMAP)
    for number in range(60):
        helper.dovecot("alice", f"Guess-{number}", f"203.0.113.{number}")
    assert proxy.count("InitiateAuth") == 3


def test_device_with_an_old_password_leaves_questions_for_the_new_one(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.IMAP, cache="0")
    assert helper.dovecot("alice", sample.PASSWORD, NAT) == "yes"
    asked = proxy.count("InitiateAuth")
    assert [helper.dovecot("alice", "Old-passw0rd", NAT) for _ in range(20)] == ["no"] * 20
    assert proxy.count("InitiateAuth") - asked == 2
    assert helper.dovecot("alice", sample.PASSWORD, ELSEWHERE) == "yes"


def test_first_login_of_a_client_with_five_connections_is_one_question_however_few_are_allowed(
    start: Start, proxy: FaultProxy
) -> None:
    helper = start(Tier.IMAP, guesses_user="1")
    proxy.fail("InitiateAuth", Fault.delayed(0.5))
    with ThreadPoolExecutor(5) as clients:
        answers = list(clients.map(lambda _: helper.dovecot("alice", sample.PASSWORD), range(5)))
    assert answers == ["yes"] * 5
    assert proxy.count("InitiateAuth") == 1


def test_network_of_the_service_is_not_paused_by_address(start: Start) -> None:
    helper = start(Tier.IMAP, networks="198.51.100.0/24")
    for number in range(60):
        helper.dovecot(f"nobody{number}", "Guess-1", NAT)
        helper.dovecot(f"nobody{number}", "Guess-2", ELSEWHERE)
    assert helper.dovecot("bob", sample.PASSWORD, NAT) == "yes"
    assert helper.dovecot("carol", sample.PASSWORD, ELSEWHERE) == "unavailable"


def test_gate_stays_open_to_an_address_from_which_users_have_logged_in(start: Start) -> None:
    helper = start(Tier.SMTP_OUT)
    assert Milter(helper.connect("gate")).greet(NAT) == b"c"
    assert helper.sasl("alice", sample.PASSWORD) == "OK"
    for number in range(30):
        helper.sasl(f"nobody{number}", "Guess-1")
    assert Milter(helper.connect("gate")).greet(NAT) == b"c"
    assert helper.sasl("alice", sample.PASSWORD) == "OK"


MASTER = "the password of the master user"


def test_master_user_logs_in_from_the_networks_of_the_service_alone(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.IMAP, networks="10.0.0.0/16 2001:db8::/56", master_password=MASTER)
    assert helper.master("admin", MASTER, "10.0.3.4") == "yes"
    assert helper.master("admin", MASTER, "2001:db8::7") == "yes"
    assert helper.master("admin", MASTER, ELSEWHERE) == "no"
    assert helper.master("alice", MASTER, "10.0.3.4") == "no"
    assert helper.master("alice", sample.PASSWORD, "10.0.3.4") == "no"
    assert helper.dovecot("admin", MASTER, "10.0.3.4") == "no", "it is no user's"
    assert proxy.count("InitiateAuth") == 0
    assert MASTER not in helper.log_path.read_text()


@pytest.mark.parametrize("settings", [{"networks": "10.0.0.0/16"}, {"master_password": MASTER}], ids=["set", "inside"])
def test_without_password_or_networks_there_is_no_master_user(start: Start, settings: dict[str, str]) -> None:
    helper = start(Tier.IMAP, **settings)
    assert helper.master("admin", MASTER, "10.0.3.4") == "no"
    assert helper.master("admin", "", "10.0.3.4") == "no"


def test_guesser_at_the_master_password_is_put_off_and_the_service_is_not(start: Start) -> None:
    helper = start(Tier.IMAP, networks="10.0.0.0/16", master_password=MASTER)
    assert helper.master("admin", MASTER, "10.0.1.1") == "yes"
    answers = [helper.master("admin", f"Guess-{number}", "10.0.3.4") for number in range(100)]
    assert answers == ["no"] * 5 + ["unavailable"] * 95
    assert helper.master("admin", MASTER, "10.0.3.4") == "unavailable", "a right guess is not given away"
    for number in range(100):
        helper.master("admin", f"Guess-{number}", "10.0.1.1")
    assert helper.master("admin", MASTER, "10.0.1.1") == "yes"
