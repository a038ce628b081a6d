"""Rows and users become a directory: what is served, what is refused, and that order and tricks change nothing."""

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconfigure.directory import assemble as judging
from reconfigure.directory import syntax
from reconfigure.directory.assemble import assemble
from reconfigure.directory.delivery import MEMBERS_LIMIT
from reconfigure.directory.hosting import ANY
from reconfigure.directory.model import Address, CognitoUser, Directory, RawRow, pack, unpack
from reconfigure.directory.owners import FIELD_LIMIT, REMEMBERED_LENGTH, Owners

patient = settings(deadline=None)

ALICE_AND_BOB = [CognitoUser("alice", True, True, "1000"), CognitoUser("bob", True, True, "1001")]


def row(address: str, user: str | None = "alice", **fields: Any) -> dict[str, Any]:
    """Return a row as the admin app writes it; a field given as None is left out."""
    local, _, host = address.partition("@")
    subdomain, _, tld = host.partition(".")
    made: dict[str, Any] = {
        "address": {"S": address},
        "username": {"S": local},
        "subdomain": {"S": subdomain},
        "tld": {"S": tld},
    }
    if user is not None:
        made["user"] = {"S": user}
    made |= fields
    return {key: value for key, value in made.items() if value is not None}


def directory(*rows: RawRow, users: Iterable[CognitoUser] | None = ALICE_AND_BOB, listed: int = 1000) -> Directory:
    return assemble([rows], users, listed=listed)


def served(found: Directory) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(name, state, users) for name, state, users in found.addresses()]


def refusals(found: Directory) -> list[tuple[str, str]]:
    return [(refusal.code, refusal.field) for refusal in found.quarantine.listed]


def test_an_address_is_served_to_its_user() -> None:
    found = directory(row("shop@acme.example.com"))
    assert served(found) == [("shop@acme.example.com", "active", ("alice",))]
    assert (found.domains, found.rows, found.quarantine.total) == (("acme.example.com",), 1, 0)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("bob/alice", ("alice", "bob")),
        ("alice/alice/bob/alice", ("alice", "bob")),
        ("alice/nobody-knows", ("alice",)),
    ],
)
def test_a_shared_address_is_served_to_each_user_that_is_served_once(user: str, expected: tuple[str, ...]) -> None:
    found = directory(row("shop@acme.example.com", user))
    assert served(found) == [("shop@acme.example.com", "active", expected)]
    assert refusals(found) == []


@pytest.mark.parametrize("user", ["carol", "carol/dave"])
def test_an_address_none_of_whose_users_is_served_dangles_and_is_no_mistake(user: str) -> None:
    found = directory(row("shop@acme.example.com", user))
    assert served(found) == [("shop@acme.example.com", "dangling", ())]
    assert found.quarantine.total == 0


@pytest.mark.parametrize(
    ("user", "codes"),
    [
        ("", ["user-name-syntax"]),
        ("/", ["user-name-syntax"]),
        ("root", ["user-name-reserved"]),
        ("|/bin/sh", ["user-name-reserved", "user-name-syntax"]),  # three names: "|", "bin" and "sh"
        (":include:/etc/passwd", ["user-name-syntax"]),
        ("/dev/null", ["user-name-syntax"]),
        ('"|sh"', ["user-name-syntax"]),
        ("mallory@evil.example", ["user-name-syntax"]),
        ("\\root", ["user-name-syntax"]),
        ("a,b", ["user-name-syntax"]),
        ("-x", ["user-name-syntax"]),
        ("Alice", ["user-name-syntax"]),
        ("\u212aate", ["user-name-syntax"]),
        ("x" * 33, ["user-name-length"]),
        ("x" * 10_000, ["user-field-length"]),
        ("a/" * 2000 + "alice", ["user-field-length"]),
        ("root/mail/A/B/" + "x" * 40, ["user-name-length", "user-name-reserved", "user-name-syntax"]),
    ],
)
def test_hostile_user_fields_are_refused_and_deliver_to_nobody(user: str, codes: list[str]) -> None:
    found = directory(row("shop@acme.example.com", user))
    assert served(found) == [("shop@acme.example.com", "dangling", ())]
    assert refusals(found) == [(code, "user") for code in codes]


