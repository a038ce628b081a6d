"""Who waits after wrong passwords, and who does not; on a clock that the tests turn."""

import ipaddress
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reconfigure.login import guesses
from reconfigure.login.guesses import Guesses, Limits, network, within

HERE, THERE = "192.0.2.1", "198.51.100.1"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def make(**limits: int) -> tuple[Guesses, Clock]:
    clock = Clock()
    return Guesses(Limits(**{"pair": 3, "address": 100, "user": 100, **limits}), clock=clock), clock


def fail(counted: Guesses, times: int, user: str = "alice", address: str | None = HERE) -> None:
    for _ in range(times):
        counted.failed(user, address)


def test_some_typing_errors_are_free() -> None:
    counted, _ = make(pair=3)
    fail(counted, 2)
    assert counted.pause("alice", HERE) == 0


def test_pauses_double_up_to_the_longest_and_end_by_themselves() -> None:
    counted, clock = make(pair=3)
    seen = []
    for _ in range(20):
        fail(counted, 1)
        seen.append(counted.pause("alice", HERE))
        clock.now += seen[-1]
        assert counted.pause("alice", HERE) == 0
    assert seen[:6] == [0, 0, 1, 2, 4, 8]
    assert max(seen) == 900


def test_guesser_at_one_address_does_not_keep_the_owner_out_at_another() -> None:
    counted, _ = make(pair=3, user=100)
    fail(counted, 50, address=HERE)
    assert counted.pause("alice", HERE) > 0
    assert counted.pause("alice", THERE) == 0


def test_cognito_hears_of_fewer_wrong_passwords_than_it_locks_a_user_out_for() -> None:
    counted, clock = make(pair=1000, address=1000, user=4)
    counted.succeeded("alice", THERE)
    heard = []
    for number in range(5000):
        address = THERE if number % 7 == 0 else f"203.0.113.{number % 250}"
        if counted.pause("alice", address) == 0:
            counted.failed("alice", address)
            counted.refused("alice", address)
            heard.append(clock.now)
        clock.now += 1
    assert heard
    for first, fifth in zip(heard, heard[4:], strict=False):
        between = [late - soon for soon, late in pairwise(heard) if first <= soon < fifth]
        assert max(between) >= guesses.COGNITO_FORGETS, "Cognito has not forgotten in between"


def test_one_stranger_leaves_a_question_for_another_and_all_of_them_one_for_the_users_own_addresses() -> None:
    counted, _ = make(user=4)
    counted.succeeded("alice", THERE)
    for _ in range(2):
        assert counted.pause("alice", HERE) == 0
        counted.refused("alice", HERE)
    assert counted.pause("alice", HERE) > 0
    assert counted.pause("alice", "203.0.113.1") == 0
    counted.refused("alice", "203.0.113.1")
    assert counted.pause("alice", "203.0.113.2") > 0
    assert counted.pause("alice", THERE) == 0
    counted.refused("alice", THERE)
    assert counted.pause("alice", THERE) > 0
    assert counted.pause("bob", "203.0.113.2") == 0


def test_password_that_cognito_took_clears_its_count() -> None:
    counted, _ = make(user=4)
    for address in ("203.0.113.1", "203.0.113.2", "203.0.113.3"):
        counted.refused("alice", address)
    assert counted.pause("alice", HERE) > 0
    counted.accepted("alice", THERE)
    assert counted.pause("alice", HERE) == 0


def test_guesses_from_behind_the_same_address_do_not_keep_its_users_out() -> None:
    counted, _ = make(pair=3, address=20, user=4)
    counted.succeeded("alice", HERE)
    for number in range(100):
        fail(counted, 1, user=f"user{number}")
    assert counted.pause("alice", HERE) == 0
    assert counted.pause_of(HERE) == 0, "the address is shared with owners"
    assert counted.pause("somebody-else", HERE) > 0
    fail(counted, 30, user="alice")
    for _ in range(4):
        counted.refused("alice", HERE)
    assert counted.pause("alice", HERE) > 0
    assert counted.may_look("alice", HERE)
    assert counted.pause("alice", HERE, proven=True) == 0


