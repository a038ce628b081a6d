"""What is promised of the status document and of the health drawn from it."""

import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconfigure.directory.model import Quarantine, Refusal
from reconfigure.durable import record_mode
from reconfigure.errors import ReconfigureError
from reconfigure.reporting import documents
from reconfigure.reporting.reports import (
    ErrorReport,
    FleetReport,
    HeldReport,
    PassReport,
    Pause,
    Pin,
    ProgramReport,
    ProgramsReport,
    QuarantineReport,
    QueueReport,
    RefusalReport,
)
from reconfigure.reporting.status import Status, health, read, write

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
WORDS = st.text(max_size=20)
NUMBERS = st.dictionaries(WORDS, st.integers(0, 10**6), max_size=3)
SECONDS = st.floats(0, 1e6)
RUNNING = {"sendmail": "RUNNING"}

statuses = st.builds(
    Status,
    tier=WORDS,
    task=WORDS,
    version=WORDS,
    pid=st.integers(1, 2**22),
    state=st.sampled_from(["starting", "ok", "held", "failed", "degraded"]),
    generation=st.none() | WORDS,
    pass_=st.none()
    | st.builds(
        PassReport,
        id=WORDS,
        trigger=WORDS,
        outcome=st.sampled_from(["unchanged", "changed", "held", "failed", "degraded"]),
        started=WORDS,
        seconds=SECONDS,
        phases=st.dictionaries(WORDS, SECONDS, max_size=3),
        requests=NUMBERS,
    ),
    last_error=st.none() | st.builds(ErrorReport, time=WORDS, error=WORDS, cause=WORDS),
    counts=NUMBERS,
    quarantine=st.builds(
        QuarantineReport,
        total=st.integers(0),
        by_reason=NUMBERS,
        listed=st.lists(
            st.builds(RefusalReport, code=WORDS, kind=WORDS, key=WORDS, field=WORDS, detail=WORDS), max_size=3
        ).map(tuple),
    ),
    held=st.none()
    | st.builds(HeldReport, generation=WORDS, since=WORDS, reasons=st.lists(WORDS).map(tuple), lost=NUMBERS),
    reloads=st.lists(st.dictionaries(WORDS, WORDS | st.booleans(), max_size=3), max_size=2).map(tuple),
    heartbeat=st.dictionaries(WORDS, st.none() | WORDS, max_size=3),
    queue=st.none()
    | st.builds(
        QueueReport,
        seen=WORDS,
        visible=st.none() | st.integers(0),
        oldest_age_seconds=st.none() | SECONDS,
        dead_letters=st.none() | st.integers(0),
        error=st.none() | WORDS,
        receive_error=st.none() | WORDS,
        delete_error=st.none() | WORDS,
    ),
    programs=st.none()
    | st.builds(
        ProgramsReport,
        seen=WORDS,
        counted_since=WORDS,
        listed=st.lists(
            st.builds(ProgramReport, name=WORDS, state=WORDS, pid=st.integers(0), since=st.none() | WORDS), max_size=3
        ).map(tuple),
    ),
    paused=st.none() | st.builds(Pause, until=st.none() | WORDS, why=st.none() | WORDS, error=st.none() | WORDS),
    pinned=st.none() | st.builds(Pin, generation=st.none() | WORDS, by=st.none() | WORDS),
    waiting=NUMBERS,
    written=st.none() | WORDS,
    next_pass=st.none() | WORDS,
    warnings=st.lists(WORDS, max_size=3).map(tuple),
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


def status(**changes: Any) -> Status:
    """Return the status of a tier that finished a good pass ten seconds before NOW."""
    began = (NOW - timedelta(seconds=11)).isoformat()
    done = PassReport(id="p", trigger="timer", outcome="unchanged", started=began, seconds=1.0)
    good = Status(tier="imap", task="t", version="0", pid=1, state="ok", generation="g1", pass_=done)
    return dataclasses.replace(good, **changes)


def judge(given_status: Status | None, *, generation: str | None = "g1", **programs: str) -> tuple[str, str]:
    verdict = health(given_status, now=NOW, interval=900, programs=RUNNING | programs, generation=generation)
    assert verdict.exit_code == (1 if verdict.status in {"failing", "starting"} else 0)
    return verdict.status, " / ".join(verdict.problems)


@settings(deadline=None)
@given(statuses)
def test_what_is_written_is_read_back(document: Status) -> None:
    again = documents.decode(Status, json.loads(json.dumps(document.document())))
    assert again == document


def test_a_document_is_written_with_the_mode_of_records_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write(path, status())
    write(path, status(state="failed"))
    assert read(path) == status(state="failed")
    assert stat.S_IMODE(path.stat().st_mode) == record_mode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_keys_are_those_of_the_reference_in_its_order() -> None:
    reference = Path(__file__).parents[2] / "docs" / "reference" / "status.md"
    text = reference.read_text().split("## `history.jsonl`")[0]
    named = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    document = status(
        held=HeldReport(generation="g", since="s"),
        last_error=ErrorReport(time="t", error="e"),
        queue=QueueReport(seen="s"),
        programs=ProgramsReport(seen="s", counted_since="s"),
        fleet=FleetReport(seen="s"),
    )

    def keys(value: dict[str, Any], prefix: str = "") -> list[str]:
        found = []
        for key, inner in value.items():
            found.append(prefix + key)
            if prefix + key in {"pass", "last_error", "held", "quarantine", "queue", "programs", "fleet"}:
                found += keys(inner, f"{key}.")
        return found

    assert named == keys(document.document())


def test_no_document_is_no_error(tmp_path: Path) -> None:
    assert read(tmp_path / "status.json") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged"),
        (b'{"tier": "imap", "task"', "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b"[]", "is not an object"),
        (b"{}", "has no `tier`"),
        (b"[" * 100_000, "damaged"),
        (
            json.dumps(status().document() | {"pid": "one"}).encode(),
            "`pid` of status.json is 'one', where int belongs",
        ),
        (json.dumps(status().document() | {"counts": {"users": "x"}}).encode(), "`users` of `counts` of status.json"),
        (json.dumps(status().document() | {"state": "fine"}).encode(), "`state` of status.json is 'fine'"),
    ],
)
def test_a_damaged_document_is_named_as_such_with_what_happens_next(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "status.json"
    path.write_bytes(content)
    with pytest.raises(ReconfigureError, match=r"The next pass will replace it\.$") as error:
        read(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


@settings(deadline=None)
@given(anything)
def test_any_json_is_a_status_or_an_error_that_says_so(value: Any) -> None:
    with suppress(ValueError):
        assert isinstance(documents.decode(Status, value), Status)


@settings(deadline=None)
@given(st.sampled_from([entry.name for entry in dataclasses.fields(Status)]), anything)
def test_a_field_with_any_other_value_is_a_status_or_an_error(name: str, value: Any) -> None:
    key = name.rstrip("_")
    with suppress(ValueError):
        again = documents.decode(Status, status().document() | {key: value})
        assert again.document()[key] == value or isinstance(value, dict | list)


def test_a_number_beyond_all_measure_is_an_error_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    document = status().document()
    document["pass"] |= {"seconds": 10**400}
    path.write_text(json.dumps(document))
    with pytest.raises(ReconfigureError, match="beyond all measure"):
        read(path)


def test_a_document_of_another_version_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    older = status().document()
    del older["warnings"]
    path.write_text(json.dumps(older | {"added_later": 1}))
    assert read(path) == status()


def test_a_write_that_fails_leaves_the_old_document_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.mkdir()  # a rename onto a folder fails at the last moment
    with pytest.raises(ReconfigureError, match="untouched"):
        write(path, status())
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_a_full_disk_leaves_the_old_document_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    write(path, status())
    script = """
import resource, signal, sys
from pathlib import Path
from reconfigure.errors import ReconfigureError
from reconfigure.reporting.status import Status, write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    write(Path(sys.argv[1]), Status(tier="x" * 2000, task="t", version="0", pid=1, state="ok"))
except ReconfigureError as error:
    print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "could not write" in ran.stdout
    assert read(path) == status()
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ReconfigureError, match=r"could not write .*absent/status.json: No such file"):
        write(tmp_path / "absent" / "status.json", status())


WRITER = """
import sys
from itertools import count
from pathlib import Path
from reconfigure.reporting.status import Status, write
for n in count():
    write(Path(sys.argv[1]), Status(tier="imap", task="x" * (n % 50 * 200), version=str(n), pid=n, state="ok"))
    if n == 0:
        print("writing", flush=True)
"""


def test_kill_at_any_moment_leaves_a_whole_document_and_the_next_write_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    for round_number in range(12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"writing\n"
            # Read while it writes, for a time that differs each round, then kill it wherever it is.
            deadline = time.monotonic() + 20
            for _ in range(round_number * 7 + 1):
                seen = read(path)
                assert seen is not None
                assert seen.version == str(seen.pid)
                assert time.monotonic() < deadline
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        survived = read(path)
        assert survived is not None
        assert len(survived.task) == survived.pid % 50 * 200
    write(path, status())
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_what_another_living_writer_is_writing_is_not_swept_away(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    theirs = path.with_name(f".status.json.{os.getppid()}.new")
    theirs.write_text("half")
    write(path, status())
    assert theirs.exists()


def test_a_quarantine_is_reported_with_exact_counts_and_a_bounded_list() -> None:
    refusals = [Refusal("bad", "address", f"a{n}@example.com", "address", "too long") for n in range(5)]
    report = QuarantineReport.of(Quarantine({"bad": 500, "also": 2}, refusals), listed=2)
    assert (report.total, report.by_reason) == (502, {"also": 2, "bad": 500})
    assert [entry.key for entry in report.listed] == ["a0@example.com", "a1@example.com"]


def test_a_tier_that_serves_what_it_should_is_ok() -> None:
    verdict = health(status(), now=NOW, interval=900, programs=RUNNING, generation="g1")
    assert (verdict.document(), verdict.exit_code) == ({"status": "ok"}, 0)


def test_no_active_generation_is_failing() -> None:
    assert judge(status(), generation=None)[0] == "failing"


def test_no_active_generation_says_what_kept_it_from_being_made() -> None:
    away = status(state="failed", last_error=ErrorReport(time="t", error="Cognito is away"))
    assert judge(away, generation=None) == ("failing", "no generation yet: the last pass failed: Cognito is away")


@pytest.mark.parametrize("state", ["STARTING", "RUNNING"])
@pytest.mark.parametrize("generation", [None, "g1"])
def test_a_container_that_is_being_prepared_is_starting(state: str, generation: str | None) -> None:
    for report in (None, status(), status(state="failed", last_error=ErrorReport(time="t", error="Cognito is away"))):
        verdict, said = judge(report, generation=generation, prepare=state)
        assert verdict == "starting"
        assert ("no generation yet" in said) == (generation is None)


def test_a_container_whose_daemons_do_not_come_up_is_failing_though_prepare_still_waits_for_them() -> None:
    verdict, said = judge(status(), prepare="RUNNING", **{"mail:sendmail": "BACKOFF"})
    assert verdict == "failing"
    assert "mail:sendmail is BACKOFF" in said


@pytest.mark.parametrize("missing", [None, status(pass_=None, state="starting")])
def test_no_pass_yet_is_failing(missing: Status | None) -> None:
    assert judge(missing) == ("failing", "no pass has finished yet")


@pytest.mark.parametrize(("age", "verdict"), [(0, "ok"), (1800, "ok"), (1859, "ok"), (1861, "failing")])
def test_a_loop_silent_for_two_intervals_and_a_minute_is_failing(age: float, verdict: str) -> None:
    done = status().pass_
    assert done is not None
    old = dataclasses.replace(done, started=(NOW - timedelta(seconds=age + 5)).isoformat(), seconds=5.0)
    assert judge(status(pass_=old))[0] == verdict


@pytest.mark.parametrize("started", ["yesterday", "2026-11-23T08:00:00", ""])
def test_a_time_that_is_none_is_a_problem_and_no_traceback(started: str) -> None:
    done = status().pass_
    assert done is not None
    state, problems = judge(status(pass_=dataclasses.replace(done, started=started)))
    assert state == "failing"
    assert "damaged" in problems


@pytest.mark.parametrize("state", ["FATAL", "BACKOFF", "EXITED"])
def test_a_program_that_does_not_stay_up_is_failing_and_named(state: str) -> None:
    assert judge(status(), opendkim=state)[0] == "failing"
    assert "opendkim is " + state in judge(status(), opendkim=state)[1]


@pytest.mark.parametrize("state", ["STARTING", "STOPPING"])
def test_a_program_on_its_way_is_no_problem(state: str) -> None:
    assert judge(status(), opendkim=state)[0] == "ok"


def test_a_program_that_somebody_stopped_is_degraded_and_says_how_to_start_it() -> None:
    assert judge(status(), opendkim="STOPPED") == ("degraded", "opendkim is STOPPED: 'supervisorctl start opendkim'")


@pytest.mark.parametrize(("state", "said"), [("failed", "the last pass failed"), ("degraded", "a reload failed")])
def test_a_failed_pass_or_reload_is_degraded_while_a_generation_serves(state: str, said: str) -> None:
    bad = status(state=state, last_error=ErrorReport(time="t", error="Cognito is away"))
    assert judge(bad) == ("degraded", f"{said}: Cognito is away")


def test_a_held_generation_is_degraded_and_says_why() -> None:
    held = status(state="held", held=HeldReport(generation="g2", since="t", reasons=("loses 412 addresses",)))
    assert judge(held) == ("degraded", "generation g2 is held: loses 412 addresses")


@pytest.mark.parametrize("state", ["ok", "failed"])
def test_a_tier_that_cannot_receive_messages_is_degraded_and_says_what_that_means(state: str) -> None:
    deaf = QueueReport(seen="t", visible=3, receive_error="receiving is denied; allow sqs:ReceiveMessage")
    word, problems = judge(status(state=state, queue=deaf))
    assert word == "degraded"
    assert problems.endswith(
        "no messages are received, changes wait for the timer: receiving is denied; allow sqs:ReceiveMessage"
    )


def test_a_tier_that_cannot_delete_messages_is_degraded_and_says_what_that_means() -> None:
    stuck = QueueReport(seen="t", delete_error="deleting is denied; allow sqs:DeleteMessage")
    assert judge(status(queue=stuck)) == (
        "degraded",
        f"messages are not deleted, so they come again and end as dead letters: {stuck.delete_error}",
    )


def test_a_recovered_tier_is_ok_though_its_last_error_is_kept() -> None:
    assert judge(status(last_error=ErrorReport(time="t", error="long ago")))[0] == "ok"


def test_all_problems_are_named_at_once() -> None:
    bad = status(state="failed", last_error=ErrorReport(time="t", error="Cognito is away"))
    problems = judge(bad, generation=None, opendkim="FATAL")[1]
    assert all(said in problems for said in ("no generation", "opendkim", "Cognito"))
