import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from embedded.aws import Clients, World
from embedded.places import CHECKOUT

ServeAws = Callable[..., AbstractContextManager[World]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "whole: brings a whole embedded world up and down (half a minute)")


@contextmanager
def _serve_aws(folder: Path, *, port: int = 0) -> Iterator[World]:
    """A seeded AWS double in a process of its own, because moto's world is one a process."""
    file = folder / "aws.json"
    command = [sys.executable, "-m", "embedded.aws", "--port", str(port), "--file", str(file)]
    command += ["--pings", "http://127.0.0.1:9"]
    process = subprocess.Popen(command, cwd=CHECKOUT)
    try:
        deadline = time.monotonic() + 60
        while not file.exists():
            assert process.poll() is None, "the AWS double ended"
            assert time.monotonic() < deadline, "the AWS double was not seeded in time"
            time.sleep(0.05)
        yield World.read(file)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


@pytest.fixture(scope="session")
def serve_aws() -> ServeAws:
    return _serve_aws


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with _serve_aws(tmp_path_factory.mktemp("aws")) as world:
        yield world


@pytest.fixture(scope="module")
def aws(world: World) -> Clients:
    return Clients(world.url)


@pytest.fixture
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of AWS or of the tiers is set."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "RECONFIGURE_", "SQS_", "COGNITO_")):
            monkeypatch.delenv(name)
