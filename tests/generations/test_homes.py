"""Homes: made when missing, and otherwise left alone."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from reconfigure.directory.model import User
from reconfigure.homes import Owners, make_missing

USERS = (User("alice", 2001), User("bob", 2002), User("carol", 2003))
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give folders away")


def test_missing_homes_are_made_for_their_users_alone(tmp_path: Path) -> None:
    homes = tmp_path / "home"
    before = os.umask(0o022)
    try:
        assert make_missing(homes, USERS) == []
    finally:
        os.umask(before)
    assert sorted(path.name for path in homes.iterdir()) == ["alice", "bob", "carol"]
    assert {path.stat().st_mode & 0o7777 for path in homes.iterdir()} == {0o700}


@ROOT
def test_each_home_belongs_to_its_user(tmp_path: Path) -> None:
    make_missing(tmp_path, USERS)
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()}
    assert owners == {user.name: (user.uid, user.uid) for user in USERS}


def test_what_exists_is_untouched_whatever_it_is(tmp_path: Path, seen: Callable[[Path], dict[str, Any]]) -> None:
    homes = tmp_path / "home"
    (homes / "alice" / "Maildir").mkdir(parents=True)
    (homes / "alice").chmod(0o755)
    (tmp_path / "elsewhere").mkdir()
    (homes / "bob").symlink_to(tmp_path / "elsewhere")
    (homes / "carol").symlink_to(tmp_path / "nowhere")
    (homes / "former").mkdir()
    before = seen(tmp_path)
    assert make_missing(homes, USERS) == []
    assert seen(tmp_path) == before


def test_two_containers_on_one_volume_make_each_home_once(tmp_path: Path) -> None:
    users = [User(f"user{n}", 3000 + n) for n in range(50)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: make_missing(tmp_path, users), range(4)))
    assert results == [[]] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(user.name for user in users)


def test_what_an_ended_process_left_stands_in_nobodys_way_and_goes_when_old(tmp_path: Path) -> None:
    fresh, stale, kept = (tmp_path / f".alice.{name}.new" for name in ("fresh", "stale", "kept"))
    for folder in (fresh, stale, kept):
        folder.mkdir()
    (kept / "mail").touch()
    for folder in (stale, kept):
        os.utime(folder, (0, 0))
    (tmp_path / f".alice.{os.getpid()}.new").mkdir()
    assert make_missing(tmp_path, USERS) == []
    left = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("."))
    assert left == sorted([f".alice.{os.getpid()}.new", fresh.name, kept.name])
    assert (tmp_path / "alice").is_dir()


def test_a_home_that_cannot_be_made_is_a_line_and_the_others_are_made(tmp_path: Path) -> None:
    problems = make_missing(tmp_path, (User("x" * 300, 2000), *USERS))
    assert len(problems) == 1
    assert problems[0].startswith(f"making the home {tmp_path}/xxx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alice", "bob", "carol"]


def test_a_volume_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    (problem,) = make_missing(tmp_path / "home", USERS)
    assert problem.startswith(f"making homes in {tmp_path}/home failed: ")


@ROOT
def test_a_home_that_belongs_to_another_number_is_said_until_it_is_mended(tmp_path: Path) -> None:
    make_missing(tmp_path, USERS)
    owners = Owners(tmp_path)
    assert owners.foreign(USERS) == []
    moved = (User("alice", 2009), *USERS[1:])
    for _ in range(2):
        (line,) = owners.foreign(moved)
        assert line.startswith(
            f"the home {tmp_path}/alice belongs to UID 2001, and alice has 2009: mail for them waits"
        )
        assert f"chown -R 2009:2009 {tmp_path}/alice" in line
    os.chown(tmp_path / "alice", 2009, 2009)
    assert owners.foreign(moved) == []


@ROOT
def test_of_many_homes_some_are_looked_at_each_time_and_all_in_the_end(tmp_path: Path) -> None:
    users = [User(f"user{n:02}", 3000 + n) for n in range(30)]
    make_missing(tmp_path, users)
    os.chown(tmp_path / "user25", 1, 1)
    owners = Owners(tmp_path, looks=10)
    assert [len(owners.foreign(users)) for _ in range(4)] == [0, 0, 1, 1]


@ROOT
def test_a_volume_where_nothing_belongs_to_anybody_is_a_few_lines(tmp_path: Path) -> None:
    users = [User(f"user{n:02}", 3000 + n) for n in range(30)]
    for user in users:
        (tmp_path / user.name).mkdir()
    lines = Owners(tmp_path).foreign(users)
    assert (len(lines), lines[-1]) == (6, "so it is with 25 more homes")
