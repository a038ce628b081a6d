"""Reading a few rows by key must give what reading everything gives, or say that it cannot."""

import os
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconfigure.directory.amend import amend
from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, Directory, RawRow

USERS = [
    CognitoUser(name, confirmed=True, enabled=True, osid=str(1000 + n)) for n, name in enumerate(["ann", "bob", "cy"])
]
KEYS = ["a@x.example", "b@x.example", "a@y.example", "A@x.example", "b+1@x.example", "bad", "c@z.example"]


def row(address: str, user: str | None = "ann", **more: Mapping[str, object]) -> RawRow:
    return {"address": {"S": address}, **({"user": {"S": user}} if user is not None else {}), **more}


@st.composite
def rows(draw: st.DrawFn, key: str) -> RawRow | None:
    if draw(st.booleans()):
        return None
    user = draw(st.sampled_from(["ann", "bob", "ann/bob", "nobody-here", "ann/cy/cy", "", "|/bin/sh", None]))
    suspended = draw(st.sampled_from([None, {"BOOL": True}, {"BOOL": False}, {"S": "yes"}]))
    tld = draw(st.sampled_from([None, {"S": key.partition("@")[2]}, {"S": "other.example"}]))
    more = {name: value for name, value in (("suspended", suspended), ("tld", tld)) if value is not None}
    return row(key, user, **more)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, RawRow]:
    drawn = {key: draw(rows(key)) for key in KEYS}
    return {key: value for key, value in drawn.items() if value is not None}


def read(table: dict[str, RawRow], users: list[CognitoUser] | None) -> Directory:
    return assemble([list(table.values())], users)


@given(before=tables(), after=tables(), users=st.sampled_from([USERS, None]))
def test_reading_by_key_equals_reading_everything(
    before: dict[str, RawRow], after: dict[str, RawRow], users: list[CognitoUser] | None
) -> None:
    changed = {key for key in KEYS if before.get(key) != after.get(key)}
    whole = read(after, users)
    short = amend(read(before, users), {key: after.get(key) for key in changed})
    if short is not None:
        assert short.digest() == whole.digest()
        assert (short.lines, short.domains, short.users) == (whole.lines, whole.domains, whole.users)


def test_a_new_address_and_changed_ones_need_no_full_read() -> None:
    base = read({"a@x.example": row("a@x.example"), "b@y.example": row("b@y.example")}, USERS)
    named = {
        "a@x.example": row("a@x.example", "bob"),
        "b@y.example": row("b@y.example", suspended={"BOOL": True}),
        "new@z.example": row("new@z.example", "cy/ann"),
    }
    short = amend(base, named)
    assert short is not None
    assert short.lines == ["a@x.example\tactive\tbob", "b@y.example\tsuspended\tann", "new@z.example\tactive\tann/cy"]
    assert short.domains == ("x.example", "y.example", "z.example")
    assert short.rows == 3


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"A@x.example": row("A@x.example")}, "a key that folds may meet another row"),
        ({"a@x.example": row("a@x.example", "dave")}, "a user who is not live may be new"),
        ({"a@x.example": row("a@x.example", "|/bin/sh")}, "a refusal is counted over the whole table"),
        ({"no address": None}, "what is no address has no line"),
        ({"b@x.example": None}, "a row of a key written otherwise may stand for it"),
        ({"a@x.example": None}, "so it may for what is not served yet"),
    ],
)
def test_where_in_doubt_everything_is_read(named: dict[str, RawRow | None], why: str) -> None:
    assert amend(read({"b@x.example": row("b@x.example")}, USERS), named) is None, why


@given(table=tables(), named=st.sets(st.sampled_from(KEYS), min_size=1))
def test_naming_what_did_not_change_changes_nothing(table: dict[str, RawRow], named: set[str]) -> None:
    """A message may name anything; `A@x.example` is served as `a@x.example`, which has no row of that key."""
    base = read(table, USERS)
    short = amend(base, {key: table.get(key) for key in named})
    if short is not None:
        assert short.digest() == base.digest()


# Few keys, so that they meet: each in its canonical form and in another.
MEETING = ["a@x.example", "A@x.example", "b@x.example", "b@X.example"]


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, RawRow | None, bool]:
    """A key, its row from now on, and whether a message comes of it; rows are good for the most part."""
    key = draw(st.sampled_from(MEETING))
    good = row(key, draw(st.sampled_from(["ann", "bob", "ann/bob"])))
    return key, draw(st.sampled_from([good, good, good, None, None, draw(rows(key))])), draw(st.booleans())


# Beside changes: messages that nothing was done for, and full passes (None).
HISTORIES = st.lists(
    st.one_of(changes(), st.sets(st.sampled_from(MEETING), min_size=1, max_size=2), st.none()), min_size=1, max_size=20
)


@settings(max_examples=int(os.environ.get("HISTORIES", "300")), deadline=None)
@given(table=tables(), history=HISTORIES, users=st.sampled_from([USERS, None]))
def test_after_any_history_what_a_message_names_is_served_as_a_full_read_would_serve_it(
    table: dict[str, RawRow],
    history: list[tuple[str, RawRow | None, bool] | set[str] | None],
    users: list[CognitoUser] | None,
) -> None:
    """Messages come late, twice, for nothing, or never: what they name is looked up, and what is live may be stale."""
    live = read(table, users)
    for step in history:
        named = {step[0]} if isinstance(step, tuple) and step[2] else step
        if isinstance(step, tuple):
            table = (
                {**table, step[0]: step[1]} if step[1] is not None else {k: v for k, v in table.items() if k != step[0]}
            )
        if isinstance(named, tuple):
            continue  # its message is lost
        whole = read(table, users)
        short = amend(live, {key: table.get(key) for key in named}) if named is not None else None
        if short is not None and named is not None:
            assert all(_line(short, key) == _line(whole, key) for key in named)
        live = short or whole


def _line(directory: Directory, key: str) -> str | None:
    name = key.lower()
    return next((line for line in directory.lines if line.startswith(f"{name}\t")), None)
