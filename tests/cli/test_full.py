"""A state folder without room: the status document cannot be written any more, so the file system itself is asked."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.test_disk import private  # noqa: F401 - a fixture

FILL = {
    "space": "-o size=1m none {state} && cp -a {copy}/. {state} && dd if=/dev/zero of={state}/filler 2>/dev/null",
    "inode": "-o nr_inodes=150 none {state} && cp -a {copy}/. {state} && (cd {state} && touch $(seq 200))",
}


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("what", FILL)
def test_a_full_disk_is_told_though_nothing_can_be_written(
    state: Path,
    tmp_path: Path,
    private: list[str],  # noqa: F811
    what: str,
) -> None:
    copy = tmp_path / "copy"
    fill = FILL[what].format(state=state, copy=copy)
    script = (
        f"cp -a {state} {copy}; mount -t tmpfs {fill} 2>/dev/null; "
        f"for command in 'health' 'status --json'; do {sys.executable} -m reconfigure $command; echo; done"
    )
    done = subprocess.run(
        [*private, "sh", "-c", script], capture_output=True, text=True, timeout=60, env=dict(os.environ), check=False
    )
    health, _, status = done.stdout.partition("\n\n")
    told = json.loads(health)
    assert told["status"] == "degraded", done.stderr
    assert told["problems"][0].startswith(f"no {what} is left for {state}")
    assert json.loads(status)["runbook"] == 15
