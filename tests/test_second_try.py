"""What CI makes of tests that fail: `.ci/second-try` and `.ci/run`, run on suites of their own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

CI = Path(__file__).parents[1] / ".ci"
SECOND_TRY = CI / "second-try"

FLAKY = """
from pathlib import Path
def test_fine():
    pass
def test_flaky():
    before = Path("tried").exists()
    Path("tried").touch()
    assert before
"""
BROKEN = """
def test_broken():
    raise AssertionError("always")
"""
CUT_SHORT = """
def test_cut():
    raise KeyboardInterrupt
def test_never_run():
    pass
"""
# One worker of two collects less than the other, so that neither runs a test; alone, there is nothing wrong.
COLLECTED_BY_ONE = """
from pathlib import Path
tried = len(list(Path().glob("tried-*")))
Path(f"tried-{tried}").mkdir()
if tried == 1:
    raise RuntimeError("only the second who asks")
def test_fine():
    pass
"""

MAKEFILE = """
lint:
	@true
images:
	@true
test e2e drills:
	@$(PYTEST) test_$@.py
"""


@pytest.mark.parametrize(
    ("suite", "code", "named", "last"),
    [
        ("def test_fine():\n    pass", 0, "", "1 passed"),
        (FLAKY, 0, "test_it.py::test_flaky\n", "1 passed in"),
        (FLAKY + BROKEN, 1, "", "1 failed, 1 passed"),
        (BROKEN, 1, "", "1 failed"),
        (BROKEN.replace("test_", "_"), 5, "", "no tests ran"),
        ("import nothing_of_that_name", 2, "", "1 error"),
    ],
    ids=["green", "flaky", "flaky and broken", "broken", "no tests", "cannot be collected"],
)
def test_what_fails_once_is_tried_alone_and_named_and_what_fails_twice_fails_the_run(
    suite: str, code: int, named: str, last: str, tmp_path: Path
) -> None:
    done, names = run(tmp_path, suite)
    assert done.returncode == code, done.stdout
    assert names == named
    assert last in done.stdout.splitlines()[-1]


def test_a_run_that_was_cut_short_is_not_tried_again(tmp_path: Path) -> None:
    done, names = run(tmp_path, BROKEN + CUT_SHORT)
    assert done.returncode == 2
    assert names == ""
    assert "Once more" not in done.stdout


@pytest.mark.parametrize(
    ("suite", "code"),
    [(COLLECTED_BY_ONE, 1), ("import nothing_of_that_name", 1), (BROKEN + CUT_SHORT, 2)],
    ids=["collected by one worker", "collected by none", "cut short"],
)
def test_nor_is_one_of_several_workers_in_which_tests_had_no_turn(suite: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass")
    done, names = run(tmp_path, suite, "-n", "2")
    assert done.returncode == code, done.stdout
    assert names == ""
    assert "Once more" not in done.stdout


def test_a_worker_that_dies_is_a_test_that_failed(tmp_path: Path) -> None:
    dying = FLAKY.replace("    assert before", "    import os\n    before or os._exit(3)")
    done, names = run(tmp_path, dying, "-n", "2")
    assert done.returncode == 0, done.stdout
    assert names == "test_it.py::test_flaky\n"


def test_nobody_is_left_without_a_file_for_the_names(tmp_path: Path) -> None:
    done = _started([SECOND_TRY, "true"], tmp_path)
    assert done.returncode != 0
    assert "SECOND_TRIES" in done.stderr


@pytest.mark.parametrize(
    ("test", "e2e", "code"),
    [("", "", 0), (FLAKY, "", 0), ("", FLAKY, 0), (FLAKY, BROKEN, 1), (BROKEN, "", 1)],
    ids=["green", "first suite flaky", "second suite flaky", "flaky, then broken", "first suite broken"],
)
def test_the_whole_run_fails_with_any_suite_and_ends_with_the_names_and_the_runners_summary(
    test: str, e2e: str, code: int, tmp_path: Path
) -> None:
    place = _project(tmp_path, "true", test, e2e)
    done = _started([place / ".ci/run"], place)
    assert done.returncode == code, done.stdout + done.stderr
    if code == 0:
        flaky = [f"  test_{name}.py::test_flaky" for name, suite in (("test", test), ("e2e", e2e)) if suite]
        *before, last = done.stdout.splitlines()
        assert " passed" in last
        assert before[len(before) - len(flaky) :] == flaky
        assert ("Green only at the second try" in done.stdout) == bool(flaky)
    else:
        *_, failed, last = done.stdout.splitlines()
        assert "1 failed" in last
        assert failed == f"  FAILED test_{'e2e' if e2e else 'test'}.py::test_broken - AssertionError: always"


def test_a_run_that_fails_before_any_test_ends_with_what_failed(tmp_path: Path) -> None:
    place = _project(tmp_path, "exit 3", "", "")
    done = _started([place / ".ci/run"], place)
    assert done.returncode == 3
    assert "tests" not in done.stdout


def _project(place: Path, check_lock: str, test: str, e2e: str) -> Path:
    shutil.copytree(CI, place / ".ci")
    (place / "Makefile").write_text(MAKEFILE)
    (place / "pytest.ini").write_text("[pytest]\n")
    for name, suite in (("test", test), ("e2e", e2e), ("drills", "")):
        (place / f"test_{name}.py").write_text(suite or "def test_fine():\n    pass")
    for name, does in ((".venv/bin/python", f'exec {sys.executable} "$@"'), ("tools/check-lock", check_lock)):
        program = place / name
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    return place


def run(place: Path, suite: str, *arguments: str) -> tuple[subprocess.CompletedProcess[str], str]:
    (place / "test_it.py").write_text(suite)
    (place / "pytest.ini").write_text("[pytest]\n")
    names = place / "second-tries"
    names.touch()
    command: list[str | Path] = [SECOND_TRY, sys.executable, "-m", "pytest", "--color=no", *arguments]
    return _started(command, place, SECOND_TRIES=str(names)), names.read_text()


def _started(command: Sequence[str | Path], place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=place,
        env=_outside_pytest() | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _outside_pytest() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "COV_", "MAKE", "MFLAGS", "SECOND_TRIES", "ARGS"))
    }
