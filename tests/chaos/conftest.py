"""Runs the scripts of this folder as processes of their own and hands back what they found."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run_script(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run one and return its document; `before` is what it is run by, such as unshare(1)."""

    def run_script(name: str, scenario: str, *, before: Sequence[str] = ()) -> dict[str, Any]:
        command = [*before, sys.executable, "-m", f"tests.chaos.{name}", scenario, str(tmp_path)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600, cwd=ROOT)
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    return run_script
