"""The HTTP server: waitress in a thread of the daemon, on loopback, which a pass neither waits for nor fails with."""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
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


@contextmanager
def serving(endpoint: Endpoint, app: "WSGIApplication") -> Iterator[bool]:
    """Answer HTTP until the block ends; it is told whether that could be.

    An endpoint that cannot be had is a warning and no more: the loop is what this process is for.
    """
    # waitress warns of each request that waits for a thread; with two of them that is how it should be.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
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
    server = create_server(
        app,
        sockets=[listening],
        threads=THREADS,
        connection_limit=CONNECTIONS,
        channel_timeout=IDLE_SECONDS,
        max_request_header_size=HEADER_BYTES,
        max_request_body_size=BODY_BYTES,
        ident=None,
        clear_untrusted_proxy_headers=True,
    )
    thread = threading.Thread(target=server.run, name="http", daemon=True)
    thread.start()
    try:
        yield True
    finally:
        server.trigger.pull_trigger(server.close)  # in its own thread: what it selects on must not close under it
        server.task_dispatcher.shutdown(timeout=1)
