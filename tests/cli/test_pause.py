"""`pause` and `resume`: what they order, what others see of it, and what they refuse."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconfigure.cli.pause import KEYS as PAUSE_KEYS
from reconfigure.cli.resume import KEYS as RESUME_KEYS
from reconfigure.generations.lock import exclusive


def test_a_pause_is_in_force_at_once_and_everybody_sees_who_until_when_and_why(live: Any, run: Any) -> None:  # noqa: ARG001
    done = run("pause", "--for", "90m", "--reason", "moving the address table")
    assert done.exit_code == 0
    assert "Nothing is applied until then, or until 'reconfigure resume'. Mail goes on." in done.stdout
    status = run("status")
    assert status.exit_code == 1
    assert status.stdout.splitlines()[0] == "imap on task-1: degraded"
    assert "paused until " in status.stdout
    assert "moving the address table" in status.stdout
    document = json.loads(run("status", "--json").stdout)["paused"]
    assert document["why"] == "moving the address table"
    assert document["by"]
    health = run("health")
    assert health.exit_code == 0, "a pause is no reason to replace a container"
    assert json.loads(health.stdout)["status"] == "degraded"


def test_nothing_is_applied_in_a_pause_and_resume_ends_it(live: Any, run: Any, active: Any) -> None:
    before = active()
    run("pause")
    live.put("new@example.com", "alice")
    refused = run("once")
    assert refused.exit_code == 1
    assert "paused" in refused.stderr + refused.stdout
    assert active() == before
    resumed = run("resume")
    assert resumed.exit_code == 0
    assert "no longer paused until " in resumed.stdout
    assert run("once").exit_code == 0
    assert active() != before


def test_the_json_documents_have_the_documented_keys(live: Any, run: Any) -> None:  # noqa: ARG001
    paused = json.loads(run("pause", "--for", "1h30m", "--json").stdout)
    assert paused.keys() == PAUSE_KEYS.keys()
    assert paused["quiet"] is True
    resumed = json.loads(run("resume", "--json").stdout)
    assert resumed.keys() == RESUME_KEYS.keys()
    assert resumed["pause_ended"].startswith("paused until ")
    assert resumed["pin_lifted"] is None
    assert json.loads(run("resume", "--json").stdout) == {"pause_ended": None, "pin_lifted": None}


@pytest.mark.parametrize("length", ["", "0", "-5m", "1d", "25h", "999999h", "5 m", "m", "1.5h", "\u0661h", "1h\n"])
def test_a_length_that_is_none_is_refused_and_nothing_is_paused(live: Any, run: Any, state: Path, length: str) -> None:  # noqa: ARG001
    done = run("pause", "--for", length)
    if length == "1h\n":  # white space around it is nothing to quarrel about
        assert done.exit_code == 0
        return
    assert done.exit_code == 2
    assert not (state / "paused").exists()


@pytest.mark.parametrize("reason", ["two\nlines", "\x1b[2J", "x" * 301])
def test_a_reason_that_could_move_a_cursor_or_fill_a_page_is_refused(
    live: Any,  # noqa: ARG001
    run: Any,
    state: Path,
    reason: str,
) -> None:
    assert run("pause", "--reason", reason).exit_code == 2
    assert not (state / "paused").exists()


def test_the_history_and_the_log_of_passes_tell_both(live: Any, run: Any) -> None:  # noqa: ARG001
    run("pause", "--reason", "to look at something")
    run("resume")
    told = run("logs").stdout
    assert "paused until " in told
    assert "to look at something" in told
    assert "resumed by " in told


def test_while_a_pass_goes_on_it_is_paused_and_says_that_it_is_not_quiet_yet(
    live: Any,  # noqa: ARG001
    run: Any,
    state: Path,
    environment: Any,
) -> None:
    environment.setenv("RECONFIGURE_LOCK_WAIT", "0.2")
    with exclusive(state, wait=1):
        done = run("pause")
    assert done.exit_code == 1
    assert "A pass is still under way" in done.stdout
    assert (state / "paused").exists()


def test_without_a_state_folder_there_is_nothing_to_pause(run: Any, state: Path) -> None:
    assert not state.exists()
    done = run("pause")
    assert done.exit_code == 1
    assert "RECONFIGURE_STATE_DIR" in done.stderr
    assert not state.exists()


def test_resume_ends_a_pause_that_cannot_be_read(live: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    (state / "paused").write_text("{half")
    assert "paused without an end" in run("status").stdout
    assert run("resume").exit_code == 0
    assert not (state / "paused").exists()
    assert run("status").exit_code == 0
