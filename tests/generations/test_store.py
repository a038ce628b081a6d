"""The state folder: links, what is held, what is pruned, and what is cleared up."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconfigure.directory.model import Directory
from reconfigure.errors import GenerationError
from reconfigure.generations.store import GenerationStore, Held

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=30)

MakeDirectory = Callable[..., Directory]
MakeWorkshop = Callable[..., Any]


def held(generation: str) -> Held:
    return Held(id=generation, reasons=("too much",), lost={"addresses": 9}, since="now", input_digest="f" * 64)


def test_before_the_first_generation_nothing_is_active_held_or_before(tmp_path: Path) -> None:
    store = GenerationStore(tmp_path / "state")
    assert (store.active(), store.before(), store.held(), store.all()) == (None, None, None, [])
    store.prepare()
    assert (store.active(), store.before(), store.held(), store.all()) == (None, None, None, [])
    assert store.prune(keep=2, days=0, now=NOW) == []


@pytest.mark.parametrize("mode", [0o1777, 0o777, 0o775, 0o700, 0o711])
def test_folders_let_everybody_in_and_nobody_else_write(tmp_path: Path, mode: int) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)  # as a file system in memory is that was mounted without a mode
    GenerationStore(state).prepare()
    assert state.stat().st_mode & 0o777 == 0o755
    assert (state / "generations").stat().st_mode & 0o777 == 0o755


def test_current_and_previous_are_relative_links_that_follow_each_flip(
    workshop: MakeWorkshop, directory: MakeDirectory
) -> None:
    at = workshop("smtp-in")
    first, second = at.live(directory()), at.live(directory())
    assert str(at.store.current.readlink()) == f"generations/{second.id}"
    assert str(at.store.previous.readlink()) == f"generations/{first.id}"
    assert (at.store.active(), at.store.before()) == (second, first)


def test_activating_what_is_active_changes_nothing(
    workshop: MakeWorkshop, directory: MakeDirectory, seen: Callable[[Path], dict[str, Any]]
) -> None:
    at = workshop("smtp-in")
    at.live(directory())
    second = at.live(directory())
    before = seen(at.store.state_dir)
    at.store.activate(second.id)
    assert seen(at.store.state_dir) == before


def flip_a_bit(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


@pytest.mark.parametrize(
    "damage", [flip_a_bit, Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.chmod(0o600)]
)
def test_a_damaged_generation_is_not_activated(
    workshop: MakeWorkshop, directory: MakeDirectory, damage: Callable[[Path], object]
) -> None:
    at = workshop("smtp-in")
    first = at.live(directory())
    second = at.build(directory({"a@example.com": "alice"}))
    damage(at.file(second, "mail/access.db"))
    with pytest.raises(GenerationError, match=f"{second.id} was changed or damaged since it was built"):
        at.store.activate(second.id)
    assert at.store.active() == first
    assert at.store.before() is None


def test_a_generation_that_does_not_exist_is_said_with_those_that_do(
    workshop: MakeWorkshop, directory: MakeDirectory
) -> None:
    at = workshop("smtp-in")
    first = at.live(directory())
    with pytest.raises(GenerationError, match=f"there is no generation 'nope'; the newest are: {first.id}"):
        at.store.activate("nope")


def test_prune_keeps_the_newest_and_whatever_is_active_before_or_held(
    workshop: MakeWorkshop, directory: MakeDirectory
) -> None:
    at = workshop("smtp-in")
    made = [at.build(directory(), now=NOW - timedelta(minutes=60 - minute)) for minute in range(8)]
    at.store.activate(made[0].id)
    at.store.activate(made[1].id)
    at.store.hold(held(made[2].id))
    assert set(at.store.prune(keep=2, days=1, now=NOW)) == {made[n].id for n in (3, 4, 5)}
    assert {manifest.id for manifest in at.store.all()} == {made[n].id for n in (0, 1, 2, 6, 7)}
    assert sorted(path.name for path in at.store.folder.iterdir()) == [made[n].id for n in (0, 1, 2, 6, 7)]


def test_prune_removes_what_is_too_old_but_never_what_is_active_before_or_held(
    workshop: MakeWorkshop, directory: MakeDirectory
) -> None:
    at = workshop("smtp-in")
    made = [at.build(directory(), now=OLD + timedelta(minutes=minute)) for minute in range(4)]
    at.store.activate(made[0].id)
    at.store.activate(made[1].id)
    at.store.hold(held(made[2].id))
    assert at.store.prune(keep=20, days=14, now=NOW) == [made[3].id]
    assert at.store.is_sound(made[1])


def test_pruning_the_others_leaves_shared_files_whole(workshop: MakeWorkshop, directory: MakeDirectory) -> None:
    at = workshop("smtp-in")
    for minute in range(5):
        last = at.build(directory(), now=NOW + timedelta(minutes=minute))
        at.store.activate(last.id)
    at.store.prune(keep=2, days=14, now=NOW)
    assert len(at.store.all()) == 2
    assert at.store.is_sound(last)


def test_what_an_interrupted_pass_left_is_cleared_up(workshop: MakeWorkshop, directory: MakeDirectory) -> None:
    at = workshop("smtp-in")
    first = at.live(directory())
    (at.store.folder / ".building-x" / "mail").mkdir(parents=True)
    (at.store.folder / ".building-x" / "mail" / "access").write_text("half")
    (at.store.folder / "20261123T000000.000Z-half-pruned" / "mail").mkdir(parents=True)
    nobody = 2**22 + 1  # beyond the largest pid_max, proc(5)
    (at.store.state_dir / f".held.json.{nobody}.new").write_text("{")
    (at.store.state_dir / f".current.{nobody}.new").symlink_to("generations/x")
    at.store.prepare()
    assert [path.name for path in at.store.folder.iterdir()] == [first.id]
    assert sorted(path.name for path in at.store.state_dir.iterdir()) == ["current", "generations"]


def test_the_live_folder_stays_even_without_its_manifest(workshop: MakeWorkshop, directory: MakeDirectory) -> None:
    """Somebody removed the manifest by hand: daemons still follow the link, so what is there goes on serving."""
    at = workshop("smtp-in")
    first = at.live(directory())
    at.file(first, "manifest.json").unlink()
    at.store.prepare()
    assert (at.store.current / "mail" / "access.db").exists()
    assert at.store.active() is None
    second = at.live(directory())
    assert at.store.active() == second
    at.store.prepare()
    assert [path.name for path in at.store.folder.iterdir()] == [second.id]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe{}", b'{"files": 3}', b'{"files": {"a": {}}}'])
def test_a_manifest_that_cannot_be_read_is_an_error_of_its_own_generation_only(
    workshop: MakeWorkshop, directory: MakeDirectory, content: bytes
) -> None:
    at = workshop("smtp-in")
    broken, whole = at.build(directory(), now=OLD), at.build(directory())
    at.store.activate(whole.id)
    at.file(broken, "manifest.json").write_bytes(content)
    with pytest.raises(GenerationError, match=r"manifest\.json is not a generation's manifest"):
        at.store.load(broken.id)
    assert at.store.all() == [whole]
    assert at.store.prune(keep=20, days=3650, now=NOW) == [broken.id]
    assert not at.store.path(broken.id).exists()


def test_a_manifest_of_a_newer_version_is_read(workshop: MakeWorkshop, directory: MakeDirectory) -> None:
    at = workshop("smtp-in")
    made = at.live(directory())
    path = at.file(made, "manifest.json")
    document = json.loads(path.read_text())
    document["weather"] = "fine"
    document["files"]["mail/access"]["colour"] = "blue"
    path.write_text(json.dumps(document))
    assert at.store.active() == made


def test_a_manifest_of_an_older_version_remembers_nothing_of_the_day(
    workshop: MakeWorkshop, directory: MakeDirectory
) -> None:
    at = workshop("smtp-in")
    made = at.live(directory())
    path = at.file(made, "manifest.json")
    document = json.loads(path.read_text())
    del document["peaks"]
    path.write_text(json.dumps(document))
    assert at.store.active() == replace(made, peaks={})


@pytest.mark.parametrize("peaks", [3, {"addresses": 3}, {"addresses": {"2026-11-28T08:00:00+00:00": "many"}}])
def test_a_manifest_whose_memory_of_the_day_was_edited_is_an_error(
    workshop: MakeWorkshop, directory: MakeDirectory, peaks: object
) -> None:
    at = workshop("smtp-in")
    made = at.live(directory())
    path = at.file(made, "manifest.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "peaks": peaks}))
    with pytest.raises(GenerationError, match=r"manifest\.json is not a generation's manifest"):
        at.store.active()


def test_an_end_between_the_two_links_of_a_flip_leaves_no_false_before(
    workshop: MakeWorkshop, directory: MakeDirectory
) -> None:
    at = workshop("smtp-in")
    at.live(directory())
    second = at.live(directory())
    at.store.previous.unlink()
    at.store.previous.symlink_to(f"generations/{second.id}")
    assert at.store.active() == second
    assert at.store.before() is None


def test_held_is_remembered_replaced_and_released(workshop: MakeWorkshop, directory: MakeDirectory) -> None:
    at = workshop("smtp-in")
    first, second = at.build(directory()), at.build(directory())
    for one in (first, second):
        at.store.hold(held(one.id))
        assert at.store.held() == held(one.id)
    at.store.release()
    at.store.release()
    assert at.store.held() is None


def test_what_is_held_without_a_folder_is_not_held(workshop: MakeWorkshop) -> None:
    at = workshop("smtp-in")
    at.store.prepare()
    at.store.hold(held("gone"))
    assert at.store.held() is None


def test_a_damaged_note_of_what_is_held_is_said(workshop: MakeWorkshop) -> None:
    at = workshop("smtp-in")
    at.store.prepare()
    (at.store.state_dir / "held.json").write_bytes(b'{"id": 3}')
    with pytest.raises(GenerationError, match=r"held\.json cannot be read"):
        at.store.held()
