"""Reloads as desired state, against a real supervisord."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reconfigure.daemons import Program, Reloader, ReloadOutcome, Supervisor
from reconfigure.errors import ReloadError
from reconfigure.tiers import Reload

Supervise = Callable[[str], Supervisor]
Section = Callable[..., str]
Noted = Callable[[str, list[str]], None]
Eventually = Callable[[Callable[[], object]], None]

SIGNAL = Reload("signer", "signal:USR1")
RESTART = Reload("signer", "restart")

TELLER = """
import sys
from pathlib import Path
from reconfigure.daemons import Reloader, Supervisor
from reconfigure.tiers import Reload
socket, record, digest = sys.argv[1:]
print(Reloader(Supervisor(Path(socket)), Path(record), absent="fail").apply({Reload("signer", "restart"): digest}))
"""


def state(supervisor: Supervisor, name: str) -> Program:
    return next(program for program in supervisor.programs() if program.name == name)


def results(outcomes: tuple[ReloadOutcome, ...]) -> list[str]:
    return [outcome.result for outcome in outcomes]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "reloads.json"


@pytest.fixture
def deaf(short: Path) -> socket.socket:
    """Someone listens at short/deaf and never answers; `accept` on it raises BlockingIOError when nobody came."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(short / "deaf"))
    server.listen()
    server.setblocking(False)
    return server


def test_a_daemon_is_told_once_for_each_change(
    supervise: Supervise, program: Section, noted: Noted, record: Path
) -> None:
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])

    def apply(digest: str) -> ReloadOutcome:
        # A new one each time, as after a restart of the loop: what was told is on disk.
        (outcome,) = Reloader(supervisor, record, absent="fail").apply({SIGNAL: digest})
        return outcome

    assert apply("aa") == ReloadOutcome("signer", "signal:USR1", "told", "")
    noted("signer", ["started", "USR1"])
    assert apply("aa") == ReloadOutcome("signer", "signal:USR1", "unchanged", "")
    assert apply("bb").result == "told"
    noted("signer", ["started", "USR1", "USR1"])
    assert apply("aa").result == "told", "a rollback is a change too"
    noted("signer", ["started", "USR1", "USR1", "USR1"])


def test_only_the_daemon_whose_files_changed_is_told(
    supervise: Supervise, program: Section, noted: Noted, record: Path
) -> None:
    supervisor = supervise(program("signer") + program("other"))
    noted("signer", ["started"])
    noted("other", ["started"])
    other = Reload("other", "signal:USR1")
    reloader = Reloader(supervisor, record, absent="fail")
    assert results(reloader.apply({SIGNAL: "aa", other: "aa"})) == ["told", "told"]
    noted("other", ["started", "USR1"])
    noted("signer", ["started", "USR1"])
    assert results(reloader.apply({SIGNAL: "aa", other: "bb"})) == ["told", "unchanged"]  # by name
    noted("other", ["started", "USR1", "USR1"])
    noted("signer", ["started", "USR1"])


def test_a_restart_gives_a_new_process(supervise: Supervise, program: Section, noted: Noted, record: Path) -> None:
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    before = state(supervisor, "signer").pid
    reloader = Reloader(supervisor, record, absent="fail")
    assert results(reloader.apply({RESTART: "aa"})) == ["told"]
    after = state(supervisor, "signer")
    assert (after.state, after.pid == before) == ("RUNNING", False)
    assert results(reloader.apply({RESTART: "aa"})) == ["unchanged"]
    assert state(supervisor, "signer").pid == after.pid


def test_what_is_restarted_is_not_signalled_too(
    supervise: Supervise, program: Section, noted: Noted, record: Path
) -> None:
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    reloader = Reloader(supervisor, record, absent="fail")
    outcomes = reloader.apply({SIGNAL: "aa", RESTART: "bb"})
    assert [(one.how, one.result) for one in outcomes] == [("restart", "told"), ("signal:USR1", "told")]
    noted("signer", ["started", "started"])
    assert results(reloader.apply({SIGNAL: "aa", RESTART: "bb"})) == ["unchanged", "unchanged"]