def test_only_ones_own_address_has_passwords_compared_during_a_pause_and_not_without_end() -> None:
    counted, clock = make()
    counted.succeeded("alice", HERE)
    assert not counted.may_look("alice", THERE)
    for _ in range(guesses.LOOKS):
        assert counted.may_look("alice", HERE)
        counted.looked("alice", HERE)
    assert not counted.may_look("alice", HERE)
    clock.now += guesses.LOOKS_SECONDS + 1
    assert counted.may_look("alice", HERE)


def test_address_in_a_network_of_the_service_is_never_paused_as_such() -> None:
    trusted = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/56"))
    counted = Guesses(Limits(pair=3, address=20, user=4), trusted=trusted, clock=Clock())
    for address in (HERE, "2001:db8::5", "::ffff:192.0.2.1", THERE):
        for number in range(100):
            fail(counted, 1, user=f"user{number}", address=address)
        own = address != THERE
        assert (counted.pause_of(address) == 0) is own
        assert (counted.pause("alice", address) == 0) is own
    fail(counted, 3, user="alice")
    assert counted.pause("alice", HERE) > 0, "this is the user's at the address"


def test_what_is_no_address_is_in_no_network() -> None:
    everywhere = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
    assert not any(within(address, everywhere) for address in (None, "", "unix", "192.0.2.1.example"))
    assert within(HERE, everywhere)


def test_one_guess_at_each_of_many_users_pauses_the_address() -> None:
    counted, _ = make(address=20)
    for number in range(25):
        fail(counted, 1, user=f"user{number}")
    assert counted.pause("somebody-else", HERE) > 0
    assert counted.pause_of(HERE) > 0
    assert counted.pause("somebody-else", THERE) == 0


def test_own_account_does_not_buy_guesses_at_others() -> None:
    counted, _ = make(address=20)
    for number in range(25):
        counted.succeeded("mallory", HERE)
        fail(counted, 1, user=f"user{number}")
    assert counted.pause("somebody-else", HERE) > 0


def test_good_login_clears_ones_own_typing_errors() -> None:
    counted, _ = make(pair=3)
    fail(counted, 2)
    counted.succeeded("alice", HERE)
    fail(counted, 2)
    assert counted.pause("alice", HERE) == 0


def test_failures_are_forgotten_after_an_hour_without_one() -> None:
    counted, clock = make(pair=3)
    fail(counted, 10)
    clock.now += guesses.FORGET_AFTER + 1
    fail(counted, 2)
    assert counted.pause("alice", HERE) == 0


def test_unknown_address_is_a_client_of_its_own_and_not_everybody() -> None:
    counted, _ = make(pair=3)
    fail(counted, 10, address=None)
    assert counted.pause("alice", None) > 0
    assert counted.pause("bob", None) == 0
    assert counted.pause("alice", HERE) == 0


def test_many_guesses_at_once_are_held_back_before_the_first_is_counted() -> None:
    counted, _ = make(pair=2)
    with counted.looking("alice", HERE), counted.looking("alice", HERE):
        assert counted.pause("alice", HERE) > 0
        assert counted.pause("alice", THERE) == 0
    assert counted.pause("alice", HERE) == 0


def test_addresses_of_one_ipv6_network_are_one_client() -> None:
    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:192.0.2.1") == network("192.0.2.1")


def test_what_is_no_address_is_no_client() -> None:
    assert network("unix") is None
    assert network("") is None
    assert network(None) is None


@given(st.lists(st.tuples(st.text(max_size=5), st.ip_addresses().map(str), st.booleans()), max_size=60))
def test_memory_is_bounded_whatever_comes(attempts: list[tuple[str, str, bool]]) -> None:
    most, guesses.MOST = guesses.MOST, 10
    try:
        counted, _ = make()
        for user, address, good in attempts:
            (counted.succeeded if good else counted.failed)(user, address)
            counted.refused(user, address)
            counted.looked(user, address)
        assert len(counted) <= 6 * 10
    finally:
        guesses.MOST = most