@pytest.mark.parametrize("hostile", ["", "root", "|sh", "bob\nevil: root", "é", "bob bob", "bob\t"])
def test_a_hostile_name_beside_a_good_one_costs_only_itself(hostile: str) -> None:
    found = directory(row("shop@acme.example.com", f"{hostile}/alice"))
    assert served(found) == [("shop@acme.example.com", "active", ("alice",))]
    assert found.quarantine.total == 1


def test_a_row_without_user_dangles() -> None:
    for fields in ({}, {"user": {"NULL": True}}):
        found = directory({**row("shop@acme.example.com", None), **fields})
        assert served(found) == [("shop@acme.example.com", "dangling", ())]
        assert refusals(found) == [("user-missing", "user")]


WRONG: list[Any] = [
    {"N": "5"}, {"BOOL": True}, {"L": [{"S": "x"}]}, {"M": {"S": {"S": "x"}}}, {"SS": ["a", "b"]}, {"B": b"\xff"},
    {"S": None}, {"S": 5}, {"S": ["x"]}, {"S": {"S": "x"}}, {}, {"NULL": False},
]  # fmt: skip


@pytest.mark.parametrize("wrong", [*WRONG, {"NULL": True}, None, [], "text", 5])
def test_a_key_of_the_wrong_type_is_refused(wrong: Any) -> None:
    found = directory({**row("shop@acme.example.com"), "address": wrong}, row("a@example.com"))
    assert [name for name, _, _ in served(found)] == ["a@example.com"]
    assert refusals(found) == [("row-type", "address")]


def test_a_row_without_key_is_refused() -> None:
    assert refusals(directory({}, {"user": {"S": "alice"}})) == [("row-type", "address")] * 2


@pytest.mark.parametrize("wrong", [*WRONG, [], "text", 5])
@pytest.mark.parametrize("field", ["username", "subdomain", "tld"])
def test_a_part_of_the_wrong_type_refuses_the_row(field: str, wrong: Any) -> None:
    found = directory({**row("shop@acme.example.com"), field: wrong})
    assert served(found) == []
    assert found.domains == ()
    assert refusals(found) == [("row-type", field)]


@pytest.mark.parametrize("wrong", [*WRONG, [], "text", 5])
def test_a_user_field_of_the_wrong_type_delivers_to_nobody(wrong: Any) -> None:
    found = directory({**row("shop@acme.example.com"), "user": wrong})
    assert served(found) == [("shop@acme.example.com", "dangling", ())]
    assert refusals(found) == [("row-type", "user")]


@pytest.mark.parametrize(
    "wrong", [{"S": "true"}, {"N": "1"}, {"BOOL": None}, {"BOOL": "false"}, {}, {"NULL": False}, [], "yes", 1]
)
def test_a_suspension_of_the_wrong_type_is_taken_as_one_and_said(wrong: Any) -> None:
    found = directory(row("shop@acme.example.com", suspended=wrong))
    assert served(found) == [("shop@acme.example.com", "suspended", ("alice",))]
    assert refusals(found) == [("row-type", "suspended")]


@pytest.mark.parametrize(
    ("suspended", "state"),
    [({"BOOL": True}, "suspended"), ({"BOOL": False}, "active"), ({"NULL": True}, "active"), (None, "active")],
)
def test_a_suspension_is_what_it_says(suspended: Any, state: str) -> None:
    found = directory(row("shop@acme.example.com", suspended=suspended), row("x@acme.example.com", "nobody-knows"))
    assert served(found)[0] == ("shop@acme.example.com", state, ("alice",))
    assert found.quarantine.total == 0


def test_suspended_wins_over_dangling() -> None:
    found = directory(row("shop@acme.example.com", "carol", suspended={"BOOL": True}))
    assert served(found) == [("shop@acme.example.com", "suspended", ())]


