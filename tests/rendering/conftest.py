"""Worlds, fair and hostile, and what renders them: the templates as they are shipped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from reconfigure.directory.model import CognitoUser, RawRow
from reconfigure.rendering import Renderer
from reconfigure.tiers import load_manifest

TEMPLATES = Path(__file__).parents[2] / "templates"
SETTINGS = {
    "imap_internal_host": "imap.control.example",
    "secrets_dir": "/run/reconfigure/secrets",
    "homes_dir": "/home",
}


class Sources(NamedTuple):
    """What a tier reads: rows, and users where it reads a pool."""

    rows: list[RawRow]
    users: list[CognitoUser] | None


@pytest.fixture(scope="session")
def templates() -> Path:
    return TEMPLATES


@pytest.fixture(scope="session")
def renderer_of() -> Callable[..., Renderer]:
    def make(tier: str, folder: Path = TEMPLATES, **settings: str) -> Renderer:
        return Renderer(load_manifest(folder, tier), folder, SETTINGS | settings)

    return make


NAMES = ["alice", "bob", "carol", "a_b", "c", "a", "b_c", "owner-a", "info", "root", "Alice", "x" * 32, "y" * 32]
POISON = [
    *("", " ", "\t", "\n", "\0", "|/bin/sh", ":include:/etc/passwd", "/dev/null", '"', "'|sh'", "#", "-x", "%", "*"),
    *("a\nhosted:evil.example\tRELAY", "a\tRELAY", "\\root", "alice,bob", "root:x:0:0::/:/bin/sh", "\u212a", "\uff41"),
    *("\u3002", "\u2028", "\x85", "x" * 10_000, "{{ 7 * 7 }}", "{% raw %}", "../../etc", "@", "+tag", "éa", "xn--a"),
]


def _sources() -> st.SearchStrategy[Sources]:
    poison = st.sampled_from(POISON) | st.text(max_size=12)
    name = st.sampled_from(NAMES)
    user = st.lists(name, min_size=1, max_size=4).map("/".join) | st.lists(name | poison, max_size=3).map("/".join)
    local = (
        st.sampled_from(["shop", "Shop", "info", "a.b", "o'neil", "~x", "=", "&", "_", "x" * 64, "zed", "0"]) | poison
    )
    host = st.sampled_from(
        [
            *("acme.example.com", "ACME.example.com", "example.com", "a.example.com", "aa.example.com"),
            *("a-a.example.com", "münchen.example", "xn--mnchen-3ya.example", ".".join(["d" * 60] * 3) + ".example"),
        ]
    )
    key = st.builds("{}@{}".format, local, host | poison)
    wrong: st.SearchStrategy[Any] = st.sampled_from(
        [{"N": "1"}, {"NULL": True}, {"L": [{"S": "alice"}]}, {"S": None}, {"M": {}}, {}, None, []]
    )
    string = poison.map(lambda text: {"S": text})

    def row(key: str, user: str, suspended: Any, odd: dict[str, Any]) -> RawRow:
        made = {"address": {"S": key}, "user": {"S": user}} | ({"suspended": suspended} if suspended else {})
        return made | odd

    odd = st.dictionaries(
        st.sampled_from(["address", "username", "subdomain", "tld", "user", "suspended"]), wrong | string, max_size=1
    )
    suspended = st.sampled_from([None, None, {"BOOL": True}, {"BOOL": False}, {"S": "x"}])
    rows = st.lists(st.builds(row, key, user, suspended, st.just({}) | odd), max_size=20)
    osid = st.integers(990, 1020).map(str) | st.sampled_from([None, "", "x", "65534"]) | poison
    limit = st.none() | st.integers(0, 2_000_000).map(str) | poison
    users = st.lists(
        st.builds(CognitoUser, name | poison, st.sampled_from([True, True, False]), st.just(value=True), osid, limit),
        unique_by=lambda one: one.name,
        max_size=10,
    )
    return st.builds(Sources, rows, st.none() | users)


@pytest.fixture(scope="session")
def sources() -> st.SearchStrategy[Sources]:
    return _sources()
