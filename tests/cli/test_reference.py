"""The committed reference page is what the commands say of themselves."""

import subprocess
import sys
from pathlib import Path

from reconfigure.cli import COMMANDS
from reconfigure.cli.reference_page import reference

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "reference" / "commands.md"


def test_the_committed_page_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "run: python -m reconfigure.cli > docs/reference/commands.md"
    )


def test_the_module_writes_the_page_whatever_the_terminal() -> None:
    command = [sys.executable, "-m", "reconfigure.cli"]
    environ = {"COLUMNS": "40", "PYTHONIOENCODING": "utf-8", "FORCE_COLOR": "1"}
    done = subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode() == reference()


def test_every_command_has_its_section() -> None:
    assert [line[4:-1] for line in reference().splitlines() if line.startswith("## `")] == list(COMMANDS)