ACME = "shop@acme.example.com"


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        (ACME, {"username": {"S": "SHOP"}}),
        (ACME, {"tld": {"S": "Example.com"}}),
        (ACME, {"username": None, "subdomain": None, "tld": None}),
        (ACME, {"username": {"NULL": True}, "subdomain": {"NULL": True}, "tld": {"NULL": True}}),
        (ACME, {"username": None}),
        (ACME, {"tld": None}),
        (ACME, {"username": None, "tld": None}),
        (ACME, {"subdomain": None, "tld": {"S": "acme.example.com"}}),
        (ACME, {"subdomain": {"S": "acme.example"}, "tld": {"S": "com"}}),
        (ACME, {"subdomain": {"S": "acme.example"}, "tld": None}),
        ("shop@example.com", {"subdomain": None, "tld": {"S": "example.com"}}),
        ("shop@example.com", {"subdomain": {"S": ""}, "tld": {"S": "example.com"}}),
        ("shop@example.com", {"subdomain": {"NULL": True}, "tld": {"S": "example.com"}}),
        ("shop@münchen.example.com", {}),
        ("shop@xn--mnchen-3ya.example.com", {"subdomain": {"S": "münchen"}}),
    ],
)  # fmt: skip
def test_parts_that_say_the_same_address_in_their_own_way_are_served(address: str, parts: dict[str, Any]) -> None:
    found = directory(row(address, **parts))
    assert found.quarantine.total == 0
    assert len(served(found)) == 1


@pytest.mark.parametrize(
    "parts",
    [
        {"username": {"S": "ceo"}},
        {"username": {"S": ""}},
        {"username": {"S": "shop@acme.example.com"}},
        {"username": {"S": "shop\n"}},
        {"username": {"S": "\u017fhop"}},
        {"subdomain": {"S": "evil"}},
        {"subdomain": {"S": "acme."}},
        {"subdomain": None},
        {"subdomain": {"S": ""}},
        {"tld": {"S": "example.org"}},
        {"tld": {"S": ""}},
        {"subdomain": {"S": "evil"}, "tld": None},
        {"subdomain": {"S": "evil"}, "tld": None, "username": None},
        {"subdomain": {"S": "x.y.z.w.v"}, "tld": None},
        {"username": {"S": "x" * 10_000}},
    ],
)
def test_a_row_whose_parts_say_another_address_than_its_key_is_refused(parts: dict[str, Any]) -> None:
    found = directory(row(ACME, **parts))
    assert served(found) == []
    assert found.domains == ()
    assert refusals(found) == [("address-mismatch", "username/subdomain/tld")]


def test_domains_are_those_of_the_rows_that_are_served_in_some_state() -> None:
    found = directory(
        row("a@One.Example.com"),
        row("b@two.example.com", suspended={"BOOL": True}),
        row("c@three.example.com", "carol"),
        row("d e@four.example.com"),
        row("f@münchen.example.com"),
        row("g@two.example.com"),
    )
    assert found.domains == ("one.example.com", "three.example.com", "two.example.com", "xn--mnchen-3ya.example.com")


SPELLINGS = ["shop@acme.example.com", "Shop@acme.example.com", "shop@ACME.example.com", "SHOP@ACME.EXAMPLE.COM"]


@pytest.mark.parametrize("seed", range(10))
def test_of_rows_that_fold_to_one_address_the_canonical_one_is_served_whatever_the_order(seed: int) -> None:
    rows = [row(spelling, "alice" if at == 0 else "bob") for at, spelling in enumerate(SPELLINGS)]
    random.Random(seed).shuffle(rows)  # noqa: S311 - an order, not a secret
    found = assemble([rows[:2], [], rows[2:]], ALICE_AND_BOB)
    assert served(found) == [("shop@acme.example.com", "active", ("alice",))]
    assert found.quarantine.counts == {"address-duplicate": 3}
    assert sorted(refusal.key for refusal in found.quarantine.listed) == sorted(SPELLINGS[1:])


