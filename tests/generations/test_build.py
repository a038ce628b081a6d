"""What a generation holds, what it shares with the one before, and what is refused; built by the real makemap."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconfigure.directory.model import Directory
from reconfigure.errors import GenerationError, InterruptedPassError
from reconfigure.generations.build import Builder
from reconfigure.generations.maps import Makemap
from reconfigure.phases import Phases
from reconfigure.rendering import Renderer

MAPS = {
    "imap": {"virtusertable", "access", "aliases", "domains"},
    "smtp-in": {"access", "mailertable", "domains"},
    "smtp-out": {"access", "mailertable", "senders", "domains"},
}
OTHERS = {
    "imap": {"passwd/passwd", "passwd/group", "passwd/shadow"},
    "smtp-in": set(),
    "smtp-out": {"opendkim/KeyTable", "opendkim/SigningTable", "opendkim/TrustedHosts"}
    | {"passwd/passwd", "passwd/group", "passwd/shadow", "sending/limits"},
}
SNAPSHOTS = {"directory/addresses", "directory/domains", "directory/users"}

MakeDirectory = Callable[..., Directory]
MakeWorkshop = Callable[..., Any]
MakeProgram = Callable[[str, str], Path]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("tier", MAPS)
def test_a_generation_holds_every_file_of_its_tier_and_nothing_else(
    workshop: MakeWorkshop, directory: MakeDirectory, tier: str
) -> None:
    at = workshop(tier)
    made = at.build(directory())
    maps = {f"mail/{name}" for name in MAPS[tier]}
    wanted = maps | {f"{name}.db" for name in maps} | OTHERS[tier] | SNAPSHOTS
    assert set(made.files) == wanted
    assert files_in(at.store.path(made.id)) == wanted | {"manifest.json"}


@pytest.mark.parametrize("tier", MAPS)
def test_the_manifest_says_of_each_file_what_it_is(
    workshop: MakeWorkshop, directory: MakeDirectory, restored: Callable[..., list[str]], tier: str
) -> None:
    at = workshop(tier)
    made = at.build(directory())
    document = json.loads(at.file(made, "manifest.json").read_text())
    assert document["files"].keys() == made.files.keys()
    for path, record in document["files"].items():
        content = at.file(made, path).read_bytes()
        assert record["sha256"] == hashlib.sha256(content).hexdigest()
        assert record["size"] == len(content)
        if path.endswith(".db"):
            options = ("-t", ":") if "aliases" in path else ()
            assert record["entries"] == len(restored(at.file(made, path), options=options))
        else:
            assert record["entries"] == sum(not line.startswith(b"#") for line in content.splitlines())


def test_the_manifest_says_what_was_read_and_what_came_before(workshop: MakeWorkshop, directory: MakeDirectory) -> None:
    at = workshop("imap")
    rows = {"a@example.com": "alice", "b@example.com": "nobody-knows", "c@example.com": "bob", "d d@example.com": "bob"}
    first = at.live(directory(rows, suspended=["c@example.com"]))
    assert (first.id, first.parent, first.tier) == ("20261123T080000.000Z-dddddddd", None, "imap")
    assert (first.created, first.input_digest) == ("2026-11-23T08:00:00.000+00:00", "d" * 64)
    assert first.counts == {
        "rows": 4,
        "addresses": 3,
        "active": 1,
        "suspended": 1,
        "dangling": 1,
        "domains": 1,
        "users": 3,
        "owners": 2,
        "folded": 0,
    }
    assert sum(first.quarantine.values()) == 1
    assert at.build(directory()).parent == first.id


def test_a_map_says_what_its_text_says(
    workshop: MakeWorkshop, directory: MakeDirectory, restored: Callable[..., list[str]]
) -> None:
    at = workshop("imap")
    made = at.build(directory())
    assert restored(at.file(made, "mail/virtusertable.db")) == [
        "alice@example.com\talice",
        "bob@example.net\tbob",
        "info@acme.example.com\tcarol",
        "shop@acme.example.com\talice.bob",
    ]
    assert restored(at.file(made, "mail/aliases.db"), options=("-t", ":")) == ["@: @", "alice.bob: alice, bob"]


def test_files_have_the_modes_of_the_manifest_whatever_the_umask(
    workshop: MakeWorkshop, directory: MakeDirectory
) -> None:
    at = workshop("imap")
    before = os.umask(0o027)
    try:
        made = at.build(directory())
    finally:
        os.umask(before)
    modes = {path: at.file(made, path).stat().st_mode & 0o7777 for path in made.files}
    private = {"passwd/shadow"} | {path for path in modes if path.startswith("mail/")}
    records = {path for path in modes if path.startswith("directory/")}
    assert {modes.pop(path) for path in private} == {0o640}
    assert {modes.pop(path) for path in records} == {0o600 if os.geteuid() == 0 else 0o644}
    assert set(modes.values()) == {0o644}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_gives_files_to_their_owners(workshop: MakeWorkshop, directory: MakeDirectory) -> None:
    at = workshop("imap")
    made = at.build(directory())
    assert at.file(made, "passwd/shadow").group() == "shadow"


def test_what_did_not_change_is_the_same_file_in_both_generations(
    workshop: MakeWorkshop, directory: MakeDirectory, seen: Callable[[Path], dict[str, Any]]
) -> None:
    at = workshop("imap")
    first = at.live(directory())
    before = seen(at.store.path(first.id))
    second = at.build(directory())
    assert second.id != first.id
    for path in first.files:
        if not path.startswith("directory/"):
            assert at.file(first, path).samefile(at.file(second, path)), path
    assert second.files == first.files
    after = seen(at.store.path(first.id))
    for path, facts in after.items():  # linking touches nothing but the number of links
        assert facts[:4] == before[path][:4], path


def test_what_changed_is_a_file_of_its_own(
    workshop: MakeWorkshop, directory: MakeDirectory, rows: dict[str, str], restored: Callable[..., list[str]]
) -> None:
    at = workshop("imap")
    first = at.live(directory())
    second = at.build(directory({**rows, "new@example.com": "bob"}))
    changed = {"virtusertable", "access"}
    for path in first.files:
        name = path.removeprefix("mail/").removesuffix(".db")
        if not path.startswith("directory/"):
            assert at.file(first, path).samefile(at.file(second, path)) == (name not in changed), path
    assert "new@example.com\tbob" in restored(at.file(second, "mail/virtusertable.db"))
    assert "new@example.com\tbob" not in restored(at.file(first, "mail/virtusertable.db"))


def flip_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def point_elsewhere(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


@pytest.mark.parametrize("damaged", ["mail/access", "mail/access.db", "passwd/passwd"])
@pytest.mark.parametrize("damage", [flip_last_byte, cut, Path.unlink, point_elsewhere, lambda path: path.chmod(0o666)])
def test_a_damaged_file_is_built_anew_and_not_passed_on(
    workshop: MakeWorkshop,
    directory: MakeDirectory,
    damaged: str,
    damage: Callable[[Path], object],
) -> None:
    at = workshop("imap")
    first = at.live(directory())
    damage(at.file(first, damaged))
    second = at.build(directory())
    assert at.store.is_sound(second)
    assert not at.file(second, damaged).is_symlink()
    if at.file(first, damaged).exists():
        assert not at.file(first, damaged).samefile(at.file(second, damaged))
    assert second.files[damaged].sha256 == hashlib.sha256(at.file(second, damaged).read_bytes()).hexdigest()
    assert at.file(first, "mail/domains.db").samefile(at.file(second, "mail/domains.db"))


def test_a_file_is_not_shared_when_it_must_be_made_otherwise(
    workshop: MakeWorkshop, directory: MakeDirectory, templates: Path, tmp_path: Path
) -> None:
    first = workshop("imap").live(directory())
    other = shutil.copytree(templates, tmp_path / "templates")
    manifest = other / "imap" / "tier.yaml"
    text = manifest.read_text()
    wanted = "{path: mail/access, template: access.j2, map: hash, "
    manifest.write_text(text.replace("{path: mail/access, template: access.j2, map: btree, ", wanted))
    at = workshop("imap", templates=other)
    second = at.build(directory())
    assert not at.file(first, "mail/access.db").samefile(at.file(second, "mail/access.db"))
    assert at.file(first, "mail/domains.db").samefile(at.file(second, "mail/domains.db"))


ERRING_MAKEMAPS = {
    "drops a row": 'if [[ "$*" == *-u* ]]; then exec makemap "$@"; fi\nhead -n -1 | makemap "$@"',
    "changes a value": 'if [[ "$*" == *-u* ]]; then exec makemap "$@"; fi\nsed s/RELAY/OK/ | makemap "$@"',
    "adds a row": 'if [[ "$*" == *-u* ]]; then exec makemap "$@"; fi\n(cat; printf "zz\\tRELAY\\n") | makemap "$@"',
    "reads back another key": 'makemap "$@" | sed "s/^to:a/to:b/"',
    "reads back half": 'if [[ "$*" == *-u* ]]; then makemap "$@" | head -n 2; else exec makemap "$@"; fi',
    "reads back nothing": 'if [[ "$*" == *-u* ]]; then exit 0; else exec makemap "$@"; fi',
}


@pytest.mark.parametrize("erring", ERRING_MAKEMAPS)
def test_a_map_that_does_not_say_what_its_text_says_is_refused(
    workshop: MakeWorkshop, directory: MakeDirectory, program: MakeProgram, erring: str
) -> None:
    makemap = program("erring-makemap", ERRING_MAKEMAPS[erring])
    at = workshop("smtp-in", makemap=Makemap(program=str(makemap)))
    with pytest.raises(GenerationError, match=r"access\.db does not say what access says: \d+ entries compiled of 7"):
        at.build(directory())
    assert list(at.store.folder.iterdir()) == []


def test_the_active_generation_stands_when_the_next_one_is_refused(
    workshop: MakeWorkshop,
    directory: MakeDirectory,
    rows: dict[str, str],
    program: MakeProgram,
    seen: Callable[[Path], dict[str, Any]],
) -> None:
    first = workshop("smtp-in").live(directory())
    makemap = program("erring-makemap", ERRING_MAKEMAPS["drops a row"])
    at = workshop("smtp-in", makemap=Makemap(program=str(makemap)))
    before = {path: facts[:4] for path, facts in seen(at.store.path(first.id)).items()}
    with pytest.raises(GenerationError, match="the active one serves on"):
        at.build(directory({**rows, "new@example.com": "bob"}))
    assert [path.name for path in at.store.folder.iterdir()] == [first.id]
    assert {path: facts[:4] for path, facts in seen(at.store.path(first.id)).items()} == before


def doubled(templates: Path, folder: Path) -> Path:
    other = shutil.copytree(templates, folder)
    template = other / "shared" / "domains.j2"
    template.write_text(template.read_text() + "EXAMPLE.com\ttwice\n")
    return other


def test_duplicate_keys_are_refused(
    workshop: MakeWorkshop, directory: MakeDirectory, templates: Path, tmp_path: Path
) -> None:
    at = workshop("smtp-in", templates=doubled(templates, tmp_path / "templates"))
    with pytest.raises(GenerationError, match=r"(?s)compiling domains failed: .* key example\.com: duplicate key"):
        at.build(directory())
    assert list(at.store.folder.iterdir()) == []


def test_a_missing_makemap_is_said_and_nothing_is_left(
    workshop: MakeWorkshop, directory: MakeDirectory, tmp_path: Path
) -> None:
    at = workshop("smtp-in", makemap=Makemap(program=str(tmp_path / "gone")))
    with pytest.raises(GenerationError, match=r"compiling access failed: .*/gone was not found; install"):
        at.build(directory())
    assert list(at.store.folder.iterdir()) == []


def test_a_makemap_that_cannot_be_run_is_said(
    workshop: MakeWorkshop, directory: MakeDirectory, program: MakeProgram
) -> None:
    makemap = program("plain", "")
    makemap.chmod(0o644)
    at = workshop("smtp-in", makemap=Makemap(program=str(makemap)))
    with pytest.raises(GenerationError, match="plain could not be started: Permission denied"):
        at.build(directory())
    assert list(at.store.folder.iterdir()) == []


@pytest.mark.parametrize("step", ["compiling", "reading back"])
def test_a_makemap_that_hangs_is_ended_and_nothing_is_left(
    workshop: MakeWorkshop, directory: MakeDirectory, program: MakeProgram, step: str
) -> None:
    hangs = "*" if step == "compiling" else "*-u*"
    script = f'if [[ "$*" == {hangs} ]]; then echo waiting >&2; exec sleep 600; fi\nexec makemap "$@"'
    at = workshop("smtp-in", makemap=Makemap(program=str(program("slow", script)), timeout=0.5))
    with pytest.raises(GenerationError, match=rf"{step} access took longer than 0\.5 s and was ended .* waiting"):
        at.build(directory())
    assert list(at.store.folder.iterdir()) == []


def test_an_interrupted_build_leaves_nothing(workshop: MakeWorkshop, directory: MakeDirectory, templates: Path) -> None:
    at = workshop("smtp-in")
    at.store.prepare()
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def build(checkpoint: Callable[[], None]) -> None:
        settings = {"imap_internal_host": "imap.example.com"}
        renderer = Renderer(at.tier, templates, settings)
        builder = Builder(at.store, at.tier, renderer=renderer, makemap=Makemap(), timeout=60)
        now = datetime(2026, 11, 23, tzinfo=UTC)
        builder.build(directory(), input_digest="e" * 64, created=now, phases=Phases(), checkpoint=checkpoint)

    build(count)
    (whole,) = at.store.folder.iterdir()
    assert steps > 10
    for last in range(1, steps + 1):
        left = last

        def stop() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise InterruptedPassError("stop")

        with pytest.raises(InterruptedPassError):
            build(stop)
        assert list(at.store.folder.iterdir()) == [whole]


def test_ids_of_the_same_millisecond_differ(workshop: MakeWorkshop, directory: MakeDirectory) -> None:
    at = workshop("smtp-in")
    ids = [at.build(directory()).id for _ in range(3)]
    assert ids == [f"20261123T080000.000Z-dddddddd{suffix}" for suffix in ("", "-2", "-3")]
    assert [manifest.id for manifest in at.store.all()] == ids[::-1]
