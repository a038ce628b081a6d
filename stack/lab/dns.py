"""The name service of the test world, over UDP and TCP, with a small HTTP side to change answers while it runs.

    python -m stack.lab.dns --host 0.0.0.0 --port 53 --http 8053 --prefix 10.77.0 --cert-domain mail.example.com

The DKIM key is made from the private one in `DKIM_PRIVATE_KEY`. `PUT /answers` takes {"name", "type", "values",
"failure"}, `DELETE /answers` returns to the rules, which are in `zone`.
"""

import argparse
import base64
import json
import os
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from dnslib import QTYPE, RCODE, RR, DNSRecord
from dnslib.dns import MX, PTR, TXT, A
from dnslib.server import BaseResolver, DNSServer

from embedded.sample import APEXES
from stack.lab.signals import Signals
from stack.lab.zone import Zone

_TTL = 1  # seconds: answers change under the hands of tests
_TXT_BYTES = 255  # RFC 1035, 3.3: a character-string's length is one byte


def public_key(private: str) -> str:
    """Return the public half of a PEM private key as a DKIM record holds it (RFC 6376, 3.6.1)."""
    key = load_pem_private_key(private.encode(), password=None).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


class Resolver(BaseResolver):  # type: ignore[misc] # dnslib is not typed
    """Answers by the zone."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        """Return the reply to one question."""
        del handler
        kind = QTYPE[request.q.qtype]
        reply = request.reply()
        answer = self._zone.answer(str(request.q.qname), kind)
        if answer.failure is not None:
            reply.header.rcode = getattr(RCODE, answer.failure)
        for text in answer.records:
            reply.add_answer(RR(request.q.qname, request.q.qtype, rdata=_rdata(kind, text), ttl=_TTL))
        return reply


def _rdata(kind: str, text: str) -> Any:
    match kind:
        case "A":
            return A(text)
        case "MX":
            preference, _, host = text.partition(" ")
            return MX(host, int(preference))
        case "PTR":
            return PTR(text)
        case "TXT":
            data = text.encode()
            return TXT([data[at : at + _TXT_BYTES] for at in range(0, len(data), _TXT_BYTES)])
        case _:
            raise ValueError(f"no record of type {kind} can be made here; use A, MX, PTR or TXT")


class _Control(BaseHTTPRequestHandler):
    zone: ClassVar[Zone]

    def do_PUT(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self.zone.set(told["name"], told["type"], told.get("values", ()), told.get("failure"))
        self._done()

    def do_DELETE(self) -> None:
        self.zone.forget()
        self._done()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Stay silent."""

    def _done(self) -> None:
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m stack.lab.dns", description="The test world's name service.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5353)
    parser.add_argument("--http", type=int, default=8053, help="port of the side that changes answers")
    parser.add_argument("--prefix", default="10.77.0", help="first three numbers of the network's addresses")
    parser.add_argument("--cert-domain", required=True)
    arguments = parser.parse_args()
    signals = Signals()
    zone = Zone(arguments.prefix, arguments.cert_domain, APEXES, public_key(os.environ["DKIM_PRIVATE_KEY"]))
    control = ThreadingHTTPServer((arguments.host, arguments.http), type("Control", (_Control,), {"zone": zone}))
    threading.Thread(target=control.serve_forever, daemon=True).start()
    for over_tcp in (False, True):
        # Without a logger of its own it prints every question.
        DNSServer(
            Resolver(zone), address=arguments.host, port=arguments.port, tcp=over_tcp, logger=_Silent()
        ).start_thread()
    print(f"name service on port {arguments.port}, answers below {', '.join(APEXES)} and test", flush=True)
    signals.wait()


class _Silent:
    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


if __name__ == "__main__":
    main()
