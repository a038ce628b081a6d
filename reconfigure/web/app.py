"""What is answered to which request: four paths to read, to a caller who means this host, and to nobody else.

A web page that some browser on this machine shows may have its own name point here (DNS rebinding), and would read
every address. So a request has to name loopback as its host. There is nothing to write, and no script to be run.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from reconfigure.settings import Settings
from reconfigure.standing import Standing, look
from reconfigure.standing.document import document
from reconfigure.standing.ports import with_ports
from reconfigure.web.gauges import Gauges
from reconfigure.web.page import Page

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

log = structlog.get_logger()

HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", POLICY),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)


class Answer(NamedTuple):
    """A status line, a content type and a body, with headers of its own."""

    status: str
    kind: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class App:
    """A WSGI application (PEP 3333).

    Args:
        settings: of the task.
        registry: what this process counts; how the task stands is added to it.
    """

    def __init__(self, settings: Settings, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._registry = registry
        self._page = Page(settings)
        registry.register(Gauges(settings, self._look))
        self._paths: Mapping[str, Callable[[Mapping[str, Any]], Answer]] = {
            "/": self._for_people,
            "/health": self._health,
            "/metrics": self._metrics,
            "/status": self._status,
            "/style.css": self._style,
        }

    def __call__(self, environ: Mapping[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        answer = self._answer(environ)
        length = ("Content-Length", str(len(answer.body)))
        start_response(answer.status, [("Content-Type", answer.kind), length, *HEADERS, *answer.headers])
        return () if environ["REQUEST_METHOD"] == "HEAD" else (answer.body,)

    def _answer(self, environ: Mapping[str, Any]) -> Answer:
        if not _means_this_host(environ.get("HTTP_HOST", "")):
            return _refusal("421 Misdirected Request", "Ask for 127.0.0.1 or localhost, by that name.")
        if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _refusal("405 Method Not Allowed", "There is only something to read here.", ("Allow", "GET, HEAD"))
        path = self._paths.get(environ["PATH_INFO"])
        if path is None:
            return _refusal("404 Not Found", f"There are {', '.join(self._paths)}.")
        try:
            return path(environ)
        except Exception:
            log.exception("http_failed", path=environ["PATH_INFO"])
            return _refusal("500 Internal Server Error", "That is a defect; the log says where.")

    def _look(self) -> Standing:
        return look(self._settings, now=datetime.now(UTC))

    def _health(self, _: Mapping[str, Any]) -> Answer:
        standing = self._look()
        health = with_ports(standing.liveness, self._settings, standing.programs)
        return _json(health.document(), "503 Service Unavailable" if health.exit_code else "200 OK")

    def _status(self, _: Mapping[str, Any]) -> Answer:
        return _json(document(self._settings, self._look(), listed=True))

    def _metrics(self, environ: Mapping[str, Any]) -> Answer:
        encode, kind = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        return Answer("200 OK", kind, encode(self._registry))

    def _for_people(self, environ: Mapping[str, Any]) -> Answer:
        query = parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=8)
        text = self._page.render(
            self._look(), now=datetime.now(UTC), search=query.get("q", [""])[0], whole="diff" in query
        )
        return Answer("200 OK", "text/html; charset=utf-8", text.encode())

    def _style(self, _: Mapping[str, Any]) -> Answer:
        return Answer(
            "200 OK", "text/css; charset=utf-8", resources.files(__package__).joinpath("style.css").read_bytes()
        )


def _means_this_host(host: str) -> bool:
    """Tell whether a Host header (RFC 9110 7.2) names loopback, at whatever port a tunnel begins."""
    try:
        return urlsplit(f"//{host}").hostname in HOSTS and "@" not in host
    except ValueError:
        return False


def _json(value: Mapping[str, Any], status: str = "200 OK") -> Answer:
    return Answer(status, "application/json", json.dumps(value, indent=2).encode() + b"\n")


def _refusal(status: str, why: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{status[4:]}. {why}\n".encode(), headers)
