"""The supervisord.conf that ships, run by a real supervisord with a stand-in for the `reconfigure` command.

What is kept here is the gate: nothing that speaks to the world starts before `prepare` says that there is a generation.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import pytest

from reconfigure.daemons import Program, Supervisor

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / "supervisord.conf"
SUPERVISORD = Path(sys.executable).with_name("supervisord")

# Notes how it was called; as `prepare` waits until the test lets it end, and then opens the gate as the real one does.
STAND_IN = """#!{python}
import json, os, signal, sys, time
folder = {folder!r}
seen = {{name: os.environ.get(name) for name in ("MALLOC_ARENA_MAX", "PYTHONUNBUFFERED")}}
with open(folder + "/calls", "a") as file:
    file.write(json.dumps([sys.argv[1:], seen]) + "\\n")
print("said by " + sys.argv[1])
print("complained by " + sys.argv[1], file=sys.stderr)
if sys.argv[1] == "prepare":
    while not os.path.exists(folder + "/outcome"):
        time.sleep(0.02)
    outcome = int(open(folder + "/outcome").read())
    if outcome == 0:
        sys.path.insert(0, {root!r})
        from pathlib import Path
        from reconfigure.daemons import Supervisor
        supervisor = Supervisor(Path(os.environ["RECONFIGURE_SUPERVISOR_SOCKET"]))
        supervisor.start("mail:*", absent="skip")
        supervisor.start("reconfigure")
    sys.exit(outcome)
signal.pause()
"""

TIER = """
[program:sendmail]
command=/bin/sh -c 'echo said by sendmail; exec sleep 600'
autostart=false
startsecs=1
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
[group:mail]
programs=sendmail
"""

Launch = Callable[[subprocess.Popen[bytes], Path], Supervisor]
Eventually = Callable[[Callable[[], object]], None]


class Place:
    """A folder with the stand-in and, or not, a tier's programs."""

    def __init__(self, folder: Path, launch: Launch) -> None:
        self.folder = folder
        self.launch = launch
        self.supervisor = Supervisor(folder / "s")
        self.environment = os.environ | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "RECONFIGURE_SUPERVISOR_SOCKET": str(folder / "s"),
            "RECONFIGURE_PROGRAMS": str(folder / "programs" / "*.conf"),
        }
        for name in ("MALLOC_ARENA_MAX", "PYTHONUNBUFFERED"):
            self.environment.pop(name, None)
        (folder / "bin").mkdir()
        (folder / "programs").mkdir()
        command = folder / "bin" / "reconfigure"
        command.write_text(STAND_IN.format(python=sys.executable, folder=str(folder), root=str(ROOT)))
        command.chmod(0o755)

    def start(self, output: IO[bytes] | int = subprocess.DEVNULL, *, through: Sequence[str] = ()) -> None:
        process = subprocess.Popen(
            [*through, str(SUPERVISORD), "-c", str(CONFIGURATION)],
            env=self.environment,
            cwd=self.folder,
            stdout=output,
        )
        self.supervisor = self.launch(process, self.folder / "s")

    def states(self) -> dict[str, str]:
        return {program.name: program.state for program in self.supervisor.programs()}

    def program(self, name: str) -> Program:
        return next(program for program in self.supervisor.programs() if program.name == name)

    def calls(self) -> list[list[str]]:
        calls = self.folder / "calls"
        return [json.loads(line)[0] for line in calls.read_text().splitlines()] if calls.exists() else []

    def let_prepare_end(self, status: int) -> None:
        (self.folder / "outcome.new").write_text(str(status))
        (self.folder / "outcome.new").replace(self.folder / "outcome")


@pytest.fixture
def place(short: Path, launch: Launch) -> Place:
    return Place(short, launch)


OPEN = {"prepare": "EXITED", "reconfigure": "RUNNING", "mail:sendmail": "RUNNING"}


