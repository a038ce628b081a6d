"""What CI makes of tests that fail: `.ci/second-try`, run on suites of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SECOND_TRY = Path(__file__).parents[1] / ".ci" / "second-try"

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


def run(place: Path, suite: str) -> tuple[subprocess.CompletedProcess[str], str]:
    (place / "test_it.py").write_text(suite)
    (place / "pytest.ini").write_text("[pytest]\n")
    names = place / "second-tries"
    names.touch()
    done = subprocess.run(
        [SECOND_TRY, sys.executable, "-m", "pytest", "--color=no"],
        cwd=place,
        env={**_outside_pytest(), "SECOND_TRIES": str(names)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done, names.read_text()


def _outside_pytest() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_"))}
