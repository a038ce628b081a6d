import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconfigure.cli.status import KEYS

WATCH = """
import atexit, sys
heavy = ("boto3", "botocore", "jinja2", "tenacity", "reconfigure.reconcile", *sys.argv.pop(1).split(","))
atexit.register(lambda: print(",".join(name for name in heavy if name in sys.modules), file=sys.stderr))
from reconfigure.cli import main
main()
"""

FATAL = """
[program:broken]
command=/bin/false
startretries=0
startsecs=1
stdout_logfile=NONE
stderr_logfile=NONE
"""


def _first_line(result: Any) -> str:
    line: str = result.stdout.splitlines()[0]
    return line


def _row(result: Any, label: str) -> str:
    """The value of a row, joined again where it was folded."""
    found = re.search(rf"^  {label} +(.*(?:\n {{10,}}.*)*)", result.stdout, re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def test_before_the_first_pass_it_says_that_nothing_is_live(run: Any) -> None:
    result = run("status")
    assert result.exit_code == 1
    assert _first_line(result) == "imap on task-1: failing"
    assert "no generation yet" in result.stdout


def test_a_well_task_says_so_first_and_ends_with_0(changed: Any, run: Any, active: Callable[[], str]) -> None:  # noqa: ARG001
    result = run("status")
    assert result.exit_code == 0
    assert _first_line(result) == "imap on task-1: ok"
    assert _row(result, "generation").startswith(f"{active()} (built ")
    assert _row(result, "last change").startswith("addresses +1 -2 (")
    assert _row(result, "serves") == "8 addresses (7 active, 1 suspended), 3 domains, 3 users"
    assert _row(result, "last pass").startswith("changed ")
    assert _row(result, "quarantine") == "1 (local-part-characters 1)"
    assert _row(result, "warning").startswith("SQS_QUEUE_URL: is not set")


def test_the_json_document_has_the_documented_keys_and_the_same_content(
    changed: Any,  # noqa: ARG001
    run: Any,
    active: Callable[[], str],
    generations: Callable[[], list[str]],
) -> None:
    document = json.loads(run("status", "--json").stdout)
    assert set(document) == KEYS.keys()
    assert document["health"] == {"status": "ok"}
    assert document["active"]["id"] == active()
    assert document["before"] == generations()[0]
    assert document["last_change"]["changes"] == {"addresses gained": 1, "addresses lost": 2}
    assert document["report"]["pass"]["outcome"] == "changed"
    assert "listed" not in document["report"]["quarantine"]
    listed = json.loads(run("status", "--json", "--quarantine").stdout)["report"]["quarantine"]["listed"]
    assert [one["key"] for one in listed] == ["Bad Row@example.com"]


def test_a_held_generation_is_not_well_and_is_explained_once(
    held: Any,  # noqa: ARG001
    run: Any,
    generations: Callable[[], list[str]],
) -> None:
    result = run("status")
    assert result.exit_code == 1
    assert _first_line(result) == "imap on task-1: degraded"
    assert " ".join(result.stdout.split()).count("4 of 8 addresses would be gone") == 1
    assert generations()[-1] in _row(result, "held")
    document = json.loads(run("status", "--json").stdout)
    assert document["held"]["id"] == generations()[-1]
    assert document["held"]["lost"]["addresses"] == 4


def test_the_last_error_is_told_with_time_and_cause_after_recovery(
    live: Any,
    run: Any,
    environment: pytest.MonkeyPatch,
    double_url: str,
) -> None:
    environment.setenv("ADDRESSES_TABLE", "no-such-table")
    assert run("once").exit_code == 1
    failed = run("status")
    assert failed.exit_code == 1
    assert "no-such-table" in failed.stdout
    environment.setenv("AWS_ENDPOINT_URL", double_url)
    environment.setenv("ADDRESSES_TABLE", live.table)
    assert run("once").exit_code == 0
    result = run("status")
    assert result.exit_code == 0
    assert re.match(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d \(\d+ s ago\): .*no-such-table", _row(result, "last error"))


def test_refused_rows_are_listed_on_request(live: Any, run: Any) -> None:  # noqa: ARG001
    assert "Bad Row" not in run("status").stdout
    listed = run("status", "--quarantine").stdout
    assert "local-part-characters: address Bad Row@example.com (address): " in listed


def test_programs_are_listed_and_one_that_supervisord_gave_up_on_is_failing(
    live: Any,  # noqa: ARG001
    run: Any,
    supervise: Callable[..., Any],
) -> None:
    supervise(FATAL)
    result = run("status")
    assert result.exit_code == 1
    assert _first_line(result) == "imap on task-1: failing"
    assert re.search(r"^  broken +FATAL", result.stdout, re.MULTILINE)
    assert re.search(r"^  mail:opendkim +RUNNING +\d+", result.stdout, re.MULTILINE)
    programs = json.loads(run("status", "--json").stdout)["supervisor"]["programs"]
    assert {one["name"]: one["state"] for one in programs} == {"broken": "FATAL", "mail:opendkim": "RUNNING"}


def test_a_supervisord_that_does_not_answer_is_said_and_no_more(live: Any, run: Any, folder: Path) -> None:  # noqa: ARG001
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(folder / "s"))
        deaf.listen(1)
        result = run("status")
    assert result.exit_code == 0
    assert _row(result, "supervisord").startswith("cannot be asked: ")
    assert json.loads(run("status", "--json").stdout)["supervisor"]["programs"] is None


def test_a_damaged_status_document_does_not_hide_the_rest(
    live: Any,  # noqa: ARG001
    run: Any,
    state: Path,
    active: Callable[[], str],
) -> None:
    (state / "status.json").write_text('{"tier": "imap", "task"')
    result = run("status")
    assert result.exit_code == 1
    assert "status.json is damaged" in result.stdout
    assert active() in _row(result, "generation")
    document = json.loads(run("status", "--json").stdout)
    assert document["report"] is None
    assert document["active"]["id"] == active()


def test_what_a_status_document_says_cannot_move_the_cursor(live: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    document = json.loads((state / "status.json").read_text())
    document["last_error"] = {"time": "\x1b[2J", "error": "\x1b]0;owned\x07 [red]not markup[/red]"}
    document["warnings"] = ["a\rb", "über"]
    document["pass"]["trigger"] = "\x1b[31m"
    (state / "status.json").write_text(json.dumps(document))
    result = run("status")
    assert "\x1b" not in result.stdout
    assert "\r" not in result.stdout
    assert "[red]not markup[/red]" in result.stdout


def test_a_status_document_of_strange_values_is_shown_as_far_as_it_goes(live: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    document = json.loads((state / "status.json").read_text())
    document |= {
        "last_success": "yesterday",
        "next_pass": "2026-11-23T08:00:00",
        "heartbeat": {"last_ok": 7, "last_error": "refused", "consecutive_failures": "many"},
        "reloads": [{}, {"program": None, "result": ["x"]}],
        "quarantine": {"total": 3, "by_reason": {"a\nb": 3}},
        "a key of tomorrow": {},
    }
    document["pass"]["started"] = "9999-99-99"
    (state / "status.json").write_text(json.dumps(document))
    result = run("status")
    assert result.exit_code == 1
    assert "yesterday" in result.stdout


def test_a_damaged_held_document_is_a_problem(held: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    (state / "held.json").write_text("{{")
    result = run("status")
    assert result.exit_code == 1
    assert "held.json cannot be read" in " ".join(result.stdout.split())


def test_everything_fits_in_80_columns(held: Any, run: Any, supervise: Callable[..., Any]) -> None:  # noqa: ARG001
    supervise(FATAL)
    for arguments in (["status"], ["history"], ["once", "--dry-run"]):
        lines = run(*arguments).stdout.splitlines()
        assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("arguments", [["status"], ["history"], ["diff"], ["once", "--dry-run", "--diff"]])
def test_no_escape_sequences_go_into_a_pipe(changed: Any, spawn: Any, arguments: list[str]) -> None:  # noqa: ARG001
    assert "\x1b" not in spawn(*arguments).stdout


@pytest.mark.parametrize(
    ("arguments", "more"),
    [(["status"], "x"), (["status", "--json"], "x"), (["history"], "x"), (["health"], "rich"), (["diff"], "x")],
)
def test_what_only_reads_the_state_folder_does_not_load_aws_or_templates(
    changed: Any,  # noqa: ARG001
    supervise: Callable[..., Any],
    arguments: list[str],
    more: str,
) -> None:
    supervise()
    command = [sys.executable, "-c", WATCH, more, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash makes the pipe whose reader is gone")
@pytest.mark.parametrize(
    "arguments", ["status", "status --json", "history", "diff --files", "once --dry-run", "health"]
)
def test_a_reader_that_is_gone_ends_a_command_without_a_word(changed: Any, arguments: str) -> None:  # noqa: ARG001
    # The reader ends before the writer begins, so the first byte meets a closed pipe.
    script = f'exec 3> >(exec 0<&-; exit 0); wait $!; "$0" -m reconfigure {arguments} >&3'
    command = ["bash", "-c", script, sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == "" or all(line.startswith("{") for line in done.stderr.splitlines()), done.stderr
    assert done.returncode in {0, 1}


def test_an_ascii_terminal_is_no_obstacle(live: Any, spawn: Any, state: Path) -> None:  # noqa: ARG001
    document = json.loads((state / "status.json").read_text())
    document["warnings"] = ["über \N{SNOWMAN}"]
    (state / "status.json").write_text(json.dumps(document))
    done = spawn("status", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert r"\xfcber \u2603" in done.stdout
