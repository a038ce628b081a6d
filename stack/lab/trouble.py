"""Trouble with AWS in the test world, ordered over a small HTTP side: what `embedded.faults` can do, by its name.

`PUT /faults` takes {"match", "kind", "times", ...}: `kind` is a way of `Fault` ("throttled", "denied", "delayed",
"server_error", ...), what is left over goes to it, as in {"match": "Scan", "kind": "delayed", "seconds": 8}.
`DELETE /faults` answers everything properly again, `GET /faults` counts the requests that came, by target.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from embedded.faults import Fault, FaultProxy

KINDS: Mapping[str, Callable[..., Fault]] = {
    "throttled": Fault.throttled,
    "denied": Fault.denied,
    "delayed": Fault.delayed,
    "server_error": Fault.server_error,
    "connection_reset": Fault.connection_reset,
    "truncated": Fault.truncated,
    "error": Fault.error,
}


class Front:
    """What stands before the AWS double: a proxy on the port that clients know, which can go away and come back.

    Args:
        upstream: URL of the double.
        host: address to listen on.
        port: port that clients know.
    """

    def __init__(self, upstream: str, *, host: str, port: int) -> None:
        self._upstream, self._host, self._port = upstream, host, port
        self._proxy: FaultProxy | None = None
        self.up()

    def up(self) -> None:
        """Answer; without trouble, whatever was ordered before."""
        if self._proxy is None:
            self._proxy = FaultProxy(self._upstream, host=self._host, port=self._port)

    def down(self) -> None:
        """Refuse connections."""
        if self._proxy is not None:
            self._proxy.close()
            self._proxy = None

    def order(self, match: str, kind: str, *, times: int | None = None, **how: Any) -> None:
        """Let requests fail whose target contains `match`.

        Raises:
            ValueError: there is no such kind of trouble, it does not go that way, or AWS is down altogether.
        """
        if kind not in KINDS:
            raise ValueError(f"there is no trouble {kind!r}; there are {', '.join(KINDS)}")
        if self._proxy is None:
            raise ValueError("AWS is down; bring it up first")
        try:
            self._proxy.fail(match, KINDS[kind](**how), times)
        except TypeError as error:
            raise ValueError(f"{kind} does not go so: {error}") from error

    def heal(self) -> None:
        """Answer everything properly again."""
        if self._proxy is not None:
            self._proxy.heal()

    def counts(self) -> dict[str, int]:
        """Return how many requests came, by target, since it was up last."""
        return dict(self._proxy.counts) if self._proxy is not None else {}


class _Control(BaseHTTPRequestHandler):
    front: ClassVar[Front]

    def do_GET(self) -> None:
        self._answer(HTTPStatus.OK, json.dumps(self.front.counts()))

    def do_PUT(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        try:
            self.front.order(told.pop("match"), told.pop("kind"), **told)
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, f"{error}\n")
            return
        self._answer(HTTPStatus.OK, "{}")

    def do_DELETE(self) -> None:
        self.front.heal()
        self._answer(HTTPStatus.OK, "{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Stay silent."""

    def _answer(self, code: HTTPStatus, text: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def controlled(front: Front, *, host: str, port: int) -> None:
    """Take orders for a front over HTTP, from a thread of this process, until it ends."""
    control = ThreadingHTTPServer((host, port), type("Control", (_Control,), {"front": front}))
    threading.Thread(target=control.serve_forever, name="trouble", daemon=True).start()
