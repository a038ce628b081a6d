"""What `prepare` starts once there is a generation, in a real supervisord."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"

# Ends at its first start, by supervisord, and runs from the second on, by `prepare`.
PROGRAM = """
[program:{name}]
command=/bin/sh -c 'test -e {folder}/{name} && exec sleep 600; touch {folder}/{name}'
autorestart=false
startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
"""
BROKEN = """
[group:daemons]
programs=broken
[program:broken]
command=/bin/false
startsecs=1
startretries=0
stdout_logfile=NONE
stderr_logfile=NONE
"""
VERIFY = "[group:verify]\nprograms=verifier\n"


@pytest.fixture
def loop(folder: Path) -> str:
    return PROGRAM.format(name="reconfigure", folder=folder)


@pytest.fixture(autouse=True)
def secrets(world: Any, environment: pytest.MonkeyPatch, folder: Path) -> None:  # noqa: ARG001
    environment.setenv("RECONFIGURE_SECRETS_DIR", str(folder / "secrets"))
    for name, value in {"TLS_CA_BUNDLE": CERTIFICATE, "TLS_CERT": CERTIFICATE, "TLS_KEY": KEY}.items():
        environment.setenv(name, value)


def states(supervisor: Any) -> dict[str, str]:
    return {program.name: program.state for program in supervisor.programs()}


def test_the_loop_is_started_after_the_daemons(spawn: Any, supervise: Callable[..., Any], loop: str) -> None:
    supervisor = supervise(loop)
    done = spawn("prepare", "--start", "mail")
    assert done.returncode == 0, done.stdout
    assert states(supervisor) == {"mail:opendkim": "RUNNING", "reconfigure": "RUNNING"}


def test_a_daemon_that_does_not_come_up_leaves_the_loop_running_and_health_names_it(
    spawn: Any, supervise: Callable[..., Any], loop: str
) -> None:
    supervisor = supervise(loop + BROKEN)
    done = spawn("prepare", "--start", "daemons")
    assert done.returncode == 0, done.stdout
    assert "programs_not_started" in done.stdout
    assert states(supervisor)["reconfigure"] == "RUNNING"
    health = spawn("health")
    assert health.returncode == 1
    assert "daemons:broken is" in health.stdout


def test_a_group_that_supervisord_does_not_know_is_a_mistake(
    spawn: Any, supervise: Callable[..., Any], loop: str
) -> None:
    supervisor = supervise(loop)
    done = spawn("prepare", "--start", "nothing")
    assert done.returncode == 1
    assert "starting nothing" in done.stderr
    assert states(supervisor)["reconfigure"] == "EXITED"


@pytest.mark.parametrize(("wanted", "state"), [("on", "RUNNING"), ("off", "EXITED")])
def test_what_checks_mail_runs_only_where_it_is_wanted(
    *, spawn: Any, supervise: Callable[..., Any], loop: str, environment: Any, folder: Path, wanted: str, state: str
) -> None:
    environment.setenv("TIER", "smtp-in")
    environment.setenv("RECONFIGURE_VERIFY_HEADERS", wanted)
    supervisor = supervise(loop + PROGRAM.format(name="verifier", folder=folder) + VERIFY)
    done = spawn("prepare", "--start", "mail")
    assert done.returncode == 0, done.stdout
    assert states(supervisor)["verify:verifier"] == state


def test_a_daemon_that_ended_is_not_well_even_if_it_says_that_it_was(
    spawn: Any, supervise: Callable[..., Any], folder: Path
) -> None:
    assert spawn("prepare").returncode == 0
    supervise(PROGRAM.format(name="verifier", folder=folder) + VERIFY)
    health = spawn("health")
    assert health.returncode == 1
    assert "verify:verifier is EXITED" in health.stdout
