"""Runs one of the test world's services as a process of its own, on loopback ports, until a test is done with it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from stack.engine import CHECKOUT

LOOPBACK = "127.0.0.1"
_SECONDS = 30.0


def free_ports(count: int) -> list[int]:
    """Return TCP ports that nobody has at this moment."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def wait_until(true: Callable[[], bool], *, seconds: float = _SECONDS) -> None:
    """Wait until something is true; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not true after {seconds} s"
        time.sleep(0.05)


@contextmanager
def service(module: str, *arguments: str, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a service; the block begins when it has said its first line."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", module, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), f"{module} ended before it was ready"
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=_SECONDS)
    assert process.returncode == 0, f"{module} did not end in order: {process.returncode}"
