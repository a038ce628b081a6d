"""Asking, signalling, starting and restarting the programs of a real supervisord."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconfigure.daemons import Program, Supervisor
from reconfigure.errors import ReloadError

Supervise = Callable[[str], Supervisor]
Section = Callable[..., str]
Noted = Callable[[str, list[str]], None]
Eventually = Callable[[Callable[[], object]], None]


def state(supervisor: Supervisor, name: str) -> Program:
    return next(program for program in supervisor.programs() if program.name == name)


@pytest.fixture
def listening(short: Path) -> Iterator[socket.socket]:
    """A socket where someone listens, and nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(short / "deaf"))
        server.listen(0)
        yield server


def test_programs_are_named_with_their_group_and_say_what_they_do(
    supervise: Supervise, program: Section, eventually: Eventually
) -> None:
    before = time.time()
    supervisor = supervise(
        program("runs")
        + program("waits", autostart="false")
        + program("member")
        + "[group:mail]\nprograms=member\n"
        + program("ended", command="/bin/false")
    )
    eventually(lambda: state(supervisor, "ended").state == "EXITED")
    ended, member, runs, waits = supervisor.programs()
    assert (member.name, member.state) == ("mail:member", "RUNNING")
    assert runs.name == "runs"
    os.kill(runs.pid, 0)
    assert runs.since is not None
    assert before - 1 <= runs.since <= time.time()
    assert waits == Program("waits", "STOPPED", 0, None, "never started")
    assert (ended.state, ended.pid, ended.exit_status) == ("EXITED", 0, 1)
    assert "1" in ended.detail


def test_a_signal_reaches_the_program(supervise: Supervise, program: Section, noted: Noted) -> None:
    supervisor = supervise(program("one") + program("other"))
    noted("one", ["started"])
    noted("other", ["started"])
    supervisor.signal("one", "USR1")
    noted("one", ["started", "USR1"])
    noted("other", ["started"])


def test_a_signal_that_cannot_be_delivered_says_what_was_tried_and_what_came_back(
    supervise: Supervise, program: Section, short: Path
) -> None:
    supervisor = supervise(program("gone", autostart="false") + program("here"))
    with pytest.raises(ReloadError, match=r"sending USR1 to gone: .*NOT_RUNNING.*supervisorctl") as failure:
        supervisor.signal("gone", "USR1")
    assert str(short / "s") in str(failure.value)
    with pytest.raises(ReloadError, match=r"sending USR1 to nobody: .*BAD_NAME"):
        supervisor.signal("nobody", "USR1")
    with pytest.raises(ReloadError, match=r"sending NONSENSE to here: .*BAD_SIGNAL"):
        supervisor.signal("here", "NONSENSE")


def test_a_program_that_just_died_cannot_be_signalled(
    supervise: Supervise, program: Section, eventually: Eventually, noted: Noted
) -> None:
    supervisor = supervise(program("mortal"))
    noted("mortal", ["started"])
    os.kill(state(supervisor, "mortal").pid, signal.SIGKILL)
    eventually(lambda: state(supervisor, "mortal").state == "EXITED")
    assert state(supervisor, "mortal").exit_status == -1
    with pytest.raises(ReloadError, match="NOT_RUNNING"):
        supervisor.signal("mortal", "USR1")


def test_a_restart_ends_the_process_and_waits_for_the_new_one(
    supervise: Supervise, program: Section, noted: Noted
) -> None:
    supervisor = supervise(program("daemon", startsecs=1))
    noted("daemon", ["started"])
    supervisor.start("daemon")
    before = state(supervisor, "daemon").pid
    supervisor.restart("daemon")
    after = state(supervisor, "daemon")
    assert after.state == "RUNNING"
    assert after.pid != before
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    noted("daemon", ["started", "started"])


def test_a_restart_starts_what_is_stopped(supervise: Supervise, program: Section) -> None:
    supervisor = supervise(program("daemon", autostart="false"))
    supervisor.restart("daemon")
    assert state(supervisor, "daemon").state == "RUNNING"


def test_a_restart_that_takes_longer_than_the_time_limit_of_one_call_still_succeeds(
    supervise: Supervise, program: Section, tmp_path: Path, eventually: Eventually
) -> None:
    deaf = tmp_path / "deaf.py"
    deaf.write_text(
        "import pathlib, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(tmp_path / 'up')!r}).touch()\n"
        "signal.pause()\n"
    )
    patient = supervise(
        program("deaf", command=f"{sys.executable} -I -S {deaf}", stopwaitsecs=4, startsecs=2, autostart="false")
    )
    hasty = Supervisor(patient.socket, timeout=2)
    hasty.start("deaf")
    eventually((tmp_path / "up").exists)
    before = state(hasty, "deaf").pid
    hasty.restart("deaf")  # supervisord waits 4 s, then kills it, then waits 2 s for the new one
    assert state(hasty, "deaf").state == "RUNNING"
    assert state(hasty, "deaf").pid != before


