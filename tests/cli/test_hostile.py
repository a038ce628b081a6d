"""Nothing that an operator, a crash or a stranger's hand does to the state folder ends in a traceback."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

READING: tuple[list[str], ...] = (
    ["status"],
    ["status", "--json"],
    ["diff"],
    ["diff", "--source"],
    ["history"],
    ["health"],
    ["once", "--dry-run", "--diff"],
    ["logs"],
    ["doctor"],
    ["explain", "alice@example.com"],
    ["explain", "alice"],
    [],
)
CHANGING = (["rollback", "--yes"], ["approve", "--yes"], ["once"], ["pause"], ["resume"])


def _no_folder(state: Path) -> None:
    shutil.rmtree(state)


def _a_file_instead(state: Path) -> None:
    shutil.rmtree(state)
    state.write_text("")


def _no_generations(state: Path) -> None:
    shutil.rmtree(state / "generations")


def _link_to_nowhere(state: Path) -> None:
    (state / "current").unlink()
    (state / "current").symlink_to("generations/none")


def _folder_instead_of_link(state: Path) -> None:
    target = (state / "current").resolve()
    (state / "current").unlink()
    shutil.copytree(target, state / "current")


def _link_loop(state: Path) -> None:
    (state / "current").unlink()
    (state / "current").symlink_to("current")


def _half_written(state: Path) -> None:
    for name in ("status.json", "history.jsonl", "reloads.json"):
        content = (state / name).read_bytes() if (state / name).exists() else b"{}\n"
        (state / name).write_bytes(content[: len(content) // 2])
    (state / "held.json").write_text('{"id": "2026')
    (state / "generations" / ".building-20261123T000000.000Z-deadbeef").mkdir()
    (state / "generations" / "20261123T000000.000Z-deadbeef").mkdir()


def _documents_of_other_types(state: Path) -> None:
    for name in ("status.json", "history.jsonl", "reloads.json", "held.json"):
        (state / name).write_text("[7, null]\n")


def _folders_instead_of_documents(state: Path) -> None:
    for name in ("status.json", "history.jsonl", "held.json"):
        (state / name).unlink(missing_ok=True)
        (state / name).mkdir()


def _damaged_manifest(state: Path) -> None:
    (state / "current" / "manifest.json").write_bytes(b'\xff{"id": ')


def _files_gone(state: Path) -> None:
    for name in ("access", "access.db", "virtusertable"):
        (state / "current" / "mail" / name).unlink()


def _snapshots_gone(state: Path) -> None:
    shutil.rmtree(state / "current" / "directory")


DAMAGES = (
    _no_folder,
    _a_file_instead,
    _no_generations,
    _link_to_nowhere,
    _folder_instead_of_link,
    _link_loop,
    _half_written,
    _documents_of_other_types,
    _folders_instead_of_documents,
    _damaged_manifest,
    _files_gone,
    _snapshots_gone,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_of_the_state_folder_ends_in_a_traceback(
    changed: Any,  # noqa: ARG001
    run: Any,
    state: Path,
    damage: Callable[[Path], None],
) -> None:
    damage(state)
    for arguments in (*READING, *CHANGING):
        result = run(*arguments)  # fails by itself on anything but an orderly end
        assert result.exit_code in {0, 1, 3}, (arguments, result.output)
        assert result.exit_code != 1 or result.stdout or result.stderr, arguments


@pytest.mark.parametrize("name", ["status.json", "history.jsonl", "held.json", "paused", "pinned.json", "lock.holder"])
def test_nothing_waits_for_what_a_stranger_put_in_place_of_a_file(
    changed: Any,  # noqa: ARG001
    spawn: Any,
    state: Path,
    name: str,
) -> None:
    """A FIFO keeps whoever reads it plainly for ever."""
    for arguments in (*READING, *CHANGING):
        (state / name).unlink(missing_ok=True)
        os.mkfifo(state / name)
        done = spawn(*arguments)
        assert done.returncode in {0, 1, 3}, (arguments, done.stderr)


@pytest.mark.parametrize(
    "closed", ["state", "generations", "status.json", "history.jsonl", "held.json", "manifest.json"]
)
def test_what_may_not_be_read_is_named(held: Any, spawn: Any, state: Path, closed: str) -> None:  # noqa: ARG001
    path = {"state": state, "manifest.json": (state / "current" / "manifest.json").resolve()}.get(
        closed, state / closed
    )
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        ended = {" ".join(arguments): spawn(*arguments, powerless=True) for arguments in READING}
    finally:
        path.chmod(mode)
    for arguments, done in ended.items():
        assert done.returncode in {0, 1, 3}, (arguments, done.stderr)
    assert ended["status"].returncode == 1 or closed == "history.jsonl"
    said = "".join(done.stdout + done.stderr for done in ended.values())
    assert "Permission denied" in said
    assert path.name in said
    assert closed == "state" or "Cognito" in ended["explain alice"].stdout, "what can be read is told"


def test_a_full_disk_behind_standard_output_is_said(changed: Any) -> None:  # noqa: ARG001
    with Path("/dev/full").open("w") as full:
        for arguments in READING:
            command = [sys.executable, "-m", "reconfigure", *arguments]
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            assert "Traceback" not in done.stderr, (arguments, done.stderr)
            assert done.returncode == 1
            assert os.strerror(28) in done.stderr


def test_full_disks_behind_both_outputs_leave_the_exit_code(changed: Any) -> None:  # noqa: ARG001
    with Path("/dev/full").open("w") as full:
        for arguments in (*READING, *CHANGING):
            command = [sys.executable, "-m", "reconfigure", *arguments]
            done = subprocess.run(command, stdout=full, stderr=full, timeout=60, check=False)
            assert done.returncode == 1, arguments


def test_a_log_that_fits_nowhere_makes_no_failure_of_a_rollback(changed: Any) -> None:  # noqa: ARG001
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "reconfigure", "rollback", "--yes"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, timeout=60, check=False)
    assert "live now" in done.stdout
    assert done.returncode == 0


def test_who_has_no_standard_input_is_told_to_say_yes(changed: Any) -> None:  # noqa: ARG001
    command = ["sh", "-c", 'exec "$0" -m reconfigure rollback <&-', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "no terminal to ask at" in done.stderr


def test_a_closed_standard_error_takes_nothing_from_the_answer(changed: Any) -> None:  # noqa: ARG001
    for arguments in READING:
        command = ["sh", "-c", 'exec "$0" -m reconfigure "$@" 2>&-', sys.executable, *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
        assert done.stdout, arguments
        assert done.returncode in {0, 1, 3}


@pytest.mark.parametrize("columns", ["0", "1", "wide"])
def test_an_absurd_width_leaves_nothing_out(changed: Any, spawn: Any, columns: str) -> None:  # noqa: ARG001
    for arguments in (["history"], ["logs"], ["diff"]):
        shown = [spawn(*arguments, env={**os.environ, "COLUMNS": width}).stdout for width in (columns, "200")]
        # Letters alone: how long ago something was may be another number by then.
        narrow, wide = (sorted(filter(str.isalpha, text)) for text in shown)
        assert wide
        assert narrow == wide, arguments


def test_a_closed_standard_output_does_no_harm(changed: Any) -> None:  # noqa: ARG001
    for arguments in READING:
        command = ["sh", "-c", 'exec "$0" -m reconfigure "$@" >&-', sys.executable, *arguments]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert "Traceback" not in done.stderr, (arguments, done.stderr)
        assert done.returncode in {0, 1, 3}
