"""Whatever rows and users say, every line of every file is one that the model calls for, and no other.

What is expected is worked out here from the directory alone, without the templates; each file has a strict grammar.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconfigure.directory.assemble import assemble
from reconfigure.directory.delivery import target
from reconfigure.directory.model import Directory
from reconfigure.generations.maps import Makemap
from reconfigure.rendering import Renderer, View
from reconfigure.tiers import load_manifest

TIERS = ("imap", "smtp-in", "smtp-out")

ADDRESS = r"[a-z0-9_&'=~][a-z0-9_.&'=~-]*@[a-z0-9.-]+\.[a-z0-9-]+"
DOMAIN = r"[a-z0-9][a-z0-9-]*(?:\.[a-z0-9][a-z0-9-]*)+"
USER = r"[a-z_][a-z0-9_-]*"
LOCAL = rf"{USER}|{USER}(?:\.{USER})+|shared\.[0-9a-f]{{40}}"
NUMBER = r"[0-9]+"
VERDICT = r"RELAY|ERROR:[45]\.[0-9]\.[0-9]:[45][0-9]{2} [A-Za-z, ]+"

GRAMMAR = {
    "mail/virtusertable": rf"({ADDRESS})\t({LOCAL})",
    "mail/access": rf"(to:{ADDRESS}|hosted:{DOMAIN})\t({VERDICT})",
    "mail/aliases": rf"({LOCAL}|@): ({USER}(?:, {USER})+|@)",
    "mail/domains": rf"({DOMAIN})\t(hosted)",
    "mail/mailertable": rf"({DOMAIN})\t(esmtp:\[imap\.control\.example\])",
    "mail/senders": rf"({ADDRESS}!{USER})\t(OK)",
    "sending/limits": rf"({USER})\t({NUMBER})",
    "opendkim/KeyTable": rf"({DOMAIN}|fallback) ((?:{DOMAIN}|%):cabal:/run/reconfigure/secrets/dkim\.private)",
    "opendkim/SigningTable": rf"({DOMAIN}|\*) ({DOMAIN}|fallback)",
    "opendkim/TrustedHosts": r"(127\.0\.0\.1|::1|localhost)()",
    "passwd/passwd": rf"({USER}):(x:{NUMBER}:{NUMBER}::/home/{USER}:/usr/sbin/nologin)",
    "passwd/group": rf"({USER}):(x:{NUMBER}:)",
    "passwd/shadow": rf"({USER}):(!\*:::::::)",
}
UNSORTED = {"opendkim/TrustedHosts", "opendkim/KeyTable", "opendkim/SigningTable"}  # three fixed lines


def entries(path: str, content: bytes) -> list[tuple[str, str]]:
    """Parse a file by its grammar; comments may stand at its head alone."""
    assert content.isascii()
    assert b"\r" not in content
    assert not content or content.endswith(b"\n")
    lines = content.decode("ascii").split("\n")[:-1]
    while lines and re.fullmatch(r"# Generated\.[ -~]*", lines[0]):
        del lines[0]
    found = []
    for line in lines:
        match = re.fullmatch(GRAMMAR[path], line, re.ASCII)
        assert match is not None, (path, line)
        found.append((match[1], match[2]))
    return found


UNKNOWN = {
    "imap": "ERROR:4.2.1:451 Address not known here yet, try again later",
    "smtp-in": "ERROR:5.1.1:550 No such address here",
    "smtp-out": "ERROR:5.1.1:550 No such address here",
}
REFUSED = {
    "active": "RELAY",
    "suspended": "ERROR:5.2.1:550 Address suspended",
    "dangling": "ERROR:4.2.1:450 Mailbox unavailable, try again later",
}
DEFERRED = {
    "active": "RELAY",
    "suspended": "ERROR:4.2.1:451 Address suspended, try again later",
    "dangling": "ERROR:4.2.1:451 Mailbox unavailable, try again later",
}


def access(tier: str, world: Directory) -> list[tuple[str, str]]:
    verdicts = DEFERRED if tier == "imap" else REFUSED
    recipients = [(f"to:{one.name}", verdicts[one.state]) for one in world.addresses()]
    return recipients + [(f"hosted:{domain}", UNKNOWN[tier]) for domain in world.domains]


def aliases(_: str, world: Directory) -> list[tuple[str, str]]:
    shared = {one.users for one in world.addresses() if one.state == "active" and len(one.users) > 1}
    return [("@", "@"), *((target(users), ", ".join(users)) for users in shared)]


EXPECTED: dict[str, Callable[[str, Directory], list[tuple[str, str]]]] = {
    "mail/access": access,
    "mail/aliases": aliases,
    "mail/virtusertable": lambda _, world: [
        (one.name, target(one.users)) for one in world.addresses() if one.state == "active"
    ],
    "mail/domains": lambda _, world: [(domain, "hosted") for domain in world.domains],
    "mail/mailertable": lambda _, world: [(domain, "esmtp:[imap.control.example]") for domain in world.domains],
    "mail/senders": lambda _, world: [
        (f"{one.name}!{user}", "OK") for one in world.addresses() if one.state == "active" for user in one.users
    ],
    "sending/limits": lambda _, world: [(user, str(number)) for user, number in world.sending_limits],
    "opendkim/KeyTable": lambda _, world: [
        *((domain, f"{domain}:cabal:/run/reconfigure/secrets/dkim.private") for domain in world.domains),
        ("fallback", "%:cabal:/run/reconfigure/secrets/dkim.private"),
    ],
    "opendkim/SigningTable": lambda _, world: [*((domain, domain) for domain in world.domains), ("*", "fallback")],
    "opendkim/TrustedHosts": lambda _, __: [("127.0.0.1", ""), ("::1", ""), ("localhost", "")],
    "passwd/passwd": lambda _, world: [
        (one.name, f"x:{one.uid}:{one.uid}::/home/{one.name}:/usr/sbin/nologin") for one in world.users
    ],
    "passwd/group": lambda _, world: [(one.name, f"x:{one.uid}:") for one in world.users],
    "passwd/shadow": lambda _, world: [(one.name, "!*:::::::") for one in world.users],
}
"""What each file must hold, from the model alone."""


def render(renderer: Renderer, templates: Path, tier: str, world: Directory) -> dict[str, bytes]:
    view = View(world)
    files = load_manifest(templates, tier).files
    return {spec.path: b"".join(renderer.stream(spec.template, view)) for spec in files}


@pytest.mark.parametrize("tier", TIERS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_file_says_what_the_model_says_and_nothing_else(
    tier: str,
    renderer_of: Callable[..., Renderer],
    templates: Path,
    sources: st.SearchStrategy[Any],
    data: st.DataObject,
) -> None:
    rows, users = data.draw(sources)
    world = assemble([rows], users)
    for path, content in render(renderer_of(tier), templates, tier, world).items():
        found = entries(path, content)
        keys = [key for key, _ in found]
        assert len(set(keys)) == len(keys)
        assert set(found) == set(EXPECTED[path](tier, world))
        if path not in UNSORTED:
            assert keys == sorted(keys)
            assert content.splitlines() == sorted(content.splitlines(), key=lambda line: (line[:1] != b"#",))
        for _, value in found:
            assert not value.startswith(("|", "/", ":", '"', "\\", "-"))
            assert ":include:" not in value
            assert len(value) < 1000


@pytest.mark.parametrize("tier", TIERS)
@given(data=st.data(), shuffle=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_same_sources_in_any_order_give_the_same_bytes(
    tier: str,
    renderer_of: Callable[..., Renderer],
    templates: Path,
    sources: st.SearchStrategy[Any],
    data: st.DataObject,
    shuffle: Random,
) -> None:
    rows, users = data.draw(sources)
    first = render(renderer_of(tier), templates, tier, assemble([rows], users))
    shuffle.shuffle(rows)
    if users is not None:
        shuffle.shuffle(users)
    again = assemble([[row] for row in rows], users)
    assert render(renderer_of(tier), templates, tier, again) == first


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_mail_for_an_active_address_reaches_each_of_its_users_once_and_nobody_else(
    renderer_of: Callable[..., Renderer], templates: Path, sources: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    rows, users = data.draw(sources)
    world = assemble([rows], users)
    files = render(renderer_of("imap"), templates, "imap", world)
    virtusers = dict(entries("mail/virtusertable", files["mail/virtusertable"]))
    aliases = dict(entries("mail/aliases", files["mail/aliases"]))
    accounts = dict(entries("passwd/passwd", files["passwd/passwd"]))
    for address in world.addresses():
        local = virtusers.get(address.name)
        reached = [] if local is None else aliases.get(local, local).split(", ")
        assert reached == (sorted(set(address.users)) if address.state == "active" else [])
        if users is not None:
            assert accounts.keys() >= set(reached)
    assert not aliases.keys() & accounts.keys()
    assert not {f"owner-{alias}" for alias in aliases} & aliases.keys()


@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_makemap_compiles_any_world_and_its_maps_say_what_the_model_says(
    renderer_of: Callable[..., Renderer],
    templates: Path,
    sources: st.SearchStrategy[Any],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    rows, users = data.draw(sources)
    world = assemble([rows], users)
    makemap = Makemap()
    for tier in TIERS:
        folder = tmp_path_factory.mktemp(tier)
        files = render(renderer_of(tier), templates, tier, world)
        for spec in load_manifest(templates, tier).files:
            if spec.map is None:
                continue
            text = folder / Path(spec.path).name
            text.write_bytes(files[spec.path])
            makemap.compile(text, spec.map)
            wanted = EXPECTED[spec.path](tier, world)
            assert makemap.verify(text, spec.map) == len(wanted)
            separator = spec.map.separator or "\t"
            command = ["makemap", "-C", "/dev/null", "-u", "-t", separator, spec.map.kind, str(text)]
            dumped = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout.decode("ascii")
            pairs = [line.partition(separator)[::2] for line in dumped.splitlines()]
            assert {(key, value.strip()) for key, value in pairs} == set(wanted)


def test_the_longest_alias_that_is_served_compiles(
    renderer_of: Callable[..., Renderer], templates: Path, tmp_path: Path
) -> None:
    rows = [
        {"address": {"S": f"a{count}@example.com"}, "user": {"S": "/".join(f"user-{at:03}" for at in range(count))}}
        for count in range(2, 200)
    ]
    world = assemble([rows], None)
    assert 50 < max(len(one.users) for one in world.addresses()) < 199
    content = render(renderer_of("imap"), templates, "imap", world)["mail/aliases"]
    [spec] = [spec for spec in load_manifest(templates, "imap").files if spec.path == "mail/aliases"]
    assert spec.map is not None
    (tmp_path / "aliases").write_bytes(content)
    Makemap().compile(tmp_path / "aliases", spec.map)
    assert Makemap().verify(tmp_path / "aliases", spec.map) > 50