def test_with_nothing_to_tell_supervisord_is_not_even_connected_to_and_nothing_is_written(
    short: Path, record: Path, deaf: socket.socket
) -> None:
    with deaf:
        reloader = Reloader(Supervisor(short / "deaf"), record, absent="fail")
        reloader.prime({SIGNAL: "aa"})
        before = record.stat()
        assert results(reloader.apply({SIGNAL: "aa"})) == ["unchanged"]
        assert reloader.apply({}) == ()
        assert reloader.apply({Reload("sendmail", "none"): "aa"}) == ()
        reloader.prime({SIGNAL: "aa"})
        after = record.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        with pytest.raises(BlockingIOError):
            deaf.accept()


def test_a_stopped_daemon_stays_stopped_and_counts_as_told_since_it_reads_the_files_when_it_starts(
    supervise: Supervise, program: Section, noted: Noted, record: Path
) -> None:
    supervisor = supervise(program("signer", autostart="false"))
    reloader = Reloader(supervisor, record, absent="fail")
    outcomes = reloader.apply({SIGNAL: "aa", RESTART: "aa"})
    assert results(outcomes) == ["starts later", "starts later"]
    assert "never started" in outcomes[0].detail
    assert state(supervisor, "signer").state == "STOPPED"
    supervisor.start("signer")
    assert results(reloader.apply({SIGNAL: "aa", RESTART: "aa"})) == ["unchanged", "unchanged"]
    noted("signer", ["started"])


def test_an_operators_stop_is_not_undone(supervise: Supervise, program: Section, noted: Noted, record: Path) -> None:
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    reloader = Reloader(supervisor, record, absent="fail")
    assert results(reloader.apply({RESTART: "aa"})) == ["told"]
    noted("signer", ["started", "started"])
    supervisor._call("stopping signer", "stopProcess", "signer", True)
    assert results(reloader.apply({RESTART: "bb"})) == ["starts later"]
    assert state(supervisor, "signer").state == "STOPPED"


def test_a_daemon_that_supervisord_gave_up_on_is_said_to_be_so(
    supervise: Supervise, program: Section, eventually: Eventually, record: Path
) -> None:
    supervisor = supervise(program("signer", command="/bin/false", startsecs=1, startretries=0))
    eventually(lambda: state(supervisor, "signer").state == "FATAL")
    (outcome,) = Reloader(supervisor, record, absent="fail").apply({SIGNAL: "aa"})
    assert outcome.result == "starts later"
    assert "FATAL: supervisord gave up on it, Exited too quickly" in outcome.detail


def test_a_daemon_that_is_starting_is_not_signalled_but_told_at_the_next_pass(
    supervise: Supervise, program: Section, noted: Noted, eventually: Eventually, record: Path
) -> None:
    # Python takes SIGUSR1 as its end before the program's first line, and sleep(1) always does.
    supervisor = supervise(
        program("signer", startsecs=3) + program("fragile", command="/bin/sleep 600", startsecs=3600)
    )
    eventually(lambda: state(supervisor, "signer").state == "STARTING")
    before = [program.pid for program in supervisor.programs()]
    reloader = Reloader(supervisor, record, absent="fail")
    for fragile in (Reload("fragile", "signal:USR1"), Reload("fragile", "restart")):
        (outcome,) = reloader.apply({fragile: "aa"})
        assert outcome.result == "failed"
        assert "it is STARTING" in outcome.detail
    assert results(reloader.apply({SIGNAL: "aa"})) == ["failed"]
    eventually(lambda: state(supervisor, "signer").state == "RUNNING")
    assert results(reloader.apply({SIGNAL: "aa"})) == ["told"]
    noted("signer", ["started", "USR1"])
    assert [program.pid for program in supervisor.programs()] == before


def test_a_program_that_supervisord_does_not_know_is_a_mistake_or_nothing_to_tell_by_setting(
    supervise: Supervise, program: Section, record: Path
) -> None:
    supervisor = supervise(program("other"))
    strict = Reloader(supervisor, record, absent="fail")
    (failed,) = strict.apply({SIGNAL: "aa"})
    assert failed.result == "failed"
    assert "no program of that name" in failed.detail
    assert results(strict.apply({SIGNAL: "aa"})) == ["failed"], "failed again, until it is mended"
    lenient = Reloader(supervisor, record, absent="skip")
    assert results(lenient.apply({SIGNAL: "aa"})) == ["skipped"]
    assert results(lenient.apply({SIGNAL: "aa"})) == ["unchanged"]


