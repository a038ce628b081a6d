import json
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconfigure.cli.health import KEYS

FATAL = """
[program:broken]
command=/bin/false
startretries=0
startsecs=1
stdout_logfile=NONE
stderr_logfile=NONE
"""


def _said(done: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    assert set(document) <= KEYS.keys()
    return document


def test_a_well_task_prints_exactly_what_was_promised(live: Any, spawn: Any) -> None:  # noqa: ARG001
    done = spawn("health")
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"status": "ok"}\n', "")
    assert spawn("health", "--json").stdout == done.stdout


def test_nothing_live_is_failing(spawn: Any) -> None:
    done = spawn("health")
    assert done.returncode == 1
    assert _said(done)["status"] == "failing"


def test_a_held_generation_lets_the_container_live(held: Any, spawn: Any) -> None:  # noqa: ARG001
    done = spawn("health")
    assert done.returncode == 0
    assert _said(done)["status"] == "degraded"


def test_a_loop_that_is_silent_for_too_long_is_failing(live: Any, spawn: Any, state: Path) -> None:  # noqa: ARG001
    document = json.loads((state / "status.json").read_text())
    document["pass"]["started"] = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    (state / "status.json").write_text(json.dumps(document))
    done = spawn("health")
    assert done.returncode == 1
    assert "stuck" in _said(done)["problems"][0]


def test_a_program_that_supervisord_gave_up_on_is_failing(
    live: Any,  # noqa: ARG001
    spawn: Any,
    supervise: Callable[..., Any],
) -> None:
    supervise(FATAL)
    done = spawn("health")
    assert done.returncode == 1
    assert any("broken is FATAL" in problem for problem in _said(done)["problems"])


def test_programs_that_run_are_well(live: Any, spawn: Any, supervise: Callable[..., Any]) -> None:  # noqa: ARG001
    supervise()
    assert spawn("health").stdout == '{"status": "ok"}\n'


def test_a_supervisord_that_hangs_is_failing_soon(live: Any, spawn: Any, folder: Path) -> None:  # noqa: ARG001
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(folder / "s"))
        deaf.listen(1)
        done = spawn("health")
    assert done.returncode == 1
    assert "did not answer" in _said(done)["problems"][0]


def test_a_supervisord_that_answers_byte_by_byte_is_failing_soon(live: Any, spawn: Any, folder: Path) -> None:  # noqa: ARG001
    """Each byte comes within the time limit of one read, all of them never."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        server.listen(1)
        ended = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drip: ")
                    while not ended.wait(0.05):
                        connection.sendall(b"x")
                except OSError:
                    pass  # the command has given up, as it should

        thread = threading.Thread(target=drip)
        thread.start()
        done = spawn("health")
        ended.set()
        thread.join(20)
    assert done.returncode == 1
    assert "did not answer within" in _said(done)["problems"][0]


@pytest.mark.parametrize("content", ["", "null", '{"tier": 7}', "\x00", "[" * 100_000])
def test_a_damaged_status_document_is_failing_and_no_traceback(
    live: Any,  # noqa: ARG001
    spawn: Any,
    state: Path,
    content: str,
) -> None:
    (state / "status.json").write_text(content)
    done = spawn("health")
    assert done.returncode == 1
    assert "status.json is damaged" in _said(done)["problems"][0]


def test_a_state_folder_that_may_not_be_read_is_failing(live: Any, spawn: Any, state: Path) -> None:  # noqa: ARG001
    state.chmod(0)
    try:
        done = spawn("health", powerless=True)
    finally:
        state.chmod(0o755)
    assert done.returncode == 1
    assert "Permission denied" in _said(done)["problems"][0]


def test_wrong_settings_end_with_78(spawn: Any, environment: pytest.MonkeyPatch) -> None:
    environment.delenv("TIER")
    environment.setenv("RECONFIGURE_INTERVAL", "soon")
    done = spawn("health")
    assert done.returncode == 78
    assert "TIER" in done.stderr
    assert "RECONFIGURE_INTERVAL" in done.stderr
