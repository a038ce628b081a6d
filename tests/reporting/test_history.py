"""What is promised of the history: records survive crashes, full disks and rotation, and only torn ones are lost."""

import fcntl
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconfigure.errors import ReconfigureError
from reconfigure.reporting.history import append, read

NO_LIMIT = 1 << 40
records = st.dictionaries(st.text(max_size=10), st.integers() | st.text(max_size=40) | st.none(), max_size=4)
Torn = tuple[dict[str, Any], float]


def test_records_are_read_newest_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for n in range(10):
        append(path, {"n": n}, limit_bytes=NO_LIMIT)
    assert read(path, limit=3) == [{"n": 9}, {"n": 8}, {"n": 7}]
    assert read(path, limit=0) == []
    assert len(read(path, limit=1000)) == 10


def test_no_history_is_an_empty_one(tmp_path: Path) -> None:
    assert read(tmp_path / "history.jsonl", limit=10) == []


@settings(deadline=None)
@given(st.lists(st.tuples(records, st.none() | st.floats(0, 1)), max_size=12))
def test_a_torn_line_costs_itself_alone(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[dict[str, Any], float | None]]
) -> None:
    """Each record is written, and some are then cut at any byte, as a crash or a full disk does."""
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    whole = []
    for record, cut in written:
        before = path.stat().st_size if path.exists() else 0
        append(path, record, limit_bytes=NO_LIMIT)
        line = json.dumps(record)
        if cut is None:
            whole.append(record)
        else:
            end = path.stat().st_size
            keep = before + int((end - before) * cut)
            with path.open("r+b") as stream:
                stream.truncate(keep)
            if path.read_bytes()[before:].strip(b"\n").decode() == line:
                whole.append(record)  # only the end of the line was lost
    assert read(path, limit=100) == whole[::-1]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=5))
def test_whatever_the_file_holds_reading_goes_on_and_so_does_appending(
    tmp_path_factory: pytest.TempPathFactory, garbage: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    for n, junk in enumerate(garbage):
        append(path, {"n": n}, limit_bytes=NO_LIMIT)
        with path.open("ab") as stream:
            stream.write(b"\n" + junk)
    append(path, {"n": "last"}, limit_bytes=NO_LIMIT)
    found = read(path, limit=1000)
    assert found[0] == {"n": "last"}
    assert [record["n"] for record in found if "n" in record] == ["last", *reversed(range(len(garbage)))]


def test_lines_longer_than_a_block_are_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    written = [{"n": n, "text": str(n) * size} for n, size in enumerate([10, 70_000, 1, 200_000, 65_535, 65_536])]
    for record in written:
        append(path, record, limit_bytes=NO_LIMIT)
    assert read(path, limit=100) == written[::-1]


def test_only_the_end_of_the_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for n in range(2):
        append(path, {"n": n}, limit_bytes=NO_LIMIT)
    with path.open("r+b") as stream:  # a hole of a terabyte before the last line, which no reader could go through
        tail = stream.read()
        stream.seek(1 << 40)
        stream.write(b"\n" + tail)
    assert read(path, limit=2) == [{"n": 1}, {"n": 0}]


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=40), st.integers(100, 400))
def test_rotation_keeps_the_newest_and_never_more_than_twice_the_limit(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int
) -> None:
    path = tmp_path_factory.mktemp("history") / "history.jsonl"
    for n, size in enumerate(sizes):
        append(path, {"n": n, "text": "x" * size}, limit_bytes=limit)
        found = [record["n"] for record in read(path, limit=1000)]
        assert found == list(range(n, n - len(found), -1)), "newest first, with no gap"
        assert found
    largest = max(sizes) + 40  # a single record may exceed the limit by itself
    assert sum(file.stat().st_size for file in path.parent.iterdir()) <= 2 * max(limit, largest)


def test_a_crash_right_after_the_rotation_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append(path, {"n": 1}, limit_bytes=NO_LIMIT)
    path.rename(tmp_path / "history.jsonl.1")
    assert read(path, limit=10) == [{"n": 1}]
    append(path, {"n": 2}, limit_bytes=NO_LIMIT)
    assert read(path, limit=10) == [{"n": 2}, {"n": 1}]