def test_the_loop_and_the_mail_daemons_start_only_once_prepare_has_succeeded(
    place: Place, eventually: Eventually
) -> None:
    (place.folder / "programs" / "imap.conf").write_text(TIER)
    place.start()
    eventually(lambda: place.calls() == [["prepare", "--start", "mail"]])
    assert place.states() == {"prepare": "RUNNING", "reconfigure": "STOPPED", "mail:sendmail": "STOPPED"}
    place.let_prepare_end(0)
    eventually(lambda: place.states() == OPEN)
    assert place.program("prepare").exit_status == 0
    assert place.calls() == [["prepare", "--start", "mail"], ["run"]]
    for line in (place.folder / "calls").read_text().splitlines():
        assert json.loads(line)[1] == {"MALLOC_ARENA_MAX": "1", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize("status", [78, 1])
def test_a_prepare_that_gives_up_keeps_the_gate_shut_to_be_seen_and_is_not_repeated(
    place: Place, eventually: Eventually, status: int
) -> None:
    (place.folder / "programs" / "imap.conf").write_text(TIER)
    place.start()
    place.let_prepare_end(status)
    eventually(lambda: place.program("prepare").state == "EXITED")
    for _ in range(20):  # supervisord looks after its programs between two answers
        assert place.states() == {"prepare": "EXITED", "reconfigure": "STOPPED", "mail:sendmail": "STOPPED"}
    assert place.program("prepare").exit_status == status
    assert str(status) in place.program("prepare").detail
    assert place.program("mail:sendmail").since is None, "it was never started"
    assert place.calls() == [["prepare", "--start", "mail"]]


def test_the_loop_is_started_again_when_it_ends(place: Place, eventually: Eventually) -> None:
    place.start()
    place.let_prepare_end(0)
    eventually(lambda: place.states() == {"prepare": "EXITED", "reconfigure": "RUNNING"})
    before = place.program("reconfigure").pid
    place.supervisor.signal("reconfigure", "KILL")
    eventually(lambda: place.program("reconfigure").pid not in {0, before})
    eventually(lambda: place.calls()[1:] == [["run"], ["run"]])


def test_it_runs_where_a_tier_brings_no_programs(place: Place, eventually: Eventually) -> None:
    shutil.rmtree(place.folder / "programs")
    place.start()
    eventually(lambda: place.states() == {"prepare": "RUNNING", "reconfigure": "STOPPED"})


@pytest.mark.parametrize("missing", ["RECONFIGURE_SUPERVISOR_SOCKET", "RECONFIGURE_PROGRAMS"])
def test_a_variable_that_is_not_set_is_named(place: Place, missing: str) -> None:
    del place.environment[missing]
    done = subprocess.run(
        [SUPERVISORD, "-c", CONFIGURATION],
        env=place.environment,
        cwd=place.folder,
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert done.returncode != 0
    assert missing in done.stderr
    assert missing in CONFIGURATION.read_text().partition("[supervisord]")[0], "and is documented at the top"


def test_only_its_own_user_may_open_the_socket(place: Place) -> None:
    place.start()
    assert (place.folder / "s").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="is not root, so every other test here runs unprivileged already")
def test_it_runs_unprivileged(place: Place, eventually: Eventually) -> None:
    # A user namespace without a mapping: no user id but nobody's, no privileges, and the checkout still readable.
    unprivileged = ["/usr/bin/unshare", "--user"]
    if subprocess.run([*unprivileged, "/bin/true"], check=False, timeout=60, capture_output=True).returncode:
        pytest.skip("user namespaces are not allowed here")
    (place.folder / "programs" / "imap.conf").write_text(TIER)
    log = place.folder / "log"
    with log.open("wb") as output:
        place.start(output, through=unprivileged)
    place.let_prepare_end(0)
    eventually(lambda: place.states() == OPEN)
    end(place, eventually)
    expected_in(log.read_bytes())
    assert b"running as root" not in log.read_bytes()


def expected_in(output: bytes) -> None:
    lines = output.decode().splitlines()
    assert "\0" not in output.decode()
    for name in ("prepare", "run", "sendmail"):
        assert lines.count(f"said by {name}") == 1, lines
    assert lines.count("complained by run") == 1, "stderr belongs to the log too"
    assert sum("INFO spawned: 'sendmail'" in line for line in lines) == 1, "supervisord's own lines, once"
    assert lines[-1].endswith("exit request") or "stopped: " in lines[-1]


@pytest.mark.parametrize("mode", ["wb", "ab"], ids=["file", "file opened for appending"])
def test_all_that_is_said_goes_to_stdout_and_nothing_is_overwritten_when_that_is_a_file(
    place: Place, eventually: Eventually, mode: str
) -> None:
    (place.folder / "programs" / "imap.conf").write_text(TIER)
    log = place.folder / "log"
    with log.open(mode) as output:
        place.start(output)
    place.let_prepare_end(0)
    eventually(lambda: place.states() == OPEN)
    end(place, eventually)
    expected_in(log.read_bytes())


def test_all_that_is_said_goes_to_stdout_when_that_is_a_pipe(place: Place, eventually: Eventually) -> None:
    (place.folder / "programs" / "imap.conf").write_text(TIER)
    reading, writing = os.pipe()
    with open(reading, "rb") as output:  # noqa: PTH123 -- a descriptor, not a path
        with open(writing, "wb") as end_of_pipe:  # noqa: PTH123
            place.start(end_of_pipe)
        place.let_prepare_end(0)
        eventually(lambda: place.states() == OPEN)
        end(place, eventually)
        expected_in(output.read())


def end(place: Place, eventually: Eventually) -> None:
    """Ends supervisord by its own pid file, and waits until it has cleaned up."""
    pid_file = place.folder / "s.pid"
    os.kill(int(pid_file.read_text()), 15)
    eventually(lambda: not pid_file.exists())
