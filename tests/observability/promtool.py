"""promtool, Prometheus' own reader of rules: what it says of a file, and where it is to be found."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs/observability/prometheus-rules.yaml"

PROMTOOL = shutil.which("promtool", path=f"{ROOT / '.dev/bin'}:{os.environ.get('PATH', os.defpath)}")

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here; 'tools/mail-programs promtool'")


def promtool(*arguments: str | Path) -> str:
    """Return what promtool says, after asserting that it is content."""
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
