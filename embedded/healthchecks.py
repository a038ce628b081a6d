"""A Healthchecks that runs here: the ping API over HTTP, kept in memory, with faults that can be switched on.

It follows https://healthchecks.io/docs/http_api/ and the run-id rules of `Check.ping` in `hc/api/models.py`: a start
opens a run, the success with the same run id or any failure closes it. Any check is created by its first ping. There
are no schedules and no alerts: look at `/` (a table, or JSON with `?format=json`) instead.

Run it by hand: `python -m embedded.healthchecks --port 8000`, then `curl 127.0.0.1:8000/imap/start`.
"""

import argparse
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import parse_qs, urlsplit

BODY_LIMIT = 10_000
_PINGS_KEPT = 100
_CHECKS_KEPT = 1000
_READ_LIMIT = 1_000_000
_ACTIONS = {"start", "fail", "log"}


class Behaviour(StrEnum):
    """How pings are answered; all but the first are faults."""

    OK = "ok"
    SLOW = "slow"  # taken note of, answered when released
    ERROR = "error"  # 500
    REDIRECT = "redirect"
    RESET = "reset"  # the connection is reset in place of an answer
    HANG = "hang"  # headers and half of the body, the rest when released
    NOT_FOUND = "not-found"  # as the hosted service says it: 200, and the truth in the body
    RATE_LIMITED = "rate-limited"  # likewise


@dataclass(frozen=True)
class Ping:
    """One ping as it was received."""

    n: int
    time: str
    kind: str  # success, start, fail, log
    rid: str | None
    body: str
    accepted: bool  # false: answered by a fault, so it changed nothing


@dataclass
class Check:
    """One check: `status` is "new", "up" or "down"; `running` the run that is open, with `started` set."""

    name: str
    status: str = "new"
    started: bool = False
    running: str | None = None
    pings: list[Ping] = field(default_factory=list)

    def take(self, ping: Ping) -> None:
        """Apply a ping."""
        self.pings = [*self.pings[-(_PINGS_KEPT - 1) :], ping]
        if not ping.accepted or ping.kind == "log":
            return
        if ping.kind == "start":
            self.started, self.running = True, ping.rid
            return
        if ping.kind == "fail" or ping.rid in {None, self.running}:
            self.started, self.running = False, None
        self.status = "down" if ping.kind == "fail" else "up"


class HealthchecksDouble:
    """The server, for tests: `with HealthchecksDouble() as double: double.url("imap")`.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one, kept while the double is down.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._checks: dict[str, Check] = {}
        self._behaviour = Behaviour.OK
        self._location = ""
        self._host = host
        self._socket = _bound(host, port)
        self._port: int = self._socket.getsockname()[1]
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, check: str) -> str:
        """Return the ping URL of a check: a UUID, a slug, or "key/slug"."""
        return f"http://{self._host}:{self._port}/{check}"

    def up(self) -> None:
        """Answer requests."""
        self._socket.listen(32)
        self._server = server = _Server(self, self._socket)
        threading.Thread(target=server.serve_forever, args=(0.02,), name="healthchecks", daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and keep the port: bound, but not listened to."""
        self._stop()
        self._socket = _bound(self._host, self._port)

    def close(self) -> None:
        """Stop for good; answers still held back are let go."""
        self._stop()
        self._socket.close()

    def behave(self, behaviour: Behaviour, location: str = "") -> None:
        """Answer pings in this way from now on; `location` is where a redirect leads."""
        with self._changed:
            self._behaviour, self._location = behaviour, location
            self._released.set()
            self._released = threading.Event()

    def release(self) -> None:
        """Let the answers go that "slow" and "hang" hold back."""
        with self._changed:
            self._released.set()

    def pings(self, check: str, *, accepted: bool | None = None) -> list[Ping]:
        """Return the pings of a check, oldest first."""
        with self._changed:
            known = self._checks.get(check)
            return [ping for ping in known.pings if accepted in {None, ping.accepted}] if known else []

    def check(self, check: str) -> Check:
        """Return a check as it stands."""
        with self._changed:
            known = self._checks.get(check, Check(check))
            return Check(known.name, known.status, known.started, known.running, list(known.pings))

    def wait(self, satisfied: Callable[[Self], bool], *, timeout: float = 20.0) -> bool:
        """Wait until a ping has made `satisfied` true; false when the time is over."""
        deadline = time.monotonic() + timeout
        while not satisfied(self):
            with self._changed:
                if time.monotonic() > deadline:
                    return False
                self._changed.wait(0.05)
        return True

    def document(self) -> list[dict[str, Any]]:
        """Return every check with its pings, newest first, ready for JSON."""
        with self._changed:
            checks = [asdict(check) for _, check in sorted(self._checks.items())]
        return [{**check, "pings": check["pings"][::-1]} for check in checks]

    def table(self) -> str:
        """Return every check with its last pings for people."""
        lines = []
        for check in self.document():
            running = f", running {check['running'] or ''}" if check["started"] else ""
            lines.append(f"{check['name']}: {check['status']}{running}")
            for ping in check["pings"][:5]:
                lines.append(f"  {ping['time']}  {ping['kind']:<8}{ping['rid'] or ''}")
                lines.extend(f"      {line}" for line in ping["body"].splitlines())
        return "\n".join(lines or ["no check has been pinged yet"]) + "\n"

    def take(self, name: str, kind: str, rid: str | None, body: str) -> tuple[Behaviour, str, threading.Event]:
        """Record a ping; return how to answer it."""
        with self._changed:
            if name not in self._checks and len(self._checks) >= _CHECKS_KEPT:
                del self._checks[next(iter(self._checks))]
            check = self._checks.setdefault(name, Check(name))
            accepted = self._behaviour in {Behaviour.OK, Behaviour.SLOW, Behaviour.HANG}
            number = check.pings[-1].n + 1 if check.pings else 1
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            check.take(Ping(number, now, kind, rid, body, accepted))
            self._changed.notify_all()
            return self._behaviour, self._location, self._released

    def _stop(self) -> None:
        self.release()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


