"""While a candidate is held, what is taken away is gone, in so far as the guard allows it; nothing else happens."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconfigure.directory.model import Address, Directory, Quarantine, SendingLimit, State, User, pack, unpack
from reconfigure.generations.compare import World
from reconfigure.generations.guard import Limits, Verdict, judge
from reconfigure.generations.withdrawing import Way, left_of, withdrawn

LIMITS = Limits(share=0.30, minimum=10)
UIDS = {"alice": 1, "bob": 2, "carol": 3}
ALL = set(Way)
patient = settings(deadline=None)


def world(addresses: Mapping[str, str], uids: Mapping[str, int] | None = UIDS) -> Directory:
    """Return a world of addresses: `alice/bob`, `` for a dangling one, `suspended alice` for a suspended one."""
    lines = []
    for name, told in sorted(addresses.items()):
        suspended, _, users = told.rpartition(" ")
        state = State.SUSPENDED if suspended else State.ACTIVE if users else State.DANGLING
        lines.append(pack(Address(name, state, tuple(users.split("/")) if users else ())))
    return Directory(
        lines=lines,
        users=tuple(User(*user) for user in sorted(uids.items())) if uids is not None else (),
        users_known=uids is not None,
        domains=sorted({name.partition("@")[2] for name in addresses}),
        quarantine=Quarantine(),
        rows=len(lines),
    )


def one(before: str, after: str | None, uids: Mapping[str, int] | None = UIDS) -> str | None:
    """Return what is left of one address."""
    wanted = world({} if after is None else {"a@x.co": after}, uids)
    left = left_of(world({"a@x.co": before}, UIDS if uids is not None else None), wanted, ALL)
    found = [unpack(line) for line in left.lines]
    if not found:
        return None
    [(_, state, users)] = found
    return f"{'suspended ' if state == State.SUSPENDED else ''}{'/'.join(users)}"


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ("alice", None, None),  # revoked
        ("alice", "suspended alice", "suspended alice"),
        ("alice/bob", "alice", "alice"),  # shared no more
        ("alice/bob", "alice/carol", "alice"),  # carol is new, and waits
        ("alice", "alice/bob", "alice"),
        ("alice", "bob", "alice"),  # given to another: waits, or a shifted column would take all from everybody
        ("alice/bob", "carol", "alice/bob"),
        ("alice", "", ""),  # a row that names nobody who is served
        ("suspended alice", "alice", "suspended alice"),
        ("", "alice", ""),
        ("", "suspended bob", "suspended "),
        ("suspended alice/bob", "suspended bob", "suspended bob"),
        ("alice", "suspended bob", "suspended alice"),
    ],
)
@pytest.mark.parametrize("uids", [UIDS, None])
def test_of_an_address_is_left_what_the_sources_leave(
    before: str, after: str | None, left: str | None, uids: Mapping[str, int] | None
) -> None:
    assert one(before, after, uids) == left


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ("alice", "", ""),
        ("alice/bob", "bob", "bob"),
        ("alice/bob", "carol", "bob"),  # alice is gone; bob waits, as the address is to be carol's
        ("suspended alice", "suspended ", "suspended "),
    ],
)
def test_a_user_who_is_served_no_more_is_served_through_nothing(before: str, after: str, left: str) -> None:
    assert one(before, after, {"bob": 2, "carol": 3}) == left


def test_uids_and_users_stay_as_they_are_live() -> None:
    left = left_of(world({}), world({}, {"alice": 7, "carol": 3, "new": 9}), ALL)
    assert left.users == (User("alice", 1), User("carol", 3))


MANY = {f"a{at:03}@x.co": "alice" for at in range(400)}


def allowed(live: Directory, wanted: Directory) -> Directory | None:
    def verdict(left: Directory) -> Verdict:
        return judge(left, World(directory=live), limits=LIMITS.while_held())

    found = withdrawn(live, wanted, verdict)
    return None if found is None else found.directory


def test_revoking_a_few_does_not_wait_for_a_mass_change() -> None:
    wanted = dict.fromkeys(sorted(MANY)[9:], "bob")
    left = allowed(world(MANY), world(wanted))
    assert left is not None
    assert left.lines == world(dict.fromkeys(wanted, "alice")).lines


@pytest.mark.parametrize(("gone", "goes"), [(9, True), (12, True), (13, False), (200, False), (400, False)])
def test_a_mass_removal_waits_whole(gone: int, *, goes: bool) -> None:
    left = allowed(world(MANY), world(dict.fromkeys(sorted(MANY)[gone:], "alice")))
    assert (left is not None) is goes


def test_a_suspension_and_a_user_who_left_do_not_wait_for_a_mass_removal() -> None:
    live = {**MANY, "b@x.co": "bob", "c@x.co": "alice/carol", "s@x.co": "alice"}
    wanted = {"b@x.co": "", "c@x.co": "alice", "s@x.co": "suspended alice"}  # all the others are gone
    left = allowed(world(live), world(wanted, {"alice": 1}))
    assert left is not None
    assert left.lines == world({**MANY, "b@x.co": "", "c@x.co": "alice", "s@x.co": "suspended alice"}).lines
    assert left.users == (User("alice", 1),)


def test_where_each_way_goes_and_all_together_are_too_many_everything_waits() -> None:
    names = sorted(MANY)
    wanted = {name: "suspended alice" if at < 18 else "alice" for at, name in enumerate(names) if at >= 9}
    assert allowed(world(MANY), world(wanted)) is None


def test_nothing_to_take_away_is_nothing() -> None:
    assert allowed(world(MANY), world(dict.fromkeys(MANY, "bob"))) is None


owners = st.sampled_from(
    ["alice", "bob", "alice/bob", "bob/carol", "", "suspended ", "suspended alice", "suspended bob"]
)
worlds = st.dictionaries(st.sampled_from([f"a{at}@x{at % 2}.co" for at in range(8)]), owners)
uids = st.fixed_dictionaries({}, optional={"alice": st.just(1), "bob": st.integers(2, 3), "carol": st.just(4)})


@patient
@given(worlds, uids, worlds, uids, st.sets(st.sampled_from(Way)))
def test_nothing_new_comes_of_it_and_what_is_taken_away_is_gone(
    before: dict[str, str], now: dict[str, int], after: dict[str, str], then: dict[str, int], ways: set[Way]
) -> None:
    live, wanted = served(before, now), served(after, then)
    left = left_of(live, wanted, ways)
    was, is_now = ({each.name: each for each in one.addresses()} for one in (live, left))
    meant = {each.name: each for each in wanted.addresses()}
    assert list(left.lines) == sorted(left.lines, key=lambda line: line.partition("\t")[0])
    assert set(left.users) <= set(live.users)
    assert set(left.domains) == {name.partition("@")[2] for name in is_now}
    for name, each in is_now.items():
        assert set(each.users) <= set(was[name].users)
        assert each.state in {was[name].state, State.SUSPENDED, State.DANGLING}
        assert (each.state == State.ACTIVE) <= bool(each.users)
        if ways == set(Way):
            assert set(each.users) <= {user.name for user in wanted.users}
            assert name in meant
            assert each.state != State.ACTIVE or meant[name].state != State.SUSPENDED
            if each.state == State.ACTIVE and not set(each.users) <= set(meant[name].users):
                assert set(each.users).isdisjoint(meant[name].users)
                assert meant[name].users
    if not ways:
        assert (left.lines, left.users) == (live.lines, live.users)
    assert left_of(left, wanted, ways).lines == left.lines


def served(addresses: dict[str, str], uids: dict[str, int]) -> Directory:
    """Return a world in which nobody is served through an address who is no user."""
    kept = {}
    for name, told in addresses.items():
        suspended, blank, users = told.rpartition(" ")
        kept[name] = suspended + blank + "/".join(user for user in users.split("/") if user in uids)
    return world(kept, uids)


def test_limits_of_their_own_stay_with_the_users_who_stay() -> None:
    live = replace(world({"a@x.co": "alice"}), sending_limits=(SendingLimit("alice", 5), SendingLimit("bob", 7)))
    wanted = replace(world({"a@x.co": "alice"}, {"alice": 1}), sending_limits=(SendingLimit("alice", 900),))
    assert left_of(live, wanted, ALL).sending_limits == (SendingLimit("alice", 5),), "a higher one waits"
