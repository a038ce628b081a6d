"""Who is served: user names that may be rendered, and UIDs that are one user's alone."""

import random
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconfigure.directory import syntax
from reconfigure.directory.model import CognitoUser, User
from reconfigure.directory.users import judge_users

patient = settings(deadline=None)


def user(name: str, osid: str | None = "1000", *, confirmed: bool = True, enabled: bool = True) -> CognitoUser:
    return CognitoUser(name, confirmed=confirmed, enabled=enabled, osid=osid)


def codes(*users: CognitoUser, high_uids: bool = False) -> list[tuple[str, str]]:
    return sorted((refusal.code, refusal.key) for refusal in judge_users(users, high_uids=high_uids).refusals)


@pytest.mark.parametrize("name", ["alice", "a", "_x", "a_b", "a-b", "x9", "a" * 32, "info", "support", "owner-alice"])
def test_names_that_useradd_takes_are_served(name: str) -> None:
    assert judge_users([user(name)], high_uids=False) == ([User(name, 1000)], [])


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "Alice",
            "9a",
            "-a",
            "a.b",
            "a b",
            "a\n",
            "a\0",
            "a:b",
            "a/b",
            "a+b",
            "a$",
            "a@b",
            "../a",
            "|sh",
            "é",
            "\uff41",
        ),
        *("\u212a", "a\u200b", "alice\tx", "#a", '"a"', ":include:", "*", "~root"),
    ],
)
def test_names_that_useradd_refuses_are_refused(name: str) -> None:
    assert [code for code, _ in codes(user(name))] == ["user-name-syntax"]


@pytest.mark.parametrize(
    "name", ["root", "mail", "postmaster", "nobody", "systemd-network", "smmsp", "dovecot", "shadow", "abuse"]
)
def test_names_of_the_system_are_refused(name: str) -> None:
    assert codes(user(name)) == [("user-name-reserved", name)]


@pytest.mark.parametrize("length", [33, 10_000])
def test_long_names_are_refused_and_shown_short(length: int) -> None:
    [(code, key)] = codes(user("a" * length))
    assert code == "user-name-length"
    assert len(key) <= 120


@pytest.mark.parametrize(
    ("osid", "code"),
    [
        (None, "osid-missing"),
        ("", "osid-missing"),
        ("  ", "osid-missing"),
        *(
            (text, "osid-not-integer")
            for text in (
                "abc",
                "1000.0",
                "1e3",
                "0x3e8",
                "1 000",
                "1_000",
                "\u0661\u0660\u0660\u0660",
                "1000\n",
                "9" * 21,
            )
        ),
        *((text, "osid-range") for text in ("0", "-1", "999", "65534", "65535", "65536", "4294967295", "9" * 20)),
    ],
)
def test_an_osid_that_is_no_uid_is_refused(osid: str | None, code: str) -> None:
    assert codes(user("alice", osid)) == [(code, "alice")]


@pytest.mark.parametrize("osid", ["1000", "65533"])
def test_the_ends_of_the_range_are_served(osid: str) -> None:
    assert judge_users([user("alice", osid)], high_uids=False).served == [User("alice", int(osid))]


@pytest.mark.parametrize(
    ("osid", "served"),
    [("65533", True), ("65534", False), ("65535", False), ("65536", True), ("4294967293", True), ("4294967294", False)],
)
def test_high_uids_are_served_by_setting_alone(osid: str, *, served: bool) -> None:
    assert bool(judge_users([user("alice", osid)], high_uids=True).served) is served


def test_a_uid_of_two_users_is_neither_s() -> None:
    judged = judge_users([user("alice", "1000"), user("bob", "01000"), user("carol", "1001")], high_uids=False)
    assert judged.served == [User("carol", 1001)]
    assert {(refusal.code, refusal.key) for refusal in judged.refusals} == {
        ("osid-duplicate", "alice"),
        ("osid-duplicate", "bob"),
    }


@pytest.mark.parametrize("others", [["bob"], ["aaron", "bob"]])
def test_who_is_live_with_a_uid_keeps_it_and_newcomers_are_refused(others: list[str]) -> None:
    pool = [user("alice", "1000"), *(user(name, "01000") for name in others)]
    judged = judge_users(pool, high_uids=False, holders={1000: "alice", 1001: "bob"})
    assert judged.served == [User("alice", 1000)]
    assert [(refusal.code, refusal.key) for refusal in judged.refusals] == [("osid-taken", name) for name in others]


def test_a_holder_who_has_another_uid_now_or_is_gone_keeps_nothing() -> None:
    holders = {1000: "alice"}
    pool = [user("bob", "1000"), user("carol", "1000")]
    for alice in ([], [user("alice", "1001")], [user("alice", "1000", enabled=False)]):
        judged = judge_users([*alice, *pool], high_uids=False, holders=holders)
        assert [refusal.code for refusal in judged.refusals] == ["osid-duplicate"] * 2
    assert judge_users([user("bob", "1000")], high_uids=False, holders=holders).served == [User("bob", 1000)]


def test_who_is_not_confirmed_or_disabled_is_left_out_without_a_word() -> None:
    left_out = [
        user("alice", "1000", confirmed=False),
        user("bob", "1000", enabled=False),
        user("root", None, enabled=False),
    ]
    assert judge_users([*left_out, user("carol", "1000")], high_uids=False) == ([User("carol", 1000)], [])


names = st.sampled_from(["alice", "bob", "a_b", "root", "Alice", "a b", "x" * 33]) | st.text(max_size=40)
osids = (
    st.none()
    | st.sampled_from(["1000", "1001", "65533", "65534", "abc"])
    | st.integers(0, 70_000).map(str)
    | st.text(max_size=8)
)
pools = st.lists(st.builds(CognitoUser, names, st.booleans(), st.booleans(), osids), unique_by=lambda one: one.name)


@patient
@given(
    pools,
    st.dictionaries(st.sampled_from([1000, 1001]), st.sampled_from(["alice", "bob", "a_b", "gone"])),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_every_user_that_counts_is_served_or_refused_once_whatever_the_order(
    pool: list[CognitoUser],
    holders: dict[int, str],
    high: bool,  # noqa: FBT001 - hypothesis names its arguments
    shuffle: random.Random,
) -> None:
    judged = judge_users(pool, high_uids=high, holders=holders)
    shuffled = list(pool)
    shuffle.shuffle(shuffled)
    again = judge_users(shuffled, high_uids=high, holders=holders)
    assert judged.served == again.served == sorted(judged.served)
    assert Counter(judged.refusals) == Counter(again.refusals)
    assert len(judged.served) + len(judged.refusals) == sum(one.confirmed and one.enabled for one in pool)
    assert all(re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", one.name) for one in judged.served)
    assert not {one.name for one in judged.served} & syntax.SYSTEM_NAMES
    assert len({one.uid for one in judged.served}) == len(judged.served)
