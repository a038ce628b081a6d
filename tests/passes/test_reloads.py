"""A daemon that cannot be told: the maps stay live, the pass is degraded, and every pass after it tries again."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from embedded.healthchecks import HealthchecksDouble
from reconfigure.daemons import Supervisor
from reconfigure.errors import ReloadError
from reconfigure.settings import Settings
from reconfigure.tiers import load_manifest

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]
Until = Callable[..., None]

CONFIGURATION = """
[supervisord]
nodaemon=true
silent=true
logfile={folder}/supervisord.log
pidfile={folder}/pid
[unix_http_server]
file={folder}/s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:{name}]
command=sleep 600
startsecs=0
[group:{group}]
programs={name}
"""
OWED = "no program of that name"


@pytest.fixture
def supervise() -> Iterator[Callable[[str], Path]]:
    """Run a real supervisord with one program of this name; return its socket."""
    folder = Path(tempfile.mkdtemp(prefix="rc-"))  # a UNIX socket's path may have 107 bytes
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str) -> Path:
        for process in started:
            _end(process)
        group, _, name = program.rpartition(":")
        text = CONFIGURATION.format(folder=folder, group=group or name, name=name)
        (folder / "supervisord.conf").write_text(text)
        command = [str(Path(sys.executable).with_name("supervisord")), "-c", str(folder / "supervisord.conf")]
        started.append(subprocess.Popen(command, env=os.environ | {"PYTHONWARNINGS": ""}))
        deadline = time.monotonic() + 30
        while True:
            try:
                Supervisor(folder / "s").programs()
            except ReloadError:
                assert time.monotonic() < deadline, "supervisord did not answer within 30 s"
                time.sleep(0.05)
            else:
                return folder / "s"

    yield start
    for process in started:
        _end(process)
    shutil.rmtree(folder)


@pytest.fixture
def signer(settings: Settings) -> str:
    """The program that smtp-out's manifest wants to be told."""
    (program,) = {reload.program for reload in load_manifest(settings.templates_dir, "smtp-out").reloads} - {""}
    return program


@pytest.fixture
def smtp_out(with_users: dict[str, str]) -> dict[str, str]:
    return with_users | {"TIER": "smtp-out", "RECONFIGURE_INTERVAL": "2"}


def results(status: dict[str, Any]) -> set[str]:
    return {told["result"] for told in status["reloads"]}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    finally:
        process.kill()
        process.wait()


def test_a_reload_that_fails_is_degraded_tried_again_and_does_not_roll_the_maps_back(
    run: Run,
    world: "World",
    smtp_out: dict[str, str],
    supervise: Callable[[str], Path],
    signer: str,
    pings: HealthchecksDouble,
) -> None:
    socket = supervise("another")
    world.put("info@acme.example.com")
    daemon = run(**smtp_out | {"RECONFIGURE_SUPERVISOR_SOCKET": str(socket)})
    assert OWED in daemon.wait("pass_finished", outcome="degraded")["error"]
    assert daemon.served() == {"info@acme.example.com": "RELAY"}
    assert pings.wait(lambda _: pings.check("tier").status == "down")
    live = (daemon.state / "current").readlink()
    daemon.wait("pass_finished", outcome="degraded", trigger="retry")
    daemon.status_when(lambda status: status["state"] == "degraded")
    assert (daemon.state / "current").readlink() == live
    supervise(signer)
    daemon.wait("pass_finished", outcome="unchanged", trigger="retry")
    daemon.status_when(lambda status: results(status) == {"told"})
    assert pings.wait(lambda _: pings.check("tier").status == "up")


def test_a_reload_that_is_owed_is_tried_while_a_generation_is_held(
    run: Run,
    world: "World",
    smtp_out: dict[str, str],
    supervise: Callable[[str], Path],
    signer: str,
) -> None:
    socket = supervise("another")
    world.put("info@acme.example.com")
    daemon = run(**smtp_out | {"RECONFIGURE_SUPERVISOR_SOCKET": str(socket)})
    daemon.wait("pass_finished", outcome="degraded")
    world.delete("info@acme.example.com")
    held = daemon.wait("pass_finished", outcome="held")
    assert "the address table is empty" in held["error"]
    assert OWED in held["error"]
    supervise(signer)
    daemon.wait("pass_finished", count=len(daemon.said("pass_finished", outcome="held")) + 2, outcome="held")
    assert OWED not in daemon.said("pass_finished", outcome="held")[-1]["error"]
    daemon.status_when(lambda status: results(status) == {"unchanged"})
