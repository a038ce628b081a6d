import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from reconfigure.cli import COMMANDS, cli

WATCH = """
import atexit, sys
heavy = ("boto3", "botocore", "jinja2")
atexit.register(lambda: print(",".join(name for name in heavy if name in sys.modules), file=sys.stderr))
from reconfigure.cli import main
main()
"""


def _complete(line: str, *, more: dict[str, str] | None = None) -> list[str]:
    words = line.split(" ")
    environ = os.environ | {
        "_RECONFIGURE_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        **(more or {}),
    }
    command = [sys.executable, "-c", WATCH]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    return [item.partition(",")[2] for item in done.stdout.splitlines() if item]


def test_commands_are_completed(environment: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    assert _complete("reconfigure ") == list(COMMANDS)
    assert _complete("reconfigure h") == ["history", "health"]


def test_options_are_completed(environment: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    assert _complete("reconfigure diff --s") == ["--source"]


@pytest.mark.parametrize("command", ["diff", "rollback", "approve"])
def test_generations_are_completed_newest_first(
    changed: Any,  # noqa: ARG001
    generations: Callable[[], list[str]],
    command: str,
) -> None:
    old, new = generations()
    assert _complete(f"reconfigure {command} ") == ["active", "before", "held", new, old]
    assert _complete(f"reconfigure {command} {old[:-2]}") == [old]


def test_wrong_settings_complete_to_nothing(environment: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    assert _complete("reconfigure diff ", more={"TIER": "none"}) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_says_how_to_install_it(run: Any, shell: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"# To install: reconfigure completion {shell} > " in result.stdout
    assert f"_RECONFIGURE_COMPLETE={shell}_complete" in result.stdout
    assert result.stdout.startswith("#compdef reconfigure\n") == (shell == "zsh")
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=result.stdout, text=True, check=True, timeout=60)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to ask")
def test_bash_completes_with_the_script(run: Any, folder: Any) -> None:
    (folder / "reconfigure").write_text(f'#!/bin/sh\nexec {sys.executable} -m reconfigure "$@"\n')
    (folder / "reconfigure").chmod(0o755)
    script = run("completion", "bash").stdout
    ask = 'COMP_WORDS=(reconfigure st); COMP_CWORD=1; _reconfigure_completion reconfigure; echo "${COMPREPLY[@]}"'
    environ = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    command = ["bash", "-c", f"{script}\n{ask}"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "status\n"


def test_another_shell_is_a_usage_error(run: Any) -> None:
    assert run("completion", "tcsh").exit_code == 2


def test_every_command_has_help_with_an_example(run: Any) -> None:
    for name in COMMANDS:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert "Example" in result.stdout
        assert f"  reconfigure {name}" in result.stdout
    assert set(COMMANDS) == set(cli.list_commands(None))  # type: ignore[arg-type]
