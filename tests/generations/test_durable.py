"""Names that change by one rename, also when it goes wrong."""

import os
from pathlib import Path

import pytest

from reconfigure import durable

NOBODY = 2**22 + 1  # beyond the largest pid_max, proc(5)


RECORDS = 0o600 if os.geteuid() == 0 else 0o644


def test_a_text_is_replaced_whole_with_its_mode_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "held.json"
    path.touch(0o666)
    durable.replace_text(path, "one")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("one", RECORDS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["held.json"]


def test_readers_who_had_it_open_keep_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "held.json"
    path.write_text("old")
    with path.open() as reader:
        durable.replace_text(path, "new")
        assert reader.read() == "old"


def test_a_text_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "held.json"
    path.mkdir()
    (path / "content").touch()
    with pytest.raises(OSError, match="directory"):
        durable.replace_text(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["held.json"]
    with pytest.raises(OSError, match="directory"):
        durable.replace_link(path, "elsewhere")
    assert [entry.name for entry in tmp_path.iterdir()] == ["held.json"]


def test_a_link_is_made_and_replaced(tmp_path: Path) -> None:
    link = tmp_path / "current"
    (tmp_path / f".current.{os.getpid()}.new").symlink_to("of an earlier process of this id")
    for target in ("generations/a", "generations/b"):
        durable.replace_link(link, target)
        assert str(link.readlink()) == target
    assert [entry.name for entry in tmp_path.iterdir()] == ["current"]


def test_only_what_the_dead_have_left_is_swept(tmp_path: Path) -> None:
    dead, living = f".a.json.{NOBODY}.new", f".a.json.{os.getpid()}.new"
    other = f".b.json.{NOBODY}.new"
    for name in (dead, living, other, "a.json", ".a.json.new", ".profile"):
        (tmp_path / name).touch()
    durable.sweep(tmp_path, only="a.json")
    assert not (tmp_path / dead).exists()
    assert (tmp_path / other).exists()
    durable.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living, "a.json", ".a.json.new", ".profile"])
