"""The HTTP server: waitress in a thread of the daemon, on loopback, which a pass neither waits for nor fails with."""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from waitress import wasyncore
from waitress.server import create_server

from reconfigure.settings.parse import Endpoint

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = structlog.get_logger()

THREADS = 2
CONNECTIONS = 50
IDLE_SECONDS = 15
HEADER_BYTES = 16_384
BODY_BYTES = 1024  # nobody has anything to send
_LOOK_SECONDS = 5.0  # between looks for connections that are idle
_END_SECONDS = 1.0  # that a request under way may take when the daemon ends


@contextmanager
def serving(endpoint: Endpoint, app: "WSGIApplication") -> Iterator[bool]:
    """Answer HTTP until the block ends; it is told whether that could be.

    An endpoint that cannot be had is a warning and no more: the loop is what this process is for.
    """
    # waitress warns of each request that waits for a thread, and of those that nobody waits for in the end. With two
    # threads that is how it should be.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        listening = socket.create_server(endpoint, family=family)
    except OSError as error:
        log.warning(
            "http_not_served",
            endpoint=str(endpoint),
            error=os.strerror(error.errno) if error.errno else str(error),
            meanwhile="passes go on; see what listens there, or set RECONFIGURE_HTTP to another port or to off",
        )
        yield False
        return
    channels: dict[int, object] = {}
    server = create_server(
        app,
        map=channels,
        sockets=[listening],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        max_request_header_size=HEADER_BYTES,
        max_request_body_size=BODY_BYTES,
        ident=None,
        clear_untrusted_proxy_headers=True,
    )
    ended = threading.Event()
    thread = threading.Thread(target=_answer, args=[channels, ended], name="http", daemon=True)
    thread.start()
    try:
        yield True
    finally:
        # Closed last: until they have ended, the threads of requests write to what the loop selects on.
        ended.set()
        server.pull_trigger()
        server.task_dispatcher.shutdown(timeout=_END_SECONDS)
        thread.join(_END_SECONDS)
        wasyncore.close_all(channels)


def _answer(channels: dict[int, object], ended: threading.Event) -> None:
    while not ended.is_set():
        wasyncore.loop(_LOOK_SECONDS, map=channels, count=1)