def test_a_restart_of_what_does_not_come_up_again_says_so(
    supervise: Supervise, program: Section, tmp_path: Path, noted: Noted
) -> None:
    supervisor = supervise(program("daemon", startsecs=1))
    noted("daemon", ["started"])
    (tmp_path / "recorder.py").write_text("raise SystemExit(3)")
    with pytest.raises(ReloadError, match=r"restarting daemon \(its start\): .*(SPAWN_ERROR|ABNORMAL)"):
        supervisor.restart("daemon")


@pytest.mark.parametrize("name", ["mail", "mail:*"])
def test_a_group_is_started_whole_and_what_runs_is_left_alone(
    supervise: Supervise, program: Section, noted: Noted, name: str
) -> None:
    supervisor = supervise(
        program("a")
        + program("b", autostart="false", startsecs=1)
        + "[group:mail]\nprograms=a,b\n"
        + program("c", autostart="false")
    )
    noted("a", ["started"])
    before = state(supervisor, "mail:a").pid
    supervisor.start(name)
    assert state(supervisor, "mail:a").pid == before
    assert state(supervisor, "mail:b").state == "RUNNING"
    assert state(supervisor, "c").state == "STOPPED"
    supervisor.start(name)
    supervisor.start("mail:b")
    noted("b", ["started"])


def test_a_group_with_a_program_that_does_not_stay_up_names_it(supervise: Supervise, program: Section) -> None:
    supervisor = supervise(
        program("good", autostart="false")
        + program("bad", autostart="false", command="/bin/false", startsecs=1)
        + program("absent", autostart="false", command="/nonexistent/daemon")
        + "[group:mail]\nprograms=good,bad,absent\n"
    )
    with pytest.raises(ReloadError, match="starting mail: ") as failure:
        supervisor.start("mail")
    assert "mail:bad: " in str(failure.value)
    assert "mail:absent: NO_FILE" in str(failure.value)
    assert "mail:good" not in str(failure.value)
    assert state(supervisor, "mail:good").state == "RUNNING"


def test_what_supervisord_does_not_know_is_an_error_unless_it_may_be_absent(
    supervise: Supervise, program: Section
) -> None:
    supervisor = supervise(program("other"))
    with pytest.raises(ReloadError, match=r"starting mail:\*: .*BAD_NAME"):
        supervisor.start("mail:*")
    supervisor.start("mail:*", absent="skip")
    with pytest.raises(ReloadError, match="restarting mail"):
        supervisor.restart("mail")


def test_a_program_that_supervisord_gave_up_on_is_to_be_seen(
    supervise: Supervise, program: Section, eventually: Eventually
) -> None:
    supervisor = supervise(
        program("hopeless", command="/bin/false", startsecs=1, startretries=0)
        + program("fine")
        + program("idle", autostart="false")
    )
    eventually(lambda: state(supervisor, "hopeless").state == "FATAL")
    hopeless = state(supervisor, "hopeless")
    assert (hopeless.name, hopeless.state, hopeless.pid) == ("hopeless", "FATAL", 0)
    assert "Exited too quickly" in hopeless.detail


@pytest.mark.usefixtures("listening")
def test_a_supervisord_that_never_answers_does_not_hang_the_caller(short: Path) -> None:
    with pytest.raises(ReloadError, match=r"listing the programs: supervisord did not answer at .*deaf: TimeoutError"):
        Supervisor(short / "deaf", timeout=0.2).programs()


@pytest.mark.usefixtures("listening")
def test_a_supervisord_that_takes_no_more_connections_does_not_hang_the_caller(short: Path) -> None:
    queued: list[socket.socket] = []
    try:
        while True:
            queued.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            queued[-1].setblocking(False)
            queued[-1].connect(str(short / "deaf"))
    except BlockingIOError:
        with pytest.raises(ReloadError, match="did not answer"):
            Supervisor(short / "deaf", timeout=0.2).programs()
    finally:
        for connection in queued:
            connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<not>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<not",
    ],
    ids=["nothing", "not HTTP", "an error", "not XML", "cut off"],
)
def test_an_answer_that_makes_no_sense_is_an_error_of_ours(
    short: Path, listening: socket.socket, answer: bytes
) -> None:
    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    server = threading.Thread(target=serve)
    server.start()
    with pytest.raises(ReloadError, match="did not answer at"):
        Supervisor(short / "deaf").programs()
    server.join()


@pytest.mark.parametrize("name", ["nothing", "x" * 200])
def test_a_socket_that_is_not_there_is_named(short: Path, name: str) -> None:
    with pytest.raises(ReloadError, match=name):
        Supervisor(short / name).programs()


def test_a_call_leaves_no_connection_open(supervise: Supervise, program: Section) -> None:
    supervisor = supervise(program("one"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        supervisor.programs()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
