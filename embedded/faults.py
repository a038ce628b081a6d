"""Trouble on demand: an HTTP proxy in front of the AWS double that answers as AWS does on a bad day.

The double never throttles, hangs or cuts an answer short; what reads from it must survive all that. So tests and
drills let their clients talk to this proxy, tell it which requests are to fail, how, and how often, and count what
was asked. It decides nothing by chance: the same orders give the same trouble.
"""

import contextlib
import http.client
import json
import os
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

UPSTREAM_TIMEOUT = 60.0
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"})


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to a request instead of being answered properly; make one by the methods below.

    Attributes:
        status: HTTP status of a made-up answer; 0 lets the request through.
        code: AWS error code; written as JSON or XML, whichever protocol the request speaks.
        message: the error's text.
        body: a body to answer as it is, in place of an error.
        delay: seconds to wait first.
        reset: close the connection by a TCP reset, without an answer.
        keep: share of the proper answer's body to send before closing the connection.
    """

    status: int = 0
    code: str = ""
    message: str = ""
    body: bytes | None = None
    delay: float = 0.0
    reset: bool = False
    keep: float = 1.0

    @classmethod
    def throttled(cls, code: str = "ProvisionedThroughputExceededException") -> Self:
        """Too many requests (400, as AWS answers it; the code differs from service to service)."""
        return cls(status=400, code=code, message="The level of configured provisioned throughput was exceeded.")

    @classmethod
    def server_error(cls, status: int = 500) -> Self:
        """Trouble inside AWS."""
        return cls(status=status, code="InternalServerError", message="The request processing has failed.")

    @classmethod
    def denied(cls, action: str = "dynamodb:Scan") -> Self:
        """The role lacks a permission."""
        message = f"User: arn:aws:sts::123456789012:assumed-role/task is not authorized to perform: {action}"
        return cls(status=400, code="AccessDeniedException", message=message)

    @classmethod
    def error(cls, status: int, code: str, message: str = "") -> Self:
        """Any other AWS error."""
        return cls(status=status, code=code, message=message)

    @classmethod
    def answer(cls, body: bytes, status: int = 200) -> Self:
        """Exactly this body."""
        return cls(status=status, body=body)

    @classmethod
    def connection_reset(cls) -> Self:
        """The connection breaks before an answer."""
        return cls(reset=True)

    @classmethod
    def truncated(cls, keep: float = 0.5) -> Self:
        """The connection ends in the middle of a proper answer, whose full length was announced."""
        return cls(keep=keep)

    @classmethod
    def delayed(cls, seconds: float) -> Self:
        """The proper answer, late."""
        return cls(delay=seconds)


@dataclass
class _Order:
    match: str
    fault: Fault
    left: int | None  # None: until healed


class FaultProxy:
    """A proxy on a port of its own, running from its making until `close`; also a context manager.

    A request's target is its X-Amz-Target header ("DynamoDB_20120810.Scan"), or the Action of a query-protocol
    request ("Publish"), or else its path.

    Args:
        upstream: URL of the AWS double.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
    """

    def __init__(self, upstream: str, *, host: str = "127.0.0.1", port: int = 0) -> None:
        parts = urlsplit(upstream)
        self.upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.counts: Counter[str] = Counter()
        """Requests that arrived, by target; those that were made to fail included."""
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._orders: list[_Order] = []
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server((host, port), handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="fault-proxy", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """What to give clients as their endpoint."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fail(self, match: str, fault: Fault, times: int | None = None) -> None:
        """Let the next requests fail whose target contains `match` ("" is in all); the oldest order counts first.

        Args:
            match: part of the target, such as "Scan" or "AmazonSQS.".
            fault: what happens to them.
            times: how many; all until `heal` when None.
        """
        with self._lock:
            self._orders.append(_Order(match, fault, times))

    def heal(self) -> None:
        """Answer everything properly again."""
        with self._lock:
            self._orders.clear()

    def count(self, match: str) -> int:
        """Return how many requests arrived whose target contains `match`."""
        with self._lock:
            return sum(number for target, number in self.counts.items() if match in target)

    def arrived(self, target: str) -> Fault | None:
        """Count a request and return the fault that is in order for it, if any."""
        with self._lock:
            self.counts[target] += 1
            for order in self._orders:
                if order.match in target and order.left != 0:
                    order.left = None if order.left is None else order.left - 1
                    return order.fault
            return None

    def close(self) -> None:
        """End the proxy and every connection through it; delays that are under way are cut short."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # many clients may come at once; http.server lets five wait
    block_on_close = False  # a request may be waiting in a long poll upstream

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note the connection, then serve it."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that was served."""
        super().shutdown_request(request)
        self._open.discard(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):  # closed in the same moment
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is what this server is for."""


class _Handler(BaseHTTPRequestHandler):
    proxy: ClassVar[FaultProxy]
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body leave in one packet

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.arrived(self._target(body))
        if fault is not None and fault.delay and self.proxy.closing.wait(fault.delay):
            self.close_connection = True
            return
        if fault is not None and fault.reset:
            self._reset()
        elif fault is not None and fault.status:
            self._send(fault.status, self._kind(), self._made_up(fault))
        else:
            self._forward(body, keep=1.0 if fault is None else fault.keep)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815  (http.server's names)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Say nothing: whoever asks has `counts`."""

    def _target(self, body: bytes) -> str:
        header = self.headers.get("X-Amz-Target")
        if header:
            return header
        if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return "".join(parse_qs(body.decode("utf-8", "replace")).get("Action", [self.path]))
        return self.path

    def _speaks_xml(self) -> bool:
        return "X-Amz-Target" not in self.headers

    def _kind(self) -> str:
        return "text/xml" if self._speaks_xml() else self.headers.get("Content-Type", "application/x-amz-json-1.0")

    def _made_up(self, fault: Fault) -> bytes:
        if fault.body is not None:
            return fault.body
        if self._speaks_xml():
            return (
                f"<ErrorResponse><Error><Type>{'Sender' if fault.status < 500 else 'Receiver'}</Type>"  # noqa: PLR2004
                f"<Code>{escape(fault.code)}</Code><Message>{escape(fault.message)}</Message></Error>"
                "<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
            ).encode()
        return json.dumps({"__type": f"com.amazonaws.embedded#{fault.code}", "message": fault.message}).encode()

    def _forward(self, body: bytes, *, keep: float) -> None:
        upstream = http.client.HTTPConnection(*self.proxy.upstream, timeout=UPSTREAM_TIMEOUT)
        try:
            # The client's own Host goes along: the double builds queue URLs from it, and they shall lead through here.
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            upstream.request(self.command, self.path, body=body or None, headers=headers)
            answer = upstream.getresponse()
            content = answer.read()
        except OSError as error:
            self._send(502, "text/html", f"<html>The proxy could not reach AWS: {error}</html>".encode())
            return
        finally:
            upstream.close()
        others = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        self._send(answer.status, None, content, others=others, keep=keep)

    def _send(
        self,
        status: int,
        kind: str | None,
        content: bytes,
        *,
        others: list[tuple[str, str]] | None = None,
        keep: float = 1.0,
    ) -> None:
        self.send_response(status)
        for name, value in others or []:
            self.send_header(name, value)
        if kind is not None:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if keep < 1:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: int(len(content) * keep)])
        self.wfile.flush()

    def _reset(self) -> None:
        """Close by RST rather than FIN: lingering for zero seconds throws away what was not sent (socket(7))."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())  # the reader and the writer would keep a socket open that is just closed
