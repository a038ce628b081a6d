"""How shared addresses are delivered: an alias for each set of users, and never one that means anything else."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconfigure.directory import delivery, syntax

patient = settings(deadline=None)

names = st.from_regex(r"\A[a-z_][a-z0-9_-]{0,31}\Z") | st.sampled_from(
    ["a", "b", "a_b", "b_c", "c", "shared", "owner-a", "owner-shared", "x" * 32, "y" * 32]
)
shared = st.frozensets(names, min_size=2, max_size=8).map(lambda found: tuple(sorted(found)))


@patient
@given(st.frozensets(shared, min_size=2, max_size=12))
@example(frozenset({("a", "b_c"), ("a_b", "c")}))
@example(frozenset({("x" * 32, "y" * 32), ("x" * 32, "y" * 31)}))
@example(frozenset({("owner-a", "b"), ("a", "b")}))
def test_different_sets_of_users_have_different_aliases(sets: frozenset[tuple[str, ...]]) -> None:
    assert len({delivery.alias_name(users) for users in sets}) == len(sets)


@patient
@given(shared)
def test_an_alias_is_a_local_part_and_never_a_user(users: tuple[str, ...]) -> None:
    alias = delivery.alias_name(users)
    assert syntax.local_part(alias) == alias
    assert isinstance(syntax.user_name(alias), syntax.Unfit)


@patient
@given(st.lists(shared, max_size=12))
def test_no_alias_makes_somebody_the_owner_of_another_alias(sets: list[tuple[str, ...]]) -> None:
    aliases = {alias for alias, _ in delivery.groups(sets)}
    assert not {f"owner-{alias}" for alias in aliases} & aliases


def test_one_user_is_delivered_to_by_name_and_nobody_to_nothing() -> None:
    assert delivery.target(("alice",)) == "alice"
    assert delivery.target(()) == ""


def test_groups_come_once_sorted_and_without_single_users() -> None:
    given_sets = [("bob", "carol"), ("alice",), (), ("alice", "bob"), ("bob", "carol")]
    assert delivery.groups(given_sets) == [("alice.bob", ("alice", "bob")), ("bob.carol", ("bob", "carol"))]
