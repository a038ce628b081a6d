"""SIGKILL at every step: what is live afterwards is the old world or the new one, whole, and the next pass goes on."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.crash


@pytest.mark.parametrize(
    ("scenario", "at_least"),
    [("first", 60), ("change", 60), ("held", 60), ("approve", 8), ("rollback", 8), ("prune", 20)],
)
def test_a_process_killed_at_any_step_leaves_a_whole_world(
    run_script: Callable[..., dict[str, Any]], scenario: str, at_least: int
) -> None:
    found = run_script("killed_pass", scenario)
    assert found["failures"] == []
    assert found["steps"] >= at_least, "most steps were not seen, so nothing was killed there"


def test_a_process_killed_at_any_moment_leaves_a_whole_world(run_script: Callable[..., dict[str, Any]]) -> None:
    assert run_script("killed_pass", "random")["failures"] == []