@pytest.mark.parametrize("seed", range(10))
def test_without_a_canonical_row_the_smallest_key_is_served(seed: int) -> None:
    rows = [row(spelling, "alice" if spelling == min(SPELLINGS) else "bob") for spelling in SPELLINGS[1:]]
    random.Random(seed).shuffle(rows)  # noqa: S311 - an order, not a secret
    found = directory(*rows)
    assert served(found) == [("shop@acme.example.com", "active", ("alice",))]
    assert found.quarantine.counts == {"address-duplicate": 2}


def test_one_key_twice_is_served_once_whatever_the_order() -> None:
    rows = [row(ACME, "bob"), row(ACME, "alice"), row(ACME, "alice"), row("b@acme.example.com")]
    one, other = directory(*rows), directory(*reversed(rows))
    assert one.digest() == other.digest()
    assert served(one) == [("b@acme.example.com", "active", ("alice",)), (ACME, "active", ("alice",))]
    assert one.quarantine.counts == {"address-duplicate": 2}


def test_everything_is_counted_and_only_the_first_are_listed() -> None:
    bad = [row(f"a b{at}@example.com") for at in range(50)] + [row(f"s{at}@example.com", "root") for at in range(30)]
    found = directory(*bad, listed=7)
    assert found.quarantine.counts == {"local-part-characters": 50, "user-name-reserved": 30}
    assert found.quarantine.total == 80
    assert len(found.quarantine.listed) == 7
    assert len(directory(*bad, listed=0).quarantine.listed) == 0


def test_a_refusal_names_the_row_in_one_short_line_of_ascii() -> None:
    key = "\x1b[31m\u202e|:include:/etc/passwd\n\0" + "é" * 10_000
    [refusal] = directory(row(key)).quarantine.listed
    for text in refusal:
        assert text.isascii()
        assert text.isprintable()
        assert len(text) <= 250


def test_without_a_user_pool_every_well_formed_user_is_taken_as_present() -> None:
    found = directory(row(ACME, "carol/root"), users=None)
    assert served(found) == [(ACME, "active", ("carol",))]
    assert refusals(found) == [("user-name-reserved", "user")]
    assert found.users == ()
    assert not found.users_known


def test_the_same_rows_with_and_without_a_user_pool_have_different_digests() -> None:
    assert directory(row(ACME), users=None).digest() != directory(row(ACME)).digest()
    assert directory(users=None).digest() != directory(users=[]).digest()


def test_more_users_than_an_alias_line_can_hold_are_refused_whoever_of_them_is_served() -> None:
    names = [f"user{at:028}" for at in range(60)]
    most = max(at for at in range(60) if len(", ".join(names[:at])) <= MEMBERS_LIMIT)
    pool = [CognitoUser(name, True, True, str(1000 + at)) for at, name in enumerate(names)]
    assert directory(row(ACME, "/".join(names[:most])), users=pool).quarantine.total == 0
    for known in (pool, pool[:2], None):
        found = directory(row(ACME, "/".join(names[: most + 1])), users=known)
        assert served(found) == [(ACME, "dangling", ())]
        assert refusals(found) == [("user-field-length", "user")]


def test_hostile_owners_are_not_remembered() -> None:
    owners = Owners({"alice"})
    for value in ("/" * FIELD_LIMIT, "x" * FIELD_LIMIT, "/".join(["alice"] * 400), "Bad", "alice/"):
        assert len(owners.of(value).unfit) <= 3
    assert owners.clean.keys() == {"alice"}
    assert owners.of("bob/alice").served == "alice"
    assert all(len(value) <= REMEMBERED_LENGTH for value in owners.clean)


def test_the_checkpoint_is_called_once_a_page_and_may_end_the_work() -> None:
    class AskedToStopError(Exception):
        pass

    calls = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise AskedToStopError

    with pytest.raises(AskedToStopError):
        assemble([[row(f"a{at}@example.com")] for at in range(10)], None, checkpoint=stop)
    assert len(calls) == 3


