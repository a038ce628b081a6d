"""A stop: whatever the daemon is at, it ends with 0 within ten seconds, and what it did not finish is another's."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embedded.faults import Fault
from embedded.healthchecks import HealthchecksDouble
from reconfigure.generations.lock import exclusive
from reconfigure.sources.queue import QueueDepth

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]
Until = Callable[..., None]

CHECKOUT = Path(__file__).resolve().parents[2]
VISIBLE = QueueDepth(visible=1, in_flight=0, delayed=0)


@pytest.fixture
def hanging(tmp_path: Path, environment: dict[str, str]) -> Callable[[str], tuple[Path, Path]]:
    """Put a program before the real one that hangs as long as a file exists, and notes its process while it does."""

    def make(name: str) -> tuple[Path, Path]:
        folder = tmp_path / "bin"
        folder.mkdir()
        flag, running = tmp_path / "hang", tmp_path / "running"
        real = shutil.which(name, path=environment["PATH"])
        script = folder / name
        script.write_text(
            f"#!/bin/sh\n[ -e {flag} ] && {{ echo $$ >{running}.new; mv {running}.new {running}; exec sleep 600; }}\n"
            f'exec {real} "$@"\n'
        )
        script.chmod(0o755)
        environment["PATH"] = f"{folder}:{environment['PATH']}"
        return flag, running

    return make


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_nothing_happens_ends_with_0(run: Run, world: "World", number: int) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished")
    assert daemon.stop(number) == 0
    assert daemon.said("stopped")
    assert not daemon.said("stop_forced")
    assert daemon.err.read_text() == ""


def test_a_message_that_comes_with_the_last_poll_is_given_back(run: Run, world: "World", until: Until) -> None:
    world.put("info@acme.example.com")
    daemon = run(RECONFIGURE_POLL_SECONDS="3")
    daemon.wait("pass_finished")
    until(lambda: world.proxy.count("ReceiveMessage") > 0)
    daemon.tell(signal.SIGTERM)
    world.send()
    assert daemon.process.wait(timeout=10) == 0
    assert world.depth() == VISIBLE


def test_a_stop_during_a_pass_ends_it_between_two_steps_and_gives_its_messages_back(
    run: Run, world: "World", until: Until
) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished")
    world.put("shop@acme.example.com")
    scans = world.proxy.count("Scan")
    world.proxy.fail("Scan", Fault.delayed(1.5))
    world.send()
    until(lambda: world.proxy.count("Scan") > scans)
    assert daemon.stop() == 0
    assert daemon.said("messages_given_back", messages=1)
    assert not daemon.said("stop_forced")
    assert world.depth() == VISIBLE
    assert "shop@acme.example.com" not in daemon.served()


def test_a_stop_between_two_tries_of_a_read_does_not_wait_for_the_next(run: Run, world: "World", until: Until) -> None:
    world.put("info@acme.example.com")
    world.proxy.fail("Scan", Fault.server_error())
    daemon = run(RECONFIGURE_READ_ATTEMPTS="20")
    daemon.wait("source_read_retried", count=3)
    assert daemon.stop() == 0
    assert not daemon.said("stop_forced")
    until(lambda: daemon.said("stopped"))


@pytest.mark.parametrize("where", ["Scan", "AmazonSQS"])
def test_a_stop_while_aws_does_not_answer_is_forced_in_time(run: Run, world: "World", until: Until, where: str) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished")
    world.send()
    daemon.wait("pass_finished", count=2)
    before = world.proxy.count(where)
    world.proxy.fail(where, Fault.delayed(60))
    world.send()
    until(lambda: world.proxy.count(where) > before)
    assert daemon.stop() == 0
    if where == "Scan":
        assert world.depth() == VISIBLE


@pytest.mark.parametrize(("program", "tier"), [("makemap", "smtp-in"), ("opendkim", "smtp-out")])
def test_a_stop_while_a_tool_hangs_ends_the_tool(
    run: Run,
    world: "World",
    until: Until,
    with_users: dict[str, str],
    hanging: Callable[[str], tuple[Path, Path]],
    program: str,
    tier: str,
) -> None:
    flag, running = hanging(program)
    world.put("info@acme.example.com")
    path = f"{flag.parent / 'bin'}:{with_users['PATH']}"
    daemon = run(**with_users | {"TIER": tier, "PATH": path, "RECONFIGURE_ABSENT_PROGRAMS": "skip"})
    daemon.wait("pass_finished", outcome="changed")
    flag.touch()
    world.put("shop@other.example.net")
    world.send()
    until(running.exists)
    assert daemon.stop() == 0
    assert not daemon.said("stop_forced")
    with pytest.raises(ProcessLookupError):
        os.kill(int(running.read_text()), 0)
    assert world.depth() == VISIBLE
    assert "shop@other.example.net" not in daemon.served()


def test_a_stop_while_another_process_holds_the_lock_is_forced_in_time(
    run: Run, world: "World", pings: HealthchecksDouble
) -> None:
    world.put("info@acme.example.com")
    daemon = run()
    daemon.wait("pass_finished")
    world.put("shop@acme.example.com")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with exclusive(daemon.state, wait=10):
            held.set()
            release.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(10)
        world.send()
        assert pings.wait(lambda _: sum(ping.kind == "start" for ping in pings.pings("tier")) == 2)
        assert daemon.stop() == 0
    finally:
        release.set()
        holder.join()
    assert daemon.said("stop_forced")
    assert world.depth() == VISIBLE


@pytest.fixture
def unread(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """A daemon whose log goes into a full pipe: the process, where to read it, and the state folder's `current`."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"x" * 4096)
    command = [sys.executable, "-m", "reconfigure", "run"]
    process = subprocess.Popen(command, env=environment, cwd=CHECKOUT, stdout=writing)
    os.close(writing)
    yield process, reading, tmp_path / "state/current"
    process.kill()
    process.wait()
    os.close(reading)


def test_a_log_that_nobody_reads_stops_no_pass_and_says_later_what_was_lost(
    world: "World", until: Until, unread: tuple[subprocess.Popen[bytes], int, Path]
) -> None:
    _, reading, current = unread
    world.put("info@acme.example.com")
    until(current.is_symlink)
    first = current.readlink()
    world.put("shop@acme.example.com")
    world.send()
    until(lambda: current.readlink() != first)
    until(world.is_drained)
    assert os.read(reading, 4096) == b"x" * 4096  # somebody reads again
    world.send()
    until(lambda: b"log_lines_lost" in os.read(reading, 4096))


def test_a_log_that_nobody_reads_stops_no_stop(
    world: "World", until: Until, unread: tuple[subprocess.Popen[bytes], int, Path]
) -> None:
    process, _, current = unread
    world.put("info@acme.example.com")
    until(current.is_symlink)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
