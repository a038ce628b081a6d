"""Docker or podman, and the compose that goes with it: the one place where a container program is run.

Containers are found by the labels that every compose writes, since names differ from one compose to the next.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
TOOL = CHECKOUT / "tools" / "containers"

_SECONDS = 60.0
_SHOWN = 4000


class CommandError(Exception):
    """A command ended with a failure, or did not end in time (code None); says which, where and what came back."""

    def __init__(self, what: str, *, code: int | None, stdout: str, stderr: str) -> None:
        end = "did not end in time" if code is None else f"ended with {code}"
        said = "\n".join(part.strip() for part in (stderr, stdout) if part.strip())[-_SHOWN:] or "nothing was said"
        super().__init__(f"{what} {end}: {said}")
        self.code = code
        self.stdout = stdout
        self.stderr = stderr


@dataclass(frozen=True)
class Engine:
    """A container engine: `program` is podman or docker, `compose` the command that reads compose files."""

    program: str
    compose: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def run(
        self, *arguments: str, timeout: float = _SECONDS, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the engine's commands and return what it said.

        Raises:
            CommandError: it failed (unless `check` is off), or took longer than `timeout` seconds.
        """
        return _run([self.program, *arguments], timeout=timeout, check=check, environ=self.environ, stdin=stdin)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin one of the engine's commands, its output in pipes, and return at once."""
        return subprocess.Popen(
            [self.program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ,
        )

    def compose_run(
        self,
        *arguments: str,
        project: str,
        files: Sequence[Path],
        environ: Mapping[str, str],
        timeout: float = 300.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a compose command on a project.

        Raises:
            CommandError: it failed, or took longer than `timeout` seconds.
        """
        named = [part for file in files for part in ("--file", str(file))]
        command = [*self.compose, "--project-name", project, *named, *arguments]
        return _run(command, timeout=timeout, check=True, environ={**self.environ, **environ})

    def find(self, project: str, service: str | None = None) -> list[str]:
        """Return the names of a project's containers (of one service of it), running or not."""
        chosen = ["--filter", f"label=com.docker.compose.project={project}"]
        if service is not None:
            chosen += ["--filter", f"label=com.docker.compose.service={service}"]
        return self.run("ps", "--all", *chosen, "--format", "{{.Names}}").stdout.split()

    def inspect(self, container: str) -> dict[str, Any]:
        """Return all that the engine knows of a container."""
        document: list[dict[str, Any]] = json.loads(self.run("inspect", "--type", "container", container).stdout)
        return document[0]

    def has_image(self, name: str) -> bool:
        """Return whether an image of that name is here."""
        return self.run("image", "inspect", name, check=False).returncode == 0


@cache
def engine() -> Engine:
    """Return the engine of this machine, the same that `tools/containers` takes.

    Raises:
        CommandError: there is none.
    """
    program = _run([str(TOOL), "engine"], timeout=_SECONDS, check=True, environ=os.environ).stdout.strip()
    if program == "docker":
        return Engine(program, (program, "compose"))
    # podman-compose calls podman by name, and podman its settings by this variable.
    environ = {"CONTAINERS_CONF": str(CHECKOUT / ".containers" / "containers.conf"), **os.environ}
    return Engine(program, (sys.executable, "-m", "podman_compose"), environ)


def _run(
    command: Sequence[str],
    *,
    timeout: float,
    check: bool,
    environ: Mapping[str, str],
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    # Secrets are in the environment, so the command line may be shown.
    what = " ".join(command)
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environ,
            check=False,
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
        )
    except subprocess.TimeoutExpired as error:
        texts = [
            part.decode(errors="replace") if isinstance(part, bytes) else part or ""
            for part in (error.stdout, error.stderr)
        ]
        raise CommandError(what, code=None, stdout=texts[0], stderr=texts[1]) from error
    if check and done.returncode != 0:
        raise CommandError(what, code=done.returncode, stdout=done.stdout, stderr=done.stderr)
    return done
