"""The sink, which stands for every mail server of the internet: takes all mail, keeps it, shows it over HTTP.

    python -m stack.lab.sink --smtp 0.0.0.0:25 --http 0.0.0.0:8025

`GET /` is a page to read, `GET /messages?since=N` JSON, `GET /messages/N` one message as it came, `DELETE /messages`
forgets all, `GET /count` counts, `POST /behaviour` and `POST /tls` change how it answers from now on. STARTTLS is
offered when `TLS_CERT` and `TLS_KEY` (PEM) are in the environment.
"""

import argparse
import asyncio
import base64
import itertools
import json
import os
import ssl
import tempfile
import threading
import time
from collections import deque
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from stack.lab.signals import Signals

_KEPT = 50_000
_BYTES = 60_000_000
_SHOWN = 50


class Behaviour(StrEnum):
    """How a recipient is answered; `data-tempfail` accepts it and refuses the message after its last byte."""

    ACCEPT = "accept"
    TEMPFAIL = "tempfail"
    REFUSE = "refuse"
    CLOSE = "close"
    DATA_TEMPFAIL = "data-tempfail"


class Mailbox:
    """Everything that was taken, and how to answer; shared by the threads of both servers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._messages: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._all = Behaviour.ACCEPT
        self._some: dict[str, Behaviour] = {}
        self.offers_tls = True

    def take(self, document: dict[str, Any]) -> int:
        """Keep a message and return its number."""
        with self._lock:
            number = next(self._numbers)
            self._messages.append({"number": number, "received": time.time(), **document})
            return number

    def messages(self, since: int) -> list[dict[str, Any]]:
        """Return the messages above a number."""
        with self._lock:
            return [each for each in self._messages if each["number"] > since]

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._messages.clear()

    def behave(self, behaviour: Behaviour, recipient: str | None) -> None:
        """Answer that recipient, or all of them, in this way."""
        with self._lock:
            if recipient is None:
                self._all = behaviour
                self._some.clear()
            else:
                self._some[recipient.lower()] = behaviour

    def behaviour(self, recipient: str) -> Behaviour:
        """Return how to answer a recipient."""
        with self._lock:
            return self._some.get(recipient.lower(), self._all)


class _Handler:
    """aiosmtpd's hooks; the names are its own."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del session, options
        match self._mailbox.behaviour(address):
            case Behaviour.TEMPFAIL:
                return "450 4.2.0 try again later"
            case Behaviour.REFUSE:
                return "550 5.1.1 no such user here"
            case Behaviour.CLOSE:
                cast("asyncio.Transport", server.transport).abort()
                return "421 4.3.2 closing"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        del server
        recipients = [str(each) for each in envelope.rcpt_tos]
        if any(self._mailbox.behaviour(each) is Behaviour.DATA_TEMPFAIL for each in recipients):
            return "451 4.3.0 try again later"
        content = cast("bytes", envelope.content)
        tls: Any = session.ssl  # what asyncio knows of the connection, by name
        number = self._mailbox.take(
            {
                "client": cast("tuple[str, int]", session.peer)[0],
                "helo": session.host_name or "",
                "tls": tls["ssl_object"].version() if tls else None,
                "sender": envelope.mail_from or "",
                "recipients": recipients,
                "data": base64.b64encode(content).decode(),
            }
        )
        return f"250 2.0.0 taken as {number}"


class _Controller(Controller):
    """An SMTP server that offers STARTTLS for as long as the mailbox says so."""

    def __init__(self, mailbox: Mailbox, *, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._mailbox = mailbox
        self._tls = tls
        super().__init__(_Handler(mailbox), hostname=host, port=port, ready_timeout=20)

    def factory(self) -> SMTP:
        """Return the protocol of a new connection."""
        offered = self._tls if self._mailbox.offers_tls else None
        return SMTP(self.handler, data_size_limit=_BYTES, hostname="mx.world.test", tls_context=offered, timeout=120)


class _Pages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    mailbox: ClassVar[Mailbox]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/messages":
            since = int(parse_qs(parts.query).get("since", ["0"])[0])
            self._json(self.mailbox.messages(since))
        elif parts.path == "/count":
            self._json({"count": len(self.mailbox.messages(0))})
        elif parts.path == "/":
            self._answer(HTTPStatus.OK, _table(self.mailbox.messages(0)), "text/plain; charset=utf-8")
        elif found := [each for each in self.mailbox.messages(0) if parts.path == f"/messages/{each['number']}"]:
            self._answer(HTTPStatus.OK, base64.b64decode(found[0]["data"]), "text/plain")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there is / and /messages\n", "text/plain")

    def do_DELETE(self) -> None:
        self.mailbox.clear()
        self._json({})

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        try:
            if self.path == "/behaviour":
                self.mailbox.behave(Behaviour(told["behaviour"]), told.get("recipient"))
            elif self.path == "/tls":
                self.mailbox.offers_tls = bool(told["offered"])
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), "text/plain")
            return
        self._json({})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Stay silent: `/` shows what was received."""

    def _json(self, document: object) -> None:
        self._answer(HTTPStatus.OK, json.dumps(document).encode(), "application/json")

    def _answer(self, code: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _table(messages: list[dict[str, Any]]) -> bytes:
    lines = [
        f"{each['number']:>6}  {time.strftime('%H:%M:%S', time.gmtime(each['received']))}  "
        f"{each['sender'] or '<>'} → {', '.join(each['recipients'])}  (/messages/{each['number']})"
        for each in messages[: -_SHOWN - 1 : -1]
    ]
    return "\n".join([*lines, "" if lines else "nothing was sent here yet\n"]).encode()


def _tls(cert: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # ssl reads keys from files only
        file.write(f"{cert}\n{key}\n")
        file.flush()
        context.load_cert_chain(file.name)
    return context


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m stack.lab.sink", description=__doc__)
    parser.add_argument("--smtp", default="127.0.0.1:2526", help="address:port")
    parser.add_argument("--http", default="127.0.0.1:8025", help="address:port")
    arguments = parser.parse_args()
    signals = Signals()
    cert, key = os.environ.get("TLS_CERT"), os.environ.get("TLS_KEY")
    mailbox = Mailbox()
    host, _, port = arguments.smtp.rpartition(":")
    controller = _Controller(mailbox, host=host, port=int(port), tls=_tls(cert, key) if cert and key else None)
    controller.start()
    host, _, port = arguments.http.rpartition(":")
    pages = ThreadingHTTPServer((host, int(port)), type("Pages", (_Pages,), {"mailbox": mailbox}))
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    print(f"sink: SMTP on {arguments.smtp}, HTTP on {arguments.http}", flush=True)
    signals.wait()
    controller.stop()


if __name__ == "__main__":
    main()
