import json
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconfigure.cli.once import KEYS
from reconfigure.generations.lock import exclusive

PROJECT = Path(__file__).parents[2]


def _tree(folder: Path) -> dict[str, tuple[int, int, int]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size, path.lstat().st_ino) for path in folder.rglob("*")
    }


def _closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def test_a_pass_says_what_it_came_to_on_one_screen(world: Any, run: Any, active: Callable[[], str]) -> None:  # noqa: ARG001
    result = run("once")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("imap: changed in ")
    said = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[1:]}
    assert said["generation"] == active()
    assert said["changes"] == "addresses +8, domains +3, users +3"
    assert said["serves"] == "8 addresses (8 active), 3 domains, 3 users"
    assert said["quarantine"] == "1 (local-part-characters 1)"
    assert len(lines) < 24


def test_a_pass_is_reported_in_status_history_and_log(world: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    result = run("once")
    status = json.loads((state / "status.json").read_text())
    (line,) = map(json.loads, (state / "history.jsonl").read_text().splitlines())
    (logged,) = (json.loads(text) for text in result.stderr.splitlines() if "pass_finished" in text)
    assert status["pass"]["outcome"] == line["outcome"] == logged["outcome"] == "changed"
    assert status["pass"]["trigger"] == line["trigger"] == "operator"
    assert logged["tier"] == "imap"


def test_a_pass_with_nothing_to_do_is_good_and_leaves_no_line(live: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    result = run("once")
    assert result.exit_code == 0
    assert result.stdout.startswith("imap: unchanged")
    assert len((state / "history.jsonl").read_text().splitlines()) == 1


def test_the_json_document_has_the_documented_keys_and_the_same_content(changed: Any, run: Any) -> None:
    changed.put("more@acme.example.com", "bob")
    result = run("once", "--json", "--diff")
    document = json.loads(result.stdout)
    assert set(document) == KEYS.keys() - {"against"}
    assert document["outcome"] == "changed"
    assert document["changes"] == {"addresses gained": 1}
    assert document["quarantine"] == {"total": 1, "by_reason": {"local-part-characters": 1}}
    assert [one["name"] for one in document["diff"]["addresses"]["listed"]] == ["more@acme.example.com"]


def test_a_held_pass_ends_with_1_and_says_why_and_what_to_do(held: Any, run: Any, active: Callable[[], str]) -> None:  # noqa: ARG001
    before = active()
    result = run("once", "--diff")
    assert result.exit_code == 1
    assert active() == before
    said = " ".join(result.stdout.split())
    assert "4 of 8 addresses would be gone" in said
    assert "reconfigure diff --held" in said
    assert "- bees@garden.example.org active carol" in said


@pytest.mark.parametrize("arguments", [["once"], ["once", "--dry-run"], ["once", "--json"], ["diff", "--source"]])
def test_a_source_that_cannot_be_read_is_said_and_ends_with_1(
    live: Any,  # noqa: ARG001
    spawn: Any,
    environment: pytest.MonkeyPatch,
    active: Callable[[], str],
    arguments: list[str],
) -> None:
    environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{_closed_port()}")
    environment.setenv("RECONFIGURE_READ_ATTEMPTS", "1")
    before = active()
    done = spawn(*arguments)
    assert done.returncode == 1
    assert "Could not connect" in done.stdout + done.stderr
    assert active() == before


def test_a_pass_waits_for_the_lock_and_says_who_holds_it(
    live: Any, run: Any, state: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("RECONFIGURE_LOCK_WAIT", "0")
    live.put("new@acme.example.com", "carol")
    with exclusive(state, wait=0):
        result = run("once")
        assert result.exit_code == 1
        assert f"pid {os.getpid()}" in result.stdout
        # A dry run changes nothing, so it waits for nobody.
        assert run("once", "--dry-run").exit_code == 3


def test_a_dry_run_ends_with_3_for_a_difference_and_writes_nothing(live: Any, run: Any, state: Path) -> None:
    assert run("once", "--dry-run").exit_code == 0
    live.put("new@acme.example.com", "carol")
    before = _tree(state)
    result = run("once", "--dry-run", "--diff")
    assert result.exit_code == 3
    assert _tree(state) == before
    assert result.stdout.startswith("imap: would change")
    assert "+ new@acme.example.com  active  carol" in result.stdout
    assert re.search(r"mail/virtusertable +1 added", result.stdout)


def test_a_dry_run_without_a_state_folder_makes_none(world: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    result = run("once", "--dry-run", "--json")
    assert result.exit_code == 3
    assert not state.exists()
    document = json.loads(result.stdout)
    assert document["dry_run"] is True
    assert document["generation"] is None
    assert set(document) == KEYS.keys() - {"against", "diff", "phases", "reloads"}


def test_a_dry_run_says_that_the_guard_would_hold_it(live: Any, run: Any) -> None:
    live.delete("seeds@garden.example.org", "bees@garden.example.org", "carol@example.com", "bob@example.com")
    result = run("once", "--dry-run")
    assert result.exit_code == 3
    assert result.stdout.startswith("imap: would be held")
    assert "4 of 8 addresses would be gone" in " ".join(result.stdout.split())


def test_a_dry_run_finds_what_is_held_already(held: Any, run: Any, generations: Callable[[], list[str]]) -> None:  # noqa: ARG001
    result = run("once", "--dry-run", "--json")
    assert result.exit_code == 3
    document = json.loads(result.stdout)
    assert (document["outcome"], document["held"]) == ("held", generations()[-1])


def test_a_dry_run_needs_only_read_rights(live: Any, spawn: Any, state: Path) -> None:
    live.put("new@acme.example.com", "carol")
    live.add_user("dave", 2004)
    folders = [state, *(path for path in state.rglob("*") if path.is_dir() and not path.is_symlink())]
    (state / "current" / "passwd" / "shadow").chmod(0)
    for folder in folders:
        folder.chmod(0o555)
    try:
        done = spawn("once", "--dry-run", "--diff", powerless=True)
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 3, done.stderr
    assert "+ new@acme.example.com  active  carol" in done.stdout
    assert re.search(r"passwd/shadow +differs; this user may not read it", done.stdout)


def test_a_template_that_does_not_render_ends_a_dry_run_with_78(
    live: Any,  # noqa: ARG001
    spawn: Any,
    folder: Path,
    environment: pytest.MonkeyPatch,
) -> None:
    templates = folder / "templates"
    shutil.copytree(PROJECT / "templates", templates)
    (templates / "imap" / "virtusertable.j2").write_text("{{ world.no_such_thing }}\n")
    environment.setenv("RECONFIGURE_TEMPLATES_DIR", str(templates))
    done = spawn("once", "--dry-run")
    assert done.returncode == 78
    assert "virtusertable.j2" in done.stderr
    assert "no_such_thing" in done.stderr


def test_against_a_folder_only_meaning_counts(world: Any, run: Any, folder: Path, state: Path) -> None:  # noqa: ARG001
    mail = folder / "mail"
    mail.mkdir()
    lines = [
        "# by the old loop",
        "",
        "TEAM@acme.example.com\t\talice.bob   ",
        *(f"{local}   {user}" for local, user in (("Alice@example.com", "alice"), ("bob@example.com", "bob"))),
        "carol@example.com\tcarol",
        "seeds@garden.example.org carol",
        "bees@garden.example.org carol",
        "shop@acme.example.com alice",
        "orders@acme.example.com bob",
    ]
    (mail / "virtusertable").write_text("\n".join(reversed(lines)) + "\n")
    (mail / "aliases").write_text("alice.bob:alice,bob\n")
    result = run("once", "--against", str(mail))
    assert result.exit_code == 0, result.stdout
    assert result.stdout.count("the same") == 2
    assert "not there, so not compared: mail/access, mail/domains" in " ".join(result.stdout.split())
    assert not state.exists()


def test_against_a_folder_entries_are_named_by_where_they_are(world: Any, run: Any, folder: Path) -> None:  # noqa: ARG001
    mail = folder / "mail"
    mail.mkdir()
    (mail / "aliases").write_text("alice.bob: alice, carol\ninfo: root\n")
    (mail / "domains").write_text("example.com hosted\nacme.example.com hosted\n")
    result = run("once", "--dry-run", "--diff", "--against", str(mail))
    assert result.exit_code == 3
    assert "~ alice.bob  there 'alice,carol', here 'alice,bob'" in result.stdout
    assert "- info  root" in result.stdout
    assert "+ garden.example.org  hosted" in result.stdout
    document = json.loads(run("once", "--against", str(mail), "--json", "--limit", "1").stdout)
    assert set(document) <= KEYS.keys()
    aliases, domains = document["against"]["files"]
    assert (aliases["only_here"], aliases["only_there"], aliases["different"]) == (0, 1, 1)
    assert aliases["listed"] == [{"key": "alice.bob", "there": "alice,carol", "here": "alice,bob"}]
    assert (domains["path"], domains["only_here"]) == ("mail/domains", 1)


def test_against_a_folder_with_none_of_the_files_is_a_usage_error(world: Any, run: Any, folder: Path) -> None:  # noqa: ARG001
    result = run("once", "--against", str(folder))
    assert result.exit_code == 2
    assert "none of this tier's files" in result.stderr


def _on_a_terminal(*arguments: str) -> tuple[int, str]:
    """Run the command with both outputs on a terminal; return exit code and what appeared."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "reconfigure", *arguments], stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # EIO: the other end is closed
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    return process.wait(60), seen.decode()


def test_on_a_terminal_there_is_progress_and_colour(world: Any, environment: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    environment.setenv("TERM", "xterm-256color")
    code, seen = _on_a_terminal("once")
    assert code == 0
    assert "\x1b[32mchanged" in seen
    assert "\x1b[?25l" in seen  # the cursor is hidden while progress is drawn
    assert "pass_finished" not in seen  # the screen below says the same


def test_no_color_takes_the_colour_and_leaves_the_words(world: Any, environment: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    environment.setenv("TERM", "xterm-256color")
    environment.setenv("NO_COLOR", "1")
    code, seen = _on_a_terminal("once")
    assert code == 0
    assert "changed in" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", seen)