def test_one_daemon_that_cannot_be_told_does_not_keep_the_others_from_it(
    supervise: Supervise, program: Section, noted: Noted, record: Path
) -> None:
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    reloader = Reloader(supervisor, record, absent="fail")
    desired = {
        Reload("absent", "restart"): "aa",
        Reload("signer", "signal:NONSENSE"): "aa",
        Reload("signer", "prayer"): "aa",
        SIGNAL: "aa",
    }
    assert results(reloader.apply(desired)) == ["failed", "failed", "failed", "told"]
    noted("signer", ["started", "USR1"])
    assert results(reloader.apply(desired)) == ["failed", "failed", "failed", "unchanged"]


def test_without_supervisord_a_change_fails_until_it_is_back(
    supervise: Supervise, program: Section, short: Path, record: Path, noted: Noted
) -> None:
    reloader = Reloader(Supervisor(short / "s"), record, absent="fail")
    (outcome,) = reloader.apply({SIGNAL: "aa"})
    assert outcome.result == "failed"
    assert str(short / "s") in outcome.detail
    supervise(program("signer"))
    noted("signer", ["started"])
    assert results(reloader.apply({SIGNAL: "aa"})) == ["told"]
    noted("signer", ["started", "USR1"])


def test_where_programs_may_be_absent_a_supervisord_that_is_away_is_no_error_but_is_asked_again(
    supervise: Supervise, program: Section, short: Path, record: Path, noted: Noted
) -> None:
    reloader = Reloader(Supervisor(short / "s"), record, absent="skip")
    assert results(reloader.apply({SIGNAL: "aa"})) == ["skipped"]
    assert results(reloader.apply({SIGNAL: "aa"})) == ["skipped"]
    supervise(program("signer"))
    noted("signer", ["started"])
    assert results(reloader.apply({SIGNAL: "aa"})) == ["told"]


def test_a_supervisord_that_does_not_answer_costs_one_time_limit_not_one_a_daemon(
    short: Path, record: Path, deaf: socket.socket
) -> None:
    with deaf:
        reloader = Reloader(Supervisor(short / "deaf", timeout=0.2), record, absent="fail")
        desired = {SIGNAL: "aa", Reload("other", "restart"): "bb", Reload("third", "restart"): "cc"}
        assert results(reloader.apply(desired)) == ["failed"] * 3
        deaf.accept()[0].close()
        with pytest.raises(BlockingIOError):
            deaf.accept()


@pytest.mark.parametrize(
    "damage", [None, b"", b'{"signer": {"signal:US', b"[1]", b'{"signer": "aa"}', b"\xff\xfe\x00", b"null"]
)
def test_a_lost_or_damaged_record_means_telling_again(
    supervise: Supervise, program: Section, noted: Noted, record: Path, damage: bytes | None
) -> None:
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    reloader = Reloader(supervisor, record, absent="fail")
    reloader.prime({SIGNAL: "aa"})
    if damage is None:
        record.unlink()
    else:
        record.write_bytes(damage)
    assert results(reloader.apply({SIGNAL: "aa"})) == ["told"]
    noted("signer", ["started", "USR1"])
    assert results(reloader.apply({SIGNAL: "aa"})) == ["unchanged"]


def test_a_daemon_is_not_told_when_what_it_knew_cannot_be_forgotten_first(
    supervise: Supervise, program: Section, noted: Noted, record: Path
) -> None:
    """Or each retry on a full disk would restart it anew."""
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    reloader = Reloader(supervisor, record, absent="fail")
    reloader.prime({RESTART: "aa"})
    before = state(supervisor, "signer").pid
    in_the_way = record.with_name(f".reloads.json.{os.getpid()}.new")
    in_the_way.mkdir()  # stands in the way of writing, also for root
    (outcome,) = reloader.apply({RESTART: "bb"})
    assert outcome.result == "failed"
    assert str(record) in outcome.detail
    with pytest.raises(ReloadError, match=r"reloads\.json"):
        reloader.prime({RESTART: "bb"})
    assert state(supervisor, "signer").pid == before
    in_the_way.rmdir()
    assert results(reloader.apply({RESTART: "bb"})) == ["told"]


