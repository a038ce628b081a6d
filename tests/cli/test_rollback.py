import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconfigure.generations.lock import exclusive


def _history(state: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (state / "history.jsonl").read_text().splitlines()]


def _status(state: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((state / "status.json").read_text())
    return document


def test_it_returns_to_the_generation_before_and_pins_it(
    changed: Any,  # noqa: ARG001
    run: Any,
    active: Callable[[], str],
    generations: Callable[[], list[str]],
) -> None:
    old, _ = generations()
    result = run("rollback", "--yes")
    assert result.exit_code == 0
    assert active() == old
    said = " ".join(result.stdout.split())
    assert f"live now: {old}" in said
    assert f"{old} is pinned: nothing else goes live until 'reconfigure resume' lifts the pin" in said


def test_no_pass_undoes_it_whatever_the_source_says_until_resume(
    changed: Any, run: Any, active: Callable[[], str], generations: Callable[[], list[str]]
) -> None:
    old = generations()[0]
    assert run("rollback", "--yes").exit_code == 0
    assert run("once").exit_code == 1
    changed.put("another@example.com", "bob")
    result = run("once")
    assert result.exit_code == 1
    assert "imap: pinned" in result.stdout
    assert "addresses +2 -2" in result.stdout
    assert active() == old
    assert len(generations()) == 2, "nothing is built for what may not go live"
    assert run("resume").exit_code == 0
    assert run("once").exit_code == 0
    assert active() == generations()[-1] != old


def test_approve_of_what_is_held_lifts_the_pin(
    changed: Any, run: Any, active: Callable[[], str], generations: Callable[[], list[str]], state: Path
) -> None:
    changed.delete("seeds@garden.example.org", "bees@garden.example.org", "carol@example.com", "bob@example.com")
    assert run("once").exit_code == 1
    held = generations()[-1]
    assert run("rollback", "--yes").exit_code == 0
    assert json.loads(run("status", "--json").stdout)["held"]["id"] == held
    assert run("approve", "--yes").exit_code == 0
    assert active() == held
    assert not (state / "pinned.json").exists()
    assert run("once").exit_code == 0


def test_status_and_history_say_so_at_once_by_whom_and_why(
    changed: Any,  # noqa: ARG001
    run: Any,
    state: Path,
    environment: pytest.MonkeyPatch,
    generations: Callable[[], list[str]],
) -> None:
    environment.setenv("SUDO_USER", "carol")
    old, _ = generations()
    assert run("rollback", "--yes", "--reason", "half of acme is gone").exit_code == 0
    me = f"{pwd.getpwuid(os.getuid()).pw_name} (sudo by carol)"
    line = _history(state)[-1]
    assert (line["outcome"], line["by"], line["generation"], line["held"]) == ("rolled back", me, old, None)
    assert line["reason"] == "half of acme is gone"
    status = _status(state)
    assert (status["state"], status["generation"], status["held"]) == ("pinned", old, None)
    assert (status["pinned"]["generation"], status["pinned"]["by"]) == (old, me)
    shown = run("status")
    assert shown.exit_code == 1
    said = " ".join(shown.stdout.split())
    assert f"rolled back by {me}" in said
    assert f"pinned to generation {old} by {me} since" in said
    assert "half of acme is gone" in said
    pinned = json.loads(run("status", "--json").stdout)["pinned"]
    assert (pinned["generation"], pinned["by"], pinned["why"]) == (old, me, "half of acme is gone")
    assert "rolled back" in run("history").stdout
    assert json.loads(run("health").stdout)["status"] == "degraded"


@pytest.mark.parametrize("reason", ["two\nlines", "\x1b[2J", "x" * 301])
def test_a_reason_that_could_forge_a_line_is_refused(
    changed: Any,  # noqa: ARG001
    run: Any,
    active: Callable[[], str],
    reason: str,
) -> None:
    before = active()
    assert run("rollback", "--yes", "--reason", reason).exit_code == 2
    assert active() == before


def test_it_goes_to_the_generation_that_is_named(
    changed: Any, run: Any, active: Callable[[], str], generations: Callable[[], list[str]]
) -> None:
    changed.put("third@example.com", "bob")
    assert run("once").exit_code == 0
    first = generations()[0]
    assert run("rollback", first[-8:], "--yes").exit_code == 0
    assert active() == first


@pytest.mark.parametrize(
    ("names", "why"),
    [(["active"], "active already"), (["nonsense"], "there is no generation"), (["held"], "nothing is")],
)
def test_what_cannot_be_returned_to_changes_nothing(
    changed: Any,  # noqa: ARG001
    run: Any,
    active: Callable[[], str],
    state: Path,
    names: list[str],
    why: str,
) -> None:
    before = active(), _history(state), _status(state)
    result = run("rollback", *names, "--yes")
    assert result.exit_code == 1
    assert why in result.stderr
    assert (active(), _history(state), _status(state)) == before
    assert not (state / "held.json").exists()
    assert not (state / "pinned.json").exists()


def test_with_one_generation_there_is_nothing_to_return_to(live: Any, run: Any) -> None:  # noqa: ARG001
    result = run("rollback", "--yes")
    assert result.exit_code == 1
    assert "there is no generation before" in result.stderr


def test_without_a_terminal_it_asks_for_yes_after_showing_what_would_change(
    changed: Any,  # noqa: ARG001
    run: Any,
    active: Callable[[], str],
) -> None:
    before = active()
    result = run("rollback")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert "- new@acme.example.com  active  carol" in result.stdout
    assert active() == before


def test_while_a_pass_runs_it_waits_no_longer_than_allowed(
    changed: Any,  # noqa: ARG001
    run: Any,
    active: Callable[[], str],
    state: Path,
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("RECONFIGURE_LOCK_WAIT", "0")
    before = active()
    with exclusive(state, wait=0):
        result = run("rollback", "--yes")
    assert result.exit_code == 1
    assert f"pid {os.getpid()}" in result.stderr
    assert active() == before


def test_a_damaged_generation_is_not_returned_to(
    changed: Any,  # noqa: ARG001
    run: Any,
    active: Callable[[], str],
    state: Path,
) -> None:
    before = active()
    (state / "previous" / "mail" / "access").write_text("open relay\n")
    result = run("rollback", "--yes")
    assert result.exit_code == 1
    assert "damaged" in result.stderr
    assert active() == before


def test_who_may_not_write_the_state_folder_is_told(
    changed: Any,  # noqa: ARG001
    spawn: Any,
    state: Path,
    active: Callable[[], str],
) -> None:
    before = active()
    (state / "lock").unlink(missing_ok=True)
    state.chmod(0o555)
    try:
        done = spawn("rollback", "--yes", powerless=True)
    finally:
        state.chmod(0o755)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    assert active() == before


def test_daemons_are_told_of_the_flip(
    world: Any,
    run: Any,
    supervise: Callable[..., Any],
    environment: pytest.MonkeyPatch,
    folder: Path,
) -> None:
    environment.setenv("TIER", "smtp-out")
    supervise()
    first = run("once")
    assert first.exit_code == 0, first.output
    world.put("hello@example.net", "carol")
    assert run("once").exit_code == 0
    (folder / "told").write_text("")
    result = run("rollback", "--yes")
    assert result.exit_code == 0
    assert "mail:opendkim (signal:USR1): told" in result.stdout
    assert (folder / "told").read_text() == "USR1 "


def test_a_daemon_that_cannot_be_told_is_said_and_ends_with_1(
    world: Any, run: Any, environment: pytest.MonkeyPatch, state: Path, active: Callable[[], str]
) -> None:
    environment.setenv("TIER", "smtp-out")
    environment.setenv("RECONFIGURE_ABSENT_PROGRAMS", "skip")
    assert run("once").exit_code == 0
    first = active()
    world.put("hello@example.net", "carol")
    assert run("once").exit_code == 0
    environment.setenv("RECONFIGURE_ABSENT_PROGRAMS", "fail")
    result = run("rollback", "--yes")
    assert result.exit_code == 1
    assert active() == first
    assert "mail:opendkim (signal:USR1): failed" in result.stdout
    assert "the next pass tries again" in result.stdout
    assert "supervisord did not answer" in _status(state)["last_error"]["error"]
    assert "supervisord did not answer" in _history(state)[-1]["reason"]


def test_a_damaged_status_document_is_replaced(changed: Any, run: Any, state: Path, active: Callable[[], str]) -> None:  # noqa: ARG001
    (state / "status.json").write_text("{")
    assert run("rollback", "--yes").exit_code == 0
    assert _status(state)["generation"] == active()
