"""`reconfigure health` as a client of the tier's own ports, in a network of its own in which they are free."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconfigure.daemons import Supervisor
from tests.cli.sessions import occupied

RUNS = """
[group:mail]
programs=sendmail,dovecot
[program:sendmail]
command=/bin/sleep 1000
startsecs=0
[program:dovecot]
command=/bin/sleep 1000
startsecs=0
"""

# Says its line on each of the ports and waits for the client's farewell; then runs the command beside it.
SERVED = """
import socket, subprocess, sys, threading
def serve(server, greeting):
    while True:
        line, _ = server.accept()
        with line:
            line.sendall(greeting)
            line.recv(100)
for order in sys.argv[1].split():
    port, _, greeting = order.partition(":")
    server = socket.create_server(("127.0.0.1", int(port)))
    threading.Thread(target=serve, args=(server, greeting.encode() + b"\\r\\n" * bool(greeting)), daemon=True).start()
sys.exit(subprocess.run(sys.argv[2:]).returncode)
"""

Health = Callable[[str], tuple[int, dict[str, Any]]]


@pytest.fixture
def group(live: Any, supervise: Callable[..., Supervisor]) -> Supervisor:  # noqa: ARG001 a pass has been made
    return supervise(RUNS)


@pytest.fixture
def health(environment: pytest.MonkeyPatch, tmp_path: Path) -> Health:  # noqa: ARG001 the settings
    """Run `health` where these ports are served, each as `number:greeting`."""
    (tmp_path / "served.py").write_text(SERVED)

    def run(served: str) -> tuple[int, dict[str, Any]]:
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        inside = 'ip link set lo up && exec "$@"'
        alone = ["unshare", *user, "--net", "sh", "-c", inside, "sh"]
        command = [sys.executable, str(tmp_path / "served.py"), served, sys.executable, "-m", "reconfigure", "health"]
        done = subprocess.run([*alone, *command], capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


@pytest.mark.usefixtures("group")
def test_daemons_that_greet_are_well(health: Health) -> None:
    assert health("25:220-hello 143:*") == (0, {"status": "ok"})


@pytest.mark.usefixtures("group")
def test_a_client_that_is_asked_to_come_later_was_greeted(health: Health) -> None:
    assert health("25:421 143:*") == (0, {"status": "ok"})


@pytest.mark.parametrize(
    ("served", "why"),
    [("143:*", "port 25 does not greet clients: Connection refused"), ("25: 143:*", "no greeting in time")],
    ids=["closed", "mute"],
)
@pytest.mark.usefixtures("group")
def test_a_daemon_that_runs_and_serves_nobody_is_failing(health: Health, served: str, why: str) -> None:
    code, said = health(served)
    assert (code, said["status"]) == (1, "failing")
    assert [problem for problem in said["problems"] if "mail:sendmail" in problem and why in problem], said


@pytest.mark.parametrize(("limit", "status"), [("2", "degraded"), ("3", "failing")])
def test_a_daemon_with_all_its_sessions_is_not_taken_for_one_that_hangs(
    live: Any,  # noqa: ARG001
    supervise: Callable[..., Supervisor],
    environment: pytest.MonkeyPatch,
    health: Health,
    limit: str,
    status: str,
) -> None:
    occupied(supervise)
    environment.setenv("RECONFIGURE_CONNECTIONS_LIMIT", limit)

    code, said = health("143:*")

    assert (code, said["status"]) == (int(status == "failing"), status)
    assert ("turns clients away from port 25: 2 sessions of 2" in said["problems"][0]) == (status == "degraded")


def test_a_port_of_a_program_that_is_not_here_is_not_missed(live: Any, supervise: Any, health: Health) -> None:  # noqa: ARG001
    supervise()
    assert health("") == (0, {"status": "ok"})


def test_a_port_of_a_program_that_somebody_stopped_is_not_tried(group: Supervisor, health: Health) -> None:
    group._call("stopping it", "stopProcess", "mail:dovecot")
    code, said = health("25:220")
    assert not [problem for problem in said.get("problems", ()) if "greet" in problem], said
    assert (code, said["status"]) == (0, "degraded")


@pytest.mark.usefixtures("group")
def test_the_look_at_the_ports_is_cheap(health: Health) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert health("25:220 143:*")[0] == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Both interpreters: this one's server and the command itself.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0
