"""The guard holds what would take too much away, and nothing else; it sees the same in memory and on disk."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconfigure.directory.model import Address, Directory, Quarantine, User, pack
from reconfigure.generations.compare import SNAPSHOT_FOLDER, Change, World, compare, lines_of
from reconfigure.generations.guard import KINDS, Limits, judge

LIMITS = Limits(share=0.30, minimum=10)
patient = settings(deadline=None)


def world(
    names: Iterable[str] = (),
    users: Iterable[str] = ("alice",),
    *,
    state: str = "active",
    known: bool = True,
    rows: int = -1,
    owners: Sequence[str] = (),
) -> Directory:
    owned = zip(sorted(set(names)), owners or repeat("alice"), strict=False)
    addresses = [Address(name, state, (owner,)) for name, owner in owned]
    return Directory(
        lines=[pack(one) for one in addresses],
        users=tuple(User(name, 1000 + at) for at, name in enumerate(sorted(users))) if known else (),
        users_known=known,
        domains=sorted({one.name.partition("@")[2] for one in addresses}),
        quarantine=Quarantine(),
        rows=len(addresses) if rows < 0 else rows,
    )


def names(first: int, last: int, domain: str = "example.com") -> list[str]:
    return [f"a{at:05}@{domain}" for at in range(first, last)]


def reasons(candidate: Directory, active: Directory | None, limits: Limits = LIMITS) -> tuple[str, ...]:
    return judge(candidate, None if active is None else World(directory=active), limits=limits).reasons


@pytest.mark.parametrize(
    ("before", "lost", "held"),
    [
        (100, 30, False),
        (100, 31, True),
        (33, 9, False),
        (33, 10, True),
        (10, 9, False),
        (1000, 300, False),
        (1000, 301, True),
    ],
)
def test_more_than_the_share_and_at_least_the_minimum_is_too_much(before: int, lost: int, *, held: bool) -> None:
    found = reasons(world(names(lost, before)), world(names(0, before)))
    assert bool(found) is held
    if held:
        assert found == (f"{lost} of {before} addresses would be gone, more than 30% in one pass",)


def test_what_comes_does_not_make_up_for_what_goes() -> None:
    verdict = judge(world(names(50, 500)), World(directory=world(names(0, 100))), limits=LIMITS)
    assert verdict.lost["addresses"] == 50
    assert verdict.gained["addresses"] == 400
    assert verdict.reasons


def test_addresses_that_stop_taking_mail_are_lost_though_their_rows_are_there() -> None:
    for state in ("suspended", "dangling"):
        assert "20 of 20 addresses" in reasons(world(names(0, 20), state=state), world(names(0, 20)))[0]
    assert reasons(world(), world(names(0, 20), state="suspended"), LIMITS) == ("the address table is empty",)


def test_domains_and_users_are_guarded_like_addresses() -> None:
    domains = [f"a@d{at:02}.example.com" for at in range(40)]
    users = [f"user{at:02}" for at in range(40)]
    before = world(domains, users, owners=users)
    after = without(world(domains[20:], users, owners=users[20:]), users[:20])
    assert [reason.split(" would")[0] for reason in reasons(after, before)] == [
        "20 of 40 addresses",
        "20 of 40 domains",
        "20 of 40 users with addresses",
    ]


def test_strangers_who_sign_up_and_leave_again_hold_nothing() -> None:
    owners = [f"user{at:02}" for at in range(12)]
    strangers = [f"stranger{at:03}" for at in range(100)]
    large = world(names(0, 12), [*owners, *strangers], owners=owners)
    verdict = judge(without(large, strangers), World(directory=large), limits=LIMITS, best={"users": 112, "owners": 12})
    assert (verdict.reasons, verdict.changes) == ((), {"users lost": 100})
    assert reasons(renumbered(large, strangers), large) == ()


def test_strangers_do_not_hide_how_many_of_the_others_go() -> None:
    owners = [f"user{at:02}" for at in range(12)]
    strangers = [f"stranger{at:03}" for at in range(100)]
    before = world(names(0, 12), [*owners, *strangers], owners=owners)
    [found] = reasons(without(before, owners[:10]), before)
    assert found.startswith("10 of 12 users with addresses would be gone")
    [found] = reasons(renumbered(before, owners[:2]), before)
    assert found.startswith("2 of 12 users with addresses would have another UID")


@pytest.mark.parametrize(("left", "held"), [(29, False), (28, False), (27, True)])
def test_owners_who_are_drained_are_held_against_the_most_of_the_day(left: int, *, held: bool) -> None:
    users = [f"user{at:02}" for at in range(40)]
    live, after = (
        world(names(0, 40), users[:count], owners=[users[at % count] for at in range(40)]) for count in (left + 1, left)
    )
    verdict = judge(after, World(directory=live), limits=LIMITS._replace(reassigned=1.0), best={"owners": 40})
    assert bool(verdict.reasons) is held
    assert bool(judge(after, None, limits=LIMITS, best={"owners": 40}).reasons) is held


def without(directory: Directory, gone: Iterable[str]) -> Directory:
    names = set(gone)
    return replace(directory, users=[user for user in directory.users if user.name not in names])


def renumbered(directory: Directory, moved: Iterable[str]) -> Directory:
    names = set(moved)
    users = [User(user.name, user.uid + 10_000) if user.name in names else user for user in directory.users]
    return replace(directory, users=users)


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (world(), "the address table is empty"),
        (world(rows=7), "none of the 7 rows of the address table can be served"),
        (world(names(0, 3), users=()), "the user pool has no user that can be served"),
    ],
)
def test_an_empty_world_is_held_first_and_later_however_small(candidate: Directory, said: str) -> None:
    assert reasons(candidate, None) == (said,)
    assert reasons(candidate, world(names(0, 3))) == (said,)


def owned(owners: list[str], *, uids: Mapping[str, int]) -> Directory:
    """A world of as many addresses as owners."""
    addresses = [Address(name, "active", (owner,)) for name, owner in zip(names(0, len(owners)), owners, strict=True)]
    return Directory(
        lines=[pack(one) for one in addresses],
        users=tuple(User(name, uid) for name, uid in sorted(uids.items())),
        users_known=True,
        domains=["example.com"],
        quarantine=Quarantine(),
        rows=len(addresses),
    )


@pytest.mark.parametrize(("moved", "held"), [(9, False), (10, False), (30, False), (31, True)])
def test_more_addresses_than_the_share_that_would_be_others_are_too_many(moved: int, *, held: bool) -> None:
    uids = {"alice": 1, "bob": 2}
    verdict = judge(
        owned(["bob"] * moved + ["alice"] * (100 - moved), uids=uids),
        World(directory=owned(["alice"] * 100, uids=uids)),
        limits=LIMITS,
    )
    assert verdict.changes == {"addresses reassigned": moved}
    assert bool(verdict.reasons) is held


def test_a_suspended_address_that_changes_hands_is_nobodys_mail() -> None:
    before = world(names(0, 40), state="suspended")
    after = replace(before, lines=[line.replace("alice", "bob") for line in before.lines])
    assert judge(after, World(directory=before), limits=LIMITS).changes == {}


@pytest.mark.parametrize(("left", "held"), [(71, False), (70, False), (69, True)])
def test_the_best_of_the_day_counts_as_what_is_live_does(left: int, *, held: bool) -> None:
    live = world(names(0, left + 1))
    verdict = judge(world(names(0, left)), World(directory=live), limits=LIMITS, best={"addresses": 100})
    assert bool(verdict.reasons) is held
    assert judge(live, World(directory=live), limits=LIMITS, best={"addresses": 1000}).reasons == ()


def test_an_empty_world_that_was_approved_is_no_reason_again() -> None:
    assert reasons(world(users=()), world(users=())) == ()


def test_a_tier_without_user_pool_is_not_held_for_having_no_users() -> None:
    assert reasons(world(names(0, 3), known=False), None) == ()
    assert reasons(world(names(0, 30), known=False), world(names(0, 30), users=[f"u{at}" for at in range(20)])) == ()


def test_a_generation_on_disk_is_judged_like_a_directory_in_memory(tmp_path: Path) -> None:
    active = world([*names(0, 50), *names(0, 20, "b.example")], users=["alice", "bob"])
    folder = tmp_path / SNAPSHOT_FOLDER
    folder.mkdir()
    for kind in KINDS:
        (folder / kind).write_text("".join(f"{line}\n" for line in lines_of(active, kind)))
    candidate = world(names(10, 60), users=["bob", "carol"])
    on_disk = judge(candidate, World(generation=tmp_path), limits=LIMITS)
    assert on_disk == judge(candidate, World(directory=active), limits=LIMITS)
    assert (on_disk.lost, on_disk.gained, on_disk.moved) == (
        {"addresses": 30, "domains": 1, "users": 1},
        {"addresses": 10, "domains": 0, "users": 1},
        {"addresses": 0, "domains": 0, "users": 1},  # bob has another UID now, and is there
    )


some = st.sets(st.integers(0, 60)).map(lambda found: [name for at in found for name in names(at, at + 1)])


@patient
@given(some, some, st.floats(0, 1), st.integers(0, 30))
def test_the_verdict_is_what_counting_by_sets_says(old: list[str], new: list[str], share: float, minimum: int) -> None:
    limits = Limits(share, minimum)
    verdict = judge(world(new), World(directory=world(old)), limits=limits)
    lost = len(set(old) - set(new))
    assert verdict.lost["addresses"] == lost
    assert verdict.gained["addresses"] == len(set(new) - set(old))
    too_much = lost >= minimum and lost > share * len(old)
    assert any("addresses would be gone" in reason for reason in verdict.reasons) == too_much
    assert ("the address table is empty" in verdict.reasons) == (bool(old) and not new)


keyed = st.dictionaries(st.text("ab.@-z", min_size=1, max_size=4), st.sampled_from(["", "\tx", "\ty\tz"]))


@patient
@given(keyed, keyed)
def test_comparing_sorted_lines_is_comparing_by_key(old: dict[str, str], new: dict[str, str]) -> None:
    lines = [sorted(f"{key}{rest}" for key, rest in one.items()) for one in (old, new)]
    wanted = [
        Change(key, key + old[key] if key in old else None, key + new[key] if key in new else None)
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    assert list(compare(*lines)) == wanted
