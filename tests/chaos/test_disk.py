"""A disk that is full, out of inodes or read-only: the old world stays, and with room again the next pass goes on."""

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

PRIVATE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--mount"]

RunScript = Callable[..., dict[str, Any]]


@pytest.fixture
def private() -> list[str]:
    """What gives a process mounts of its own, which end with it."""
    tried = subprocess.run(
        [*PRIVATE, "mount", "-t", "tmpfs", "none", "/mnt"], check=False, capture_output=True, text=True, timeout=30
    )
    if tried.returncode:
        pytest.skip(f"no mount namespace of one's own here: {tried.stderr}")
    return PRIVATE


@pytest.mark.parametrize("scenario", ["full", "inodes"])
def test_without_room_the_old_world_stays_and_with_room_again_the_next_pass_goes_on(
    run_script: RunScript, private: list[str], scenario: str
) -> None:
    found = run_script("full_disk", scenario, before=private)
    assert found["failures"] == []
    outcomes = list(found["outcomes"].values())
    assert outcomes[0].startswith("failed"), "the disk was not full"
    assert outcomes[-1] == "changed", "no level was enough, so the last steps were not tried"
    assert len({outcome.split("failed: ")[-1][:24] for outcome in outcomes}) > 2, "all failed at the same step"


def test_a_disk_that_old_generations_fill_is_made_room_on_by_the_pass_itself(
    run_script: RunScript, private: list[str]
) -> None:
    found = run_script("full_disk", "own", before=private)
    assert found["failures"] == []
    assert found["outcomes"]["0"] != "changed, 30 left of 30", "the disk was never full"


def test_on_a_read_only_disk_the_old_world_stays(run_script: RunScript, private: list[str]) -> None:
    found = run_script("full_disk", "read-only", before=private)
    assert found["failures"] == []
    assert "Read-only file system" in found["outcomes"]["0"]