_REFUSALS = {
    Behaviour.ERROR: (HTTPStatus.INTERNAL_SERVER_ERROR, "server error"),
    Behaviour.REDIRECT: (HTTPStatus.FOUND, "moved"),
    Behaviour.NOT_FOUND: (HTTPStatus.OK, "OK (not found)"),
    Behaviour.RATE_LIMITED: (HTTPStatus.OK, "OK (rate limited)"),
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, double: HealthchecksDouble, listening: socket.socket) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.double = double

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        double = cast("_Server", self.server).double
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        length = min(int(self.headers.get("Content-Length") or 0), _READ_LIMIT)
        body = self.rfile.read(length)[:BODY_LIMIT].decode("utf-8", "replace")
        target = _target(parts.path)
        rid = query.get("rid", [None])[0]
        if parts.path == "/" and (query.get("format") == ["json"] or "json" in self.headers.get("Accept", "")):
            self._answer(HTTPStatus.OK, json.dumps(double.document(), indent=2) + "\n")
        elif parts.path == "/":
            self._answer(HTTPStatus.OK, double.table())
        elif target is None:
            self._answer(HTTPStatus.NOT_FOUND, "not found")
        elif rid is not None and not _canonical(rid):
            self._answer(HTTPStatus.BAD_REQUEST, "invalid uuid format")
        else:
            self._ping(*double.take(*target, rid, body))

    do_POST = do_GET  # noqa: N815 - the name is http.server's
    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Stay silent: `/` shows what was received."""

    def _ping(self, behaviour: Behaviour, location: str, released: threading.Event) -> None:
        if behaviour is Behaviour.RESET:
            # Linger of zero seconds: close sends a reset in place of an orderly end (socket(7)).
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
            return
        if behaviour is Behaviour.SLOW:
            released.wait()
        code, text = _REFUSALS.get(behaviour, (HTTPStatus.OK, "OK"))
        self._answer(code, text, location=location, pause=released if behaviour is Behaviour.HANG else None)

    def _answer(self, code: HTTPStatus, text: str, *, location: str = "", pause: threading.Event | None = None) -> None:
        data = text.encode()
        kind = "application/json" if text[:1] in "[{" else "text/plain; charset=utf-8"
        self.close_connection = True
        with suppress(ConnectionError):  # a client that gave up waiting
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Ping-Body-Limit", str(BODY_LIMIT))
            self.send_header("Connection", "close")
            if location:
                self.send_header("Location", location)
            self.end_headers()
            if pause is not None:
                self.wfile.write(data[:1])
                pause.wait()
                data = data[1:]
            if self.command != "HEAD":
                self.wfile.write(data)


def _target(path: str) -> tuple[str, str] | None:
    """Return the check and the kind of ping of a path: `/<uuid or slug>` or `/<key>/<slug>`, then the action."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["ping"] and len(parts) > 1:
        parts = parts[1:]  # where a self-hosted Healthchecks has its ping API
    kind = "success"
    if len(parts) > 1 and parts[-1] in _ACTIONS:
        kind = parts.pop()
    elif len(parts) > 1 and parts[-1].isdecimal():
        kind = "success" if int(parts.pop()) == 0 else "fail"
    well_formed = len(parts) in {1, 2} and all(part.replace("-", "").replace("_", "").isalnum() for part in parts)
    return ("/".join(parts), kind) if well_formed else None


def _canonical(rid: str) -> bool:
    try:
        return str(uuid.UUID(rid)) == rid.lower()
    except ValueError:
        return False


def main() -> None:
    """Serve until a signal to stop."""
    parser = argparse.ArgumentParser(prog="python -m embedded.healthchecks", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one (see --port-file)")
    parser.add_argument("--port-file", type=Path, help="write the port there once pings are taken")
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with HealthchecksDouble(arguments.host, arguments.port) as double:
        address = urlsplit(double.url(""))
        if arguments.port_file:
            fresh = arguments.port_file.with_name(f".{arguments.port_file.name}.{os.getpid()}")
            fresh.write_text(f"{address.port}\n")
            fresh.replace(arguments.port_file)
        print(f"Healthchecks double on http://{address.netloc}/", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
