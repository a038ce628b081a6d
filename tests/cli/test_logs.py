"""`logs`: the last passes in words, whatever the history holds; and the command without a name."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from reconfigure.cli import COMMANDS
from reconfigure.cli.logs import KEYS, words


@contextmanager
def going_on(*arguments: str) -> Iterator[Any]:
    """Run a command that goes on until it is interrupted, and interrupt it."""
    command = [sys.executable, "-m", "reconfigure", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert said == ""


def test_passes_are_told_in_words_oldest_first(changed: Any, run: Any, active: Any) -> None:  # noqa: ARG001
    day, *passes = run("logs").stdout.splitlines()
    datetime.strptime(day, "%Y-%m-%d")  # noqa: DTZ007 - a day is no time
    told = " ".join(" ".join(passes).split())
    first, second = told.index("applied 8 addresses gained, 3 domains"), told.index("applied 1 address gained, 2 ad")
    assert first < second
    assert f"by operator; generation {active()}" in told[second:]


def test_a_last_pass_that_found_nothing_to_do_is_told_though_it_is_not_kept(live: Any, run: Any) -> None:  # noqa: ARG001
    run("once")
    assert "found nothing to do" in run("logs").stdout.splitlines()[-1]
    document = json.loads(run("logs", "--json").stdout)
    assert document.keys() == KEYS.keys()
    assert document["last_pass"]["outcome"] == "unchanged"
    assert [one["record"]["outcome"] for one in document["passes"]] == ["changed"]


def test_no_more_are_told_than_asked(changed: Any, run: Any) -> None:  # noqa: ARG001
    assert len(json.loads(run("logs", "-n", "1", "--json").stdout)["passes"]) == 1
    assert json.loads(run("logs", "-n", "0", "--json").stdout)["passes"] == []


def test_a_follower_tells_what_comes_until_it_is_interrupted(live: Any, run: Any) -> None:
    with going_on("logs", "--follow", "--json", "-n", "1") as follower:
        first = json.loads(follower.stdout.readline())
        live.put("new@example.com", "alice")
        run("once")
        second = json.loads(follower.stdout.readline())
    assert first["record"]["outcome"] == second["record"]["outcome"] == "changed"
    assert second["record"]["changes"] == {"addresses gained": 1}
    assert follower.returncode == 0


def test_before_the_first_pass_it_says_how_to_make_one(run: Any) -> None:
    assert run("logs").stdout == "no pass yet; 'reconfigure once' makes one\n"


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"outcome": None},
        {"outcome": "changed", "changes": "many", "seconds": "long"},
        {"reason": "\x1b[2J", "by": 7},
    ],
)
def test_strange_lines_of_a_history_have_words_that_move_no_cursor(record: dict[str, Any]) -> None:
    assert words(record).isprintable()


def test_a_damaged_history_is_told_as_far_as_it_goes(changed: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    path = state / "history.jsonl"
    path.write_bytes(path.read_bytes() + b'{"outcome": "chan')
    done = run("logs")
    assert done.exit_code == 0
    assert "2 addresses lost" in done.stdout


def test_without_a_command_it_shows_the_status_and_five_next_commands_that_exist(live: Any, run: Any) -> None:  # noqa: ARG001
    done = run()
    assert done.exit_code == 0
    assert done.stdout.startswith("imap on task-1: ok")
    below = done.stdout.split("\nnext\n")[1]
    named = [line.split()[1] for line in below.splitlines() if line.strip().startswith("reconfigure ")]
    assert len(named) == 5
    assert set(named) <= COMMANDS.keys()


def test_without_a_command_what_is_urgent_comes_first(held: Any, run: Any) -> None:  # noqa: ARG001
    done = run()
    assert done.exit_code == 1
    assert done.stdout.split("\nnext\n")[1].split()[:3] == ["reconfigure", "diff", "--held"]


def test_watching_into_a_pipe_prints_one_document_after_the_other(live: Any) -> None:  # noqa: ARG001
    with going_on("status", "--watch", "0.2", "--json") as watcher:
        seen = [json.loads(watcher.stdout.readline()) for _ in range(2)]
    assert [one["health"]["status"] for one in seen] == ["ok", "ok"]
    assert watcher.returncode == 0