def test_a_file_under_both_names_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append(path, {"n": 1}, limit_bytes=NO_LIMIT)
    path.with_name("history.jsonl.1").hardlink_to(path)  # what a reader sees when it is overtaken by a rotation
    assert read(path, limit=10) == [{"n": 1}]


def test_a_full_disk_is_reported_and_costs_only_the_line_that_did_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    script = """
import resource, signal, sys
from pathlib import Path
from reconfigure.errors import ReconfigureError
from reconfigure.reporting.history import append
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for n in range(12):
    try:
        append(Path(sys.argv[1]), {"n": n, "text": "x" * 100}, limit_bytes=1 << 40)
    except ReconfigureError as error:
        print(n, error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "8 could not append to" in ran.stdout
    assert "bytes fitted" in ran.stdout
    append(path, {"n": "after"}, limit_bytes=NO_LIMIT)
    assert [record["n"] for record in read(path, limit=100)] == ["after", *reversed(range(8))]


def test_a_folder_that_is_missing_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ReconfigureError, match=r"could not append to .*history\.jsonl: No such file"):
        append(tmp_path / "absent" / "history.jsonl", {}, limit_bytes=NO_LIMIT)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").mkdir()
    with pytest.raises(ReconfigureError, match="could not read"):
        read(tmp_path / "history.jsonl", limit=1)


WRITER = """
import sys
from itertools import count
from pathlib import Path
from reconfigure.reporting.history import append
for n in count(int(sys.argv[2])):
    append(Path(sys.argv[1]), {"n": n, "text": "x" * (n % 40 * 50)}, limit_bytes=20_000)
    print(n, flush=True)
"""


def test_kill_at_any_moment_loses_no_line_that_was_reported_written(tmp_path: Path) -> None:
    path, n = tmp_path / "history.jsonl", 0
    for round_number in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n)], stdout=subprocess.PIPE, text=True)
        try:
            assert writer.stdout is not None
            for _ in range(round_number * 9 + 1):
                n = int(writer.stdout.readline())
        finally:
            writer.send_signal(signal.SIGKILL)
            rest, _ = writer.communicate()
        reported = [int(line) for line in rest.split("\n")[:-1]]
        n = reported[-1] if reported else n
        found = [record["n"] for record in read(path, limit=5)]
        assert found[0] in {n, n + 1}  # written, and killed before it could say so
        assert found == list(range(found[0], found[0] - len(found), -1))
        n = found[0] + 1


WRITERS = """
import multiprocessing, random, sys, time
from pathlib import Path
from reconfigure.reporting.history import append
# A rename that takes a while, as on a busy disk.
sys.addaudithook(lambda event, _: time.sleep(random.uniform(0, 0.02)) if event == "os.rename" else None)
folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
fork = multiprocessing.get_context("fork")
together = fork.Barrier(4)
def write(name):
    for number in range(rounds):
        together.wait(20)
        for n in range(3):
            append(folder / f"{number}.jsonl", {"writer": name, "n": n}, limit_bytes=150)
writers = [fork.Process(target=write, args=(name,)) for name in range(4)]
for writer in writers:
    writer.start()
for writer in writers:
    writer.join()
sys.exit(any(writer.exitcode for writer in writers))
"""


def test_writers_at_the_same_time_lose_no_line_when_the_file_is_rotated(tmp_path: Path) -> None:
    """Twelve lines of some 25 bytes each time, so that the file is set aside once and never twice."""
    rounds = 20
    subprocess.run([sys.executable, "-c", WRITERS, str(tmp_path), str(rounds)], check=True, timeout=120)
    found = [read(tmp_path / f"{number}.jsonl", limit=100) for number in range(rounds)]
    assert [len({(record["writer"], record["n"]) for record in records}) for records in found] == [12] * rounds


def test_a_writer_that_hangs_costs_a_line_and_no_more_than_its_time(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append(path, {"n": 1}, limit_bytes=NO_LIMIT)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ReconfigureError, match="could not append"):
            append(path, {"n": 2}, limit_bytes=NO_LIMIT)
    append(path, {"n": 3}, limit_bytes=NO_LIMIT)
    assert read(path, limit=10) == [{"n": 3}, {"n": 1}]
