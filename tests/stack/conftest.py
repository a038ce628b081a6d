"""One set of keys and one AWS double for all of these tests: each takes seconds to make."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from embedded import sample
from embedded.aws import World
from stack import keys
from tests.stack.processes import free_ports, service


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "deeper" / "keys.json"


@pytest.fixture(scope="session")
def made(keys_file: Path) -> Mapping[str, str]:
    return keys.load_or_make(keys_file, cert_domain=sample.CERT_DOMAIN)


@pytest.fixture(scope="session")
def aws_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aws") / "aws.json"


@pytest.fixture(scope="session")
def aws_process(aws_file: Path) -> Iterator[subprocess.Popen[str]]:
    port, pings, trouble = free_ports(3)
    told = ("--port", str(port), "--pings", str(pings), "--trouble", str(trouble), "--file", str(aws_file))
    # A process of its own: moto's world is one a process.
    with service("stack.lab.aws", *told, environ={}) as process:
        yield process


@pytest.fixture
def ids(aws_process: subprocess.Popen[str], aws_file: Path) -> World:
    assert aws_process.poll() is None
    return World.read(aws_file)
