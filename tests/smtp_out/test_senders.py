"""Who may send as whom, as the map says it: each user of an address that takes mail, and nobody else."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, Directory, RawRow
from reconfigure.rendering import Renderer, View
from reconfigure.tiers import load_manifest

TEMPLATES = Path(__file__).parents[2] / "templates"
NAMES = ["alice", "bob", "carol", "a_b", "a", "x" * 32]
HEAD = "# Generated. "


def rendered(world: Directory) -> list[str]:
    renderer = Renderer(load_manifest(TEMPLATES, "smtp-out"), TEMPLATES, {})
    lines = b"".join(renderer.stream("senders.j2", View(world))).decode("ascii").splitlines()
    assert lines[0].startswith(HEAD)
    return lines[1:]


def row(address: str, users: str, *, suspended: bool = False) -> RawRow:
    return {"address": {"S": address}, "user": {"S": users}, "suspended": {"BOOL": suspended}}


def user(name: str, *, enabled: bool = True) -> CognitoUser:
    return CognitoUser(name, confirmed=True, enabled=enabled, osid=str(2000 + NAMES.index(name)))


def test_an_address_is_for_its_own_users_a_shared_one_for_each_and_a_suspended_or_dangling_one_for_nobody() -> None:
    rows = [
        row("Shop@acme.example.com", "alice"),
        row("team@acme.example.com", "bob/alice"),
        row("half@acme.example.com", "carol/bob"),
        row("sold@acme.example.com", "alice", suspended=True),
        row("gone@acme.example.com", "carol"),
    ]
    world = assemble([rows], [user("alice"), user("bob"), user("carol", enabled=False)])
    assert rendered(world) == [
        "half@acme.example.com!bob\tOK",
        "shop@acme.example.com!alice\tOK",
        "team@acme.example.com!alice\tOK",
        "team@acme.example.com!bob\tOK",
    ]


@given(
    rows=st.lists(
        st.builds(
            row,
            st.sampled_from(["shop@acme.example.com", "a@example.com", "a@example.com.au", "a.b@example.com", "!@x"]),
            st.lists(st.sampled_from([*NAMES, "!", "a!b", ""]), max_size=4).map("/".join),
            suspended=st.booleans(),
        ),
        max_size=8,
    ),
    served=st.sets(st.sampled_from(NAMES)),
)
def test_any_world_gives_one_line_for_each_user_of_each_active_address_sorted(
    rows: list[RawRow], served: set[str]
) -> None:
    world = assemble([rows], [user(name) for name in sorted(served)])
    lines = rendered(world)
    wanted = {
        f"{one.name}!{name}\tOK"
        for one in world.addresses()
        if one.state.split(".")[-1] == "active"
        for name in one.users
    }
    assert set(lines) == wanted
    assert lines == sorted(set(lines))
    assert {line.partition("!")[2].removesuffix("\tOK") for line in lines} <= served
