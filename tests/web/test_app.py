"""What is answered over HTTP, to whom, and that nothing can be changed by it."""

import http.client
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from reconfigure.reporting import logs
from reconfigure.settings.parse import Endpoint
from reconfigure.web.server import serving
from tests.web.conftest import Site

PATHS = ("/", "/health", "/status", "/metrics", "/style.css")


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Message
    body: bytes


def ask(site: Site, method: str, path: str, **headers: str) -> Answer:
    """Send a request with exactly these headers."""
    parts = urlsplit(site.url)
    with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as answer:
            return Answer(answer.status, answer.headers, answer.read())


def test_every_path_answers_and_keeps_browsers_from_doing_more_than_show_it(site: Site) -> None:
    for path in PATHS:
        answer = site.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "Server" not in answer.headers


def test_head_answers_as_get_does_without_a_body(site: Site) -> None:
    for path in PATHS:
        answer = ask(site, "HEAD", path, Host="localhost")
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) > 0
        assert answer.body == b""


def test_loopback_by_any_of_its_names_is_who_is_meant(site: Site) -> None:
    for host in ("127.0.0.1", "localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:9180"):
        assert ask(site, "GET", "/health", Host=host).status == 200, host


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1.evil.example.com", "localhost@evil.example.com", "[::1", "10.0.0.1", ""]
)
def test_a_name_that_somebody_else_pointed_here_is_told_nothing(site: Site, host: str) -> None:
    for path in PATHS:
        answer = ask(site, "GET", path, Host=host)
        assert answer.status == 421
        assert b"example.com" not in answer.body


def test_a_request_without_a_host_is_told_nothing(site: Site) -> None:
    assert ask(site, "GET", "/status").status == 421


def test_there_is_nothing_to_write(site: Site) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = ask(site, method, "/", Host="localhost")
        assert answer.status == 405, method
        assert answer.headers["Allow"] == "GET, HEAD"


def test_another_path_is_answered_by_those_that_are(site: Site) -> None:
    for path in ("/favicon.ico", "/../etc/passwd", "/status/", "/page.html", "/%2e%2e/"):
        answer = ask(site, "GET", path, Host="localhost")
        assert answer.status == 404, path
        assert b"/metrics" in answer.body


def test_status_is_what_the_command_prints(site: Site, run: Any) -> None:
    served = site.get("/status").json()
    printed = json.loads(run("status", "--json", "--quarantine").stdout)
    assert served["report"]["quarantine"]["listed"][0]["key"] == "Bad Row@example.com"
    assert served == printed


def test_health_is_503_when_the_container_should_be_replaced(serve: Callable[[], Site]) -> None:
    answer = serve().get("/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failing"
    assert "no generation yet" in answer.json()["problems"][0]


def test_health_is_200_while_what_is_live_serves_whatever_waits(held: Any, serve: Callable[[], Site]) -> None:  # noqa: ARG001
    answer = serve().get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"


def test_a_supervisord_that_cannot_be_asked_is_no_health(live: Any, folder: Path, serve: Callable[[], Site]) -> None:  # noqa: ARG001
    (folder / "s").touch()
    assert serve().get("/health").status_code == 503


@pytest.mark.parametrize("name", ["status.json", "history.jsonl", "held.json", "current", "pinned.json", "paused"])
def test_a_damaged_state_folder_is_answered_in_words(site: Site, state: Path, name: str) -> None:
    (state / name).unlink(missing_ok=True)
    (state / name).write_text("{not")
    for path in PATHS:
        assert site.get(path).status_code in {200, 503}, path


def test_a_state_folder_that_is_gone_is_answered_in_words(site: Site, state: Path) -> None:
    shutil.rmtree(state)
    for path in PATHS:
        assert site.get(path).status_code == (503 if path == "/health" else 200), path


def test_a_port_that_is_taken_is_a_warning(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    host, _, port = urlsplit(site.url).netloc.partition(":")
    with serving(Endpoint(host, int(port)), lambda _environ, _start: ()) as is_served:
        assert not is_served
    (said,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said["event"] == "http_not_served"
    assert said["error"] == "Address already in use"
    assert "RECONFIGURE_HTTP" in said["meanwhile"]
    assert site.get("/health").status_code == 200
