"""A small HTTP server that answers as DynamoDB, Cognito and SQS do, from the files that `world` wrote.

    python -m bench.server --world FOLDER --file url.txt

It runs as a process of its own, so that what it costs is not counted as ours, and the readers run all of their real
code: signing, HTTP, checksums, parsing. SQS never has a message. `PUT /bench/more` adds one address to the world,
`DELETE /bench/more` takes it away, `GET /bench` tells how often each operation was asked for.
"""

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.world import World

_START_SECONDS = 20.0
_LOOK_SECONDS = 0.02


class _Answers:
    """What each operation answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._world = World.read(folder)
        self._after = {self._last_key(number): number + 1 for number in range(self._world.scan_pages - 1)}
        self.more = False
        self.asked: Counter[str] = Counter()

    def to(self, operation: str, request: dict[str, Any]) -> bytes:
        """Return the body that answers a request."""
        self.asked[operation] += 1
        match operation:
            case "DescribeTable":
                table = {"TableName": request["TableName"], "TableStatus": "ACTIVE", "TableId": "bench"}
                return json.dumps({"Table": table}).encode()
            case "Scan":
                start = request.get("ExclusiveStartKey")
                page = self._after[start["address"]["S"]] if start else 0
                is_last = page == self._world.scan_pages - 1
                return (self._folder / ("more.json" if is_last and self.more else f"scan-{page}.json")).read_bytes()
            case "ListUsers":
                return (self._folder / f"users-{request.get('PaginationToken', 0)}.json").read_bytes()
            case "ReceiveMessage":
                time.sleep(request.get("WaitTimeSeconds", 0))
                return b"{}"
        raise KeyError(operation)

    def _last_key(self, page: int) -> str:
        with (self._folder / f"scan-{page}.json").open() as file:
            head = file.read(1000)  # the key stands before the items
        key = json.loads(head.partition('"LastEvaluatedKey":')[2].partition(',"Items"')[0])
        return str(key["address"]["S"])


def _handler(answers: _Answers) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            try:
                self._send(200, answers.to(operation, request))
            except KeyError:
                self._send(400, json.dumps({"__type": "UnknownOperationException", "message": operation}).encode())

        def do_GET(self) -> None:
            self._send(200, json.dumps(answers.asked).encode())

        def do_PUT(self) -> None:
            answers.more = True
            self._send(200, b"{}")

        def do_DELETE(self) -> None:
            answers.more = False
            self._send(200, b"{}")

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("x-amz-crc32", str(zlib.crc32(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's own name)
            """Say nothing."""

    return Handler


@contextmanager
def serving(world: Path) -> Iterator[str]:
    """Serve a world from a process of its own, and yield its URL.

    Raises:
        TimeoutError: it did not start.
    """
    url = world / "url.txt"
    url.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "bench.server", "--world", str(world), "--file", str(url)])
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not url.exists():
            if time.monotonic() > deadline or process.poll() is not None:
                raise TimeoutError(f"the server of {world} did not start within {_START_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS)
        yield url.read_text()
    finally:
        process.terminate()
        process.wait(10)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m bench.server")
    parser.add_argument("--world", type=Path, required=True)
    parser.add_argument("--file", type=Path, required=True, help="where the URL is written once it serves")
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(_Answers(arguments.world)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    beside = arguments.file.with_suffix(".new")
    beside.write_text(f"http://127.0.0.1:{server.server_port}")
    beside.replace(arguments.file)
    stop.wait()


if __name__ == "__main__":
    main()