texts = st.sampled_from(
    [
        *(
            "shop",
            "Shop",
            "a b",
            "alice",
            "bob",
            "alice/bob",
            "bob/alice/",
            "root",
            "acme",
            "example.com",
            "ACME",
            "münchen",
        ),
        *("", "\n", "|sh", ":include:/x", "/x", "#", "-a", '"', "\u212a", "x" * 65, "shop+tag", "xn--a", "*"),
    ]
)
values = texts.map(lambda text: {"S": text}) | st.sampled_from(
    [*WRONG, {"NULL": True}, {"BOOL": False}, {"BOOL": True}]
)
addresses = st.builds("{}@{}.{}".format, texts, texts, st.sampled_from(["example.com", "Example.com", "a..b", "com\n"]))
hostile_rows = st.fixed_dictionaries(
    {},
    optional={
        "address": addresses.map(lambda text: {"S": text}) | values,
        "username": values, "subdomain": values, "tld": values, "user": values, "suspended": values,
    },
)  # fmt: skip
fair_rows = st.builds(
    lambda local, label, user: row(f"{local}@{label}.example.com", user),
    st.sampled_from(["a", "b", "A", "shop", "Shop", "a.b"]),
    st.sampled_from(["acme", "Acme", "beta", "münchen", "xn--mnchen-3ya"]),
    st.sampled_from(["alice", "bob", "alice/bob", "bob/alice", "carol", "alice/root"]),
)
tables = st.lists(fair_rows | hostile_rows, max_size=25)
pools: st.SearchStrategy[list[CognitoUser] | None] = st.sampled_from([None, ALICE_AND_BOB, []])


@patient
@given(tables, pools, st.randoms(use_true_random=False), st.integers(1, 7))
def test_neither_the_order_of_rows_nor_their_pages_matter(
    table: list[RawRow], pool: list[CognitoUser] | None, shuffle: random.Random, size: int
) -> None:
    shuffled = list(table)
    shuffle.shuffle(shuffled)
    pages = [shuffled[at : at + size] for at in range(0, len(shuffled), size)]
    one, other = assemble([table], pool), assemble(pages, pool)
    assert one == other
    assert one.digest() == other.digest()


@patient
@given(tables, pools)
def test_every_row_is_served_once_or_refused(table: list[RawRow], pool: list[CognitoUser] | None) -> None:
    found = assemble([table], pool)
    rows_refused = sum(
        1
        for refusal in found.quarantine.listed
        if refusal.kind == "address" and refusal.field not in {"user", "suspended"}
    )
    assert found.rows == len(table) == len(found.lines) + rows_refused
    names = [address.name for address in found.addresses()]
    assert names == sorted(set(names))
    assert all(syntax.mailbox(name) == (name, name.partition("@")[2]) for name in names)
    assert found.domains == tuple(sorted({name.partition("@")[2] for name in names}))
    assert sum(found.quarantine.counts.values()) == found.quarantine.total == len(found.quarantine.listed)
    assert all(pack(unpack(line)) == line for line in found.lines)
    for address in found.addresses():
        assert (address.state == "active") <= bool(address.users)
        assert (address.state == "dangling") <= (not address.users)


@patient
@given(hostile_rows | fair_rows)
def test_the_short_way_for_common_rows_says_what_the_careful_way_says(one: RawRow) -> None:
    domains = {"acme.example.com", "beta.example.com", "example.com"}
    owners = Owners({"alice", "bob"})
    owners.of("alice/bob")
    plain = judging._plain_line(one, domains=domains, owners=owners.clean)
    if plain is not None:
        refused = judging._Listed(10)
        judged = judging._judge_row(one, hosting=ANY, owners=owners, refused=refused)
        assert refused.quarantine().total == 0
        assert judged is not None
        assert judged[2] == plain
        assert judged[0] == judged[1].name


def test_a_packed_line_is_unpacked_to_what_it_was() -> None:
    for address in (Address("a@b.co", "active", ("alice", "bob")), Address("a@b.co", "dangling", ())):
        assert unpack(pack(address)) == address
