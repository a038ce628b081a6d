"""The real helper as a process of its own, before a real AWS double, with a proxy between them that makes trouble."""

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from embedded import sample
from embedded.aws import World, serving
from embedded.faults import FaultProxy
from reconfigure.settings import Tier

STARTED_WITHIN = 30.0


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with serving() as world:
        yield world


@pytest.fixture
def proxy(world: World) -> Iterator[FaultProxy]:
    with FaultProxy(world.url) as proxy:
        yield proxy


def serve_users(state: Path, *users: str, generation: str = "1") -> None:
    """Make a generation in which these users are served, and flip to it."""
    folder = state / "generations" / generation / "passwd"
    folder.mkdir(parents=True)
    lines = [
        f"{user}:x:{2000 + number}:{2000 + number}::/home/{user}:/usr/sbin/nologin\n"
        for number, user in enumerate(sorted(users))
    ]
    (folder / "passwd").write_text("".join(lines))
    beside = state / ".current"
    beside.symlink_to(f"generations/{generation}")
    beside.replace(state / "current")


@dataclass
class Helper:
    """A running helper and what its clients would do."""

    process: subprocess.Popen[bytes]
    sockets: Path
    state: Path
    log_path: Path
    held: list[socket.socket] = field(default_factory=list)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def logins(self) -> list[dict[str, Any]]:
        return [line for line in self.log() if line["event"] == "login"]

    def connect(self, name: str) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(30)
        made.connect(str(self.sockets / name))
        self.held.append(made)
        return made

    def sasl(self, user: str, password: str, *, realm: str = "") -> str:
        """Ask as libsasl2 does; "" when the helper closed the connection without an answer."""
        with self.connect("mux") as client:
            client.sendall(sasl_request(user, password, "smtp", realm))
            return sasl_answer(client)

    def dovecot(self, user: str, password: str, address: str = "192.0.2.1") -> str:
        """Ask as Dovecot does; "yes", "no" or "unavailable"."""
        with self.connect("dovecot") as client:
            return dovecot_asks(client, user, password, address)

    def master(self, name: str, password: str, address: str = "192.0.2.1") -> str:
        """Ask about the master user, as Dovecot does."""
        with self.connect("dovecot") as client:
            return dovecot_asks(client, name, password, address, path="master")

    def greeted(self, address: str = "198.51.100.7") -> bytes:
        """Open a session of sendmail's and return what the gate says to its EHLO."""
        with self.connect("gate") as client:
            return Milter(client).greet(address)

    def stop(self) -> float:
        """End it by SIGTERM and return how long that took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=10) == 0
        return time.monotonic() - began


def sasl_request(*fields: str) -> bytes:
    return b"".join(struct.pack("!H", len(each.encode())) + each.encode() for each in fields)


def sasl_answer(client: socket.socket) -> str:
    head = client.recv(2)
    if not head:
        return ""
    (length,) = struct.unpack("!H", head)
    return client.recv(length).decode()


def dovecot_asks(
    client: socket.socket, user: str, password: str, address: str = "192.0.2.1", *, path: str = "check"
) -> str:
    form = {"grant_type": "password", "username": user, "password": password, "client_id": "dovecot"}
    body = urlencode(form).encode()
    remote = f"[{address}]:40000" if ":" in address else f"{address}:40000"
    client.sendall(
        b"POST http://login/" + path.encode() + b" HTTP/1.1\r\nHost: login\r\n"
        b"X-Dovecot-Auth-Protocol: imap\r\nX-Dovecot-Auth-Remote: " + remote.encode() + b"\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    response = http.client.HTTPResponse(client)
    response.begin()
    document = json.loads(response.read())
    if response.status == 503:
        return "unavailable"
    assert response.status == 200, response.status
    assert document["username"] == user
    return str(document["active"])


class Milter:
    """The sendmail side of a milter connection, as sendmail 8.18 begins it."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.offered = self.ask(b"O", struct.pack("!III", 6, 0x1FF, 0x1FFFFF))

    def ask(self, command: bytes, data: bytes = b"") -> bytes:
        self.client.sendall(struct.pack("!I", len(data) + 1) + command + data)
        (length,) = struct.unpack("!I", self.client.recv(4))
        return self.client.recv(length)

    def greet(self, address: str = "198.51.100.7") -> bytes:
        """Connect and say EHLO; the answer to that."""
        assert self.ask(b"C", b"client.test\x004" + struct.pack("!H", 40000) + address.encode() + b"\0") == b"c"
        return self.ask(b"H", b"client.test\0")


@pytest.fixture
def start(world: World, proxy: FaultProxy, tmp_path: Path) -> Iterator[Callable[..., Helper]]:
    """Start a helper; all are ended and their logs searched for passwords when the test is over."""
    started: list[Helper] = []

    # sendmail wants a socket that lies nowhere where others may write.
    with tempfile.TemporaryDirectory(prefix=".login-", dir=Path.home()) as short:

        def start(
            tier: Tier = Tier.IMAP,
            *,
            networks: str = "",
            master_password: str = "",
            sending: Mapping[str, str] | None = None,
            **settings: str,
        ) -> Helper:
            number = len(started)
            sockets = Path(short) / str(number)
            state = tmp_path / f"state-{number}"
            serve_users(state, "alice", "bob", "carol", "dave", "grace", "frank")
            log_path = tmp_path / f"log-{number}"
            environ = {
                name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RECONFIGURE_"))
            }
            environ |= {
                "TIER": tier.value,
                "CERT_DOMAIN": sample.CERT_DOMAIN,
                "AWS_REGION": world.region,
                "AWS_ENDPOINT_URL": proxy.url,
                "COGNITO_POOL_ID": world.pool_id,
                "COGNITO_CLIENT_ID": world.client_id,
                "RECONFIGURE_STATE_DIR": str(state),
                "RECONFIGURE_LOGIN_DIR": str(sockets),
                "RECONFIGURE_SENDING_DIR": str(tmp_path / f"sending-{number}"),
                "RECONFIGURE_LOG_FORMAT": "json",
                "MALLOC_ARENA_MAX": "1",
            }
            environ |= {f"RECONFIGURE_LOGIN_{name.upper()}": value for name, value in settings.items()}
            environ |= {f"RECONFIGURE_SENDING_{name.upper()}": value for name, value in (sending or {}).items()}
            secrets = tmp_path / f"secrets-{number}"
            secrets.mkdir()
            environ["RECONFIGURE_SECRETS_DIR"] = str(secrets)
            if networks:
                environ["NETWORK_CIDR"] = networks
            if master_password:
                (secrets / "master-password").write_text(f"{master_password}\n")
            with log_path.open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "reconfigure", "login"], env=environ, stdout=log, stderr=log
                )
            helper = Helper(process, sockets, state, log_path)
            started.append(helper)
            deadline = time.monotonic() + STARTED_WITHIN
            while '"started"' not in log_path.read_text():
                assert process.poll() is None, log_path.read_text()
                assert time.monotonic() < deadline, log_path.read_text()
                time.sleep(0.02)
            return helper

        yield start
        for helper in started:
            for client in helper.held:
                client.close()
            if helper.process.poll() is None:
                helper.process.kill()
            helper.process.wait()
            text = helper.log_path.read_text()
            assert sample.PASSWORD not in text
            assert "Traceback" not in text, text


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is true, 20 s at most."""

    def until(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, "it did not come true within 20 s"
            time.sleep(0.01)

    return until


@contextmanager
def timed(limit: float) -> Iterator[None]:
    """Fail when what is inside takes longer."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < limit