def test_a_failed_reload_and_then_a_rollback_tells_the_daemon(
    supervise: Supervise, program: Section, noted: Noted, record: Path
) -> None:
    """What failed may have been half done, so the digest of before is no longer what the daemon knows."""
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    wrong = Reload("signer", "signal:NONSENSE")
    reloader = Reloader(supervisor, record, absent="fail")
    reloader.prime({SIGNAL: "aa", wrong: "aa"})
    assert results(reloader.apply({SIGNAL: "aa", wrong: "bb"})) == ["failed", "unchanged"]
    assert results(reloader.apply({SIGNAL: "aa", wrong: "aa"})) == ["failed", "unchanged"]


def test_priming_records_without_telling(supervise: Supervise, program: Section, noted: Noted, record: Path) -> None:
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    reloader = Reloader(supervisor, record, absent="fail")
    reloader.prime({SIGNAL: "aa", RESTART: "bb", Reload("sendmail", "none"): "cc"})
    assert json.loads(record.read_text()) == {"signer": {"restart": "bb", "signal:USR1": "aa"}}
    assert results(reloader.apply({SIGNAL: "aa", RESTART: "bb"})) == ["unchanged", "unchanged"]
    noted("signer", ["started"])


def test_reloads_that_are_no_longer_wanted_are_forgotten(
    supervise: Supervise, program: Section, noted: Noted, record: Path
) -> None:
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    reloader = Reloader(supervisor, record, absent="fail")
    reloader.prime({SIGNAL: "aa", Reload("old", "restart"): "aa"})
    assert results(reloader.apply({SIGNAL: "bb"})) == ["told"]
    assert json.loads(record.read_text()) == {"signer": {"signal:USR1": "bb"}}


def killed_while_restarting(supervisor: Supervisor, record: Path, tmp_path: Path, moment: str) -> None:
    """Restarts `signer` in a process that `signer` itself kills as it stops or starts: told, and not yet recorded."""
    arm = tmp_path / "signer.kill"
    command = [sys.executable, "-c", TELLER, str(supervisor.socket), str(record), "bb"]
    # Held before its first line until the file that names it is there.
    with subprocess.Popen(
        ["/bin/sh", "-c", 'read go; exec "$@"', "sh", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as teller:
        arm.write_text(f"{teller.pid} {moment}")
        output, _ = teller.communicate(b"go\n", timeout=60)
    assert teller.returncode == -signal.SIGKILL, output
    assert not arm.exists()


@pytest.mark.parametrize("next_wanted", ["bb", "aa"], ids=["the same", "a rollback"])
def test_a_crash_between_telling_and_recording_means_telling_again(
    supervise: Supervise,
    program: Section,
    noted: Noted,
    eventually: Eventually,
    record: Path,
    tmp_path: Path,
    next_wanted: str,
) -> None:
    supervisor = supervise(program("signer", startsecs=2))
    eventually(lambda: state(supervisor, "signer").state == "RUNNING")
    noted("signer", ["started"])
    reloader = Reloader(supervisor, record, absent="fail")
    reloader.prime({RESTART: "aa"})
    killed_while_restarting(supervisor, record, tmp_path, "start")
    eventually(lambda: state(supervisor, "signer").state == "RUNNING")
    noted("signer", ["started", "started"])
    assert results(reloader.apply({RESTART: next_wanted})) == ["told"]
    noted("signer", ["started", "started", "started"])
    assert results(reloader.apply({RESTART: next_wanted})) == ["unchanged"]


def test_a_crash_between_stop_and_start_does_not_leave_the_daemon_stopped(
    supervise: Supervise, program: Section, noted: Noted, eventually: Eventually, record: Path, tmp_path: Path
) -> None:
    supervisor = supervise(program("signer"))
    noted("signer", ["started"])
    reloader = Reloader(supervisor, record, absent="fail")
    reloader.prime({RESTART: "aa"})
    killed_while_restarting(supervisor, record, tmp_path, "stop")
    eventually(lambda: state(supervisor, "signer").state == "STOPPED")
    assert results(reloader.apply({RESTART: "bb"})) == ["told"]
    assert state(supervisor, "signer").state == "RUNNING"
    noted("signer", ["started", "started"])
