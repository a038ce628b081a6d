"""What a person is told to type can be typed."""

import os
import subprocess

from stack.board import COMMAND
from stack.engine import CHECKOUT


def test_the_command_that_is_named_works_in_a_shell_without_a_venv() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{COMMAND} --help"],  # noqa: S607 the shell of a person
        cwd=CHECKOUT,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {COMMAND} ")
