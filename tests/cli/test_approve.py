import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_it_applies_the_held_generation_and_says_so_everywhere(
    held: Any,  # noqa: ARG001
    run: Any,
    state: Path,
    active: Callable[[], str],
    generations: Callable[[], list[str]],
) -> None:
    result = run("approve", "--yes")
    assert result.exit_code == 0
    assert active() == generations()[-1]
    assert f"live now: {active()}" in result.stdout
    status = json.loads((state / "status.json").read_text())
    assert (status["state"], status["generation"], status["held"]) == ("ok", active(), None)
    line = json.loads((state / "history.jsonl").read_text().splitlines()[-1])
    assert (line["outcome"], line["generation"], line["held"]) == ("approved", active(), None)
    assert line["by"]
    shown = run("status")
    assert shown.exit_code == 0
    assert "approved by" in shown.stdout
    assert run("once").exit_code == 0


def test_only_the_one_that_was_named_is_approved(
    held: Any,  # noqa: ARG001
    run: Any,
    active: Callable[[], str],
    generations: Callable[[], list[str]],
) -> None:
    first, second = generations()
    result = run("approve", first, "--yes")
    assert result.exit_code == 1
    assert f"{first} is not held; held is {second}" in result.stderr
    assert active() == first
    assert run("approve", second, "--yes").exit_code == 0


def test_nothing_held_is_nothing_to_approve(live: Any, run: Any) -> None:  # noqa: ARG001
    for arguments in (["approve"], ["approve", "--yes"], ["approve", "held", "--yes"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "nothing is held" in result.stderr


def test_it_shows_what_would_be_lost_and_asks(held: Any, run: Any, active: Callable[[], str]) -> None:  # noqa: ARG001
    before = active()
    result = run("approve")
    assert result.exit_code == 2
    assert "held: 4 of 8 addresses would be gone" in result.stdout
    assert "- bees@garden.example.org  active  carol" in result.stdout
    assert active() == before


def _answered(answer: bytes) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "reconfigure", "approve"]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.5)[0]:
                # Quiet: it asks, and an answer from before it had the terminal as it wants it may be lost.
                if b"[y/N]" in seen:
                    os.write(ours, answer)
                continue
            try:
                seen += os.read(ours, 65536)
            except OSError:  # EIO: the other end is closed
                break
        return process.wait(5), seen.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_on_a_terminal_no_is_no_and_yes_is_yes(
    held: Any,  # noqa: ARG001
    active: Callable[[], str],
    generations: Callable[[], list[str]],
) -> None:
    first, second = generations()
    code, seen = _answered(b"n\n")
    assert (code, active()) == (1, first)
    assert "Traceback" not in seen
    code, _ = _answered(b"\x04")  # end of input, as Ctrl-D makes it
    assert (code, active()) == (1, first)
    code, seen = _answered(b"y\n")
    assert (code, active()) == (0, second)
    assert f"Apply {second}?" in seen
