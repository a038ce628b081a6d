"""Runs the programs that make and check files: an argument list, a time limit, and an end when the pass is to end."""

import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO, NamedTuple

from reconfigure.errors import GenerationError

_SLICE = 0.25  # seconds between two looks at whether the pass is to end


class Ended(NamedTuple):
    """What a program came to: its exit code, and what it said on its captured streams."""

    code: int
    said: str


def run_tool(
    command: Sequence[str],
    what: str,
    *,
    timeout: float,
    checkpoint: Callable[[], None] = lambda: None,
    text: bytes | None = None,
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> Ended:
    """Run a program to its end and return what it came to; what it says is captured unless it goes to a file.

    Args:
        command: program and arguments, no shell.
        what: what it does, for messages.
        timeout: seconds until it is killed.
        checkpoint: called now and then; may raise, and then the program is killed, too.
        text: what it reads on standard input; or
        stdin: a file that it reads.
        stdout: a file for its output; else the output is captured with standard error.

    Raises:
        GenerationError: it does not exist or took too long.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if text is not None else (stdin or subprocess.DEVNULL),
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE if stdout else subprocess.STDOUT,
        )
    except FileNotFoundError as error:
        raise GenerationError(f"{what} failed: {command[0]} was not found; install the package it is in") from error
    except OSError as error:
        raise GenerationError(
            f"{what} failed: {command[0]} could not be started: {error.strerror}; look at its mode and at free memory"
        ) from error
    with process:
        try:
            out, err = _wait(process, what, text, timeout=timeout, checkpoint=checkpoint)
        except BaseException:
            process.kill()
            raise
    return Ended(process.returncode, ((out or b"") + (err or b"")).decode("utf-8", "replace").strip())


def _wait(
    process: "subprocess.Popen[bytes]",
    what: str,
    text: bytes | None,
    *,
    timeout: float,
    checkpoint: Callable[[], None],
) -> tuple[bytes | None, bytes | None]:
    until = time.monotonic() + timeout
    while True:
        try:
            return process.communicate(text, timeout=min(_SLICE, max(until - time.monotonic(), 0.0)))
        except subprocess.TimeoutExpired as error:
            text = None  # communicate goes on with the rest of what it was given first
            if time.monotonic() >= until:
                said = ((error.stdout or b"") + (error.stderr or b""))[-500:].decode("utf-8", "replace").strip()
                raise GenerationError(
                    f"{what} took longer than {timeout:g} s and was ended ({' '.join(map(str, error.cmd))}); it said: "
                    f"{said or 'nothing'}. Find out what it waits for, or raise RECONFIGURE_TOOL_TIMEOUT"
                ) from error
            checkpoint()
