"""The double follows the ping API, so that what passes here passes there."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from embedded.healthchecks import Behaviour, HealthchecksDouble

A = "123e4567-e89b-12d3-a456-426614174000"
B = "123e4567-e89b-12d3-a456-426614174001"


def ask(double: HealthchecksDouble, path: str, body: bytes = b"", method: str = "POST") -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(double.url("")).netloc, timeout=20)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "check", "kind"),
    [
        (f"/{A}", A, "success"),
        (f"/{A}/start", A, "start"),
        (f"/{A}/fail", A, "fail"),
        (f"/{A}/log", A, "log"),
        (f"/{A}/0", A, "success"),
        (f"/{A}/7", A, "fail"),
        (f"/ping/{A}/fail", A, "fail"),
        ("/imap/start", "imap", "start"),
        ("/key/imap", "key/imap", "success"),
        ("/key/imap/start", "key/imap", "start"),
    ],
)
def test_a_path_names_a_check_and_a_signal(healthchecks: HealthchecksDouble, path: str, check: str, kind: str) -> None:
    assert ask(healthchecks, f"{path}?rid={A}", b"hello") == (200, "OK")
    (ping,) = healthchecks.pings(check)
    assert (ping.kind, ping.rid, ping.body) == (kind, A, "hello")


def test_a_run_id_that_is_no_uuid_is_refused(healthchecks: HealthchecksDouble) -> None:
    assert ask(healthchecks, "/imap?rid=1")[0] == 400
    assert healthchecks.pings("imap") == []


def test_a_success_closes_its_own_run_only_and_a_failure_closes_any(healthchecks: HealthchecksDouble) -> None:
    ask(healthchecks, f"/imap/start?rid={A}")
    ask(healthchecks, f"/imap?rid={B}")
    assert healthchecks.check("imap").started
    ask(healthchecks, f"/imap?rid={A}")
    assert not healthchecks.check("imap").started
    ask(healthchecks, f"/imap/start?rid={A}")
    ask(healthchecks, f"/imap/fail?rid={B}")
    check = healthchecks.check("imap")
    assert (check.started, check.status) == (False, "down")


def test_pings_met_by_a_fault_change_nothing(healthchecks: HealthchecksDouble) -> None:
    healthchecks.behave(Behaviour.ERROR)
    assert ask(healthchecks, "/imap/fail")[0] == 500
    assert healthchecks.check("imap").status == "new"
    assert len(healthchecks.pings("imap", accepted=False)) == 1


def test_a_reset_and_a_refused_connection_look_like_that_to_a_client(healthchecks: HealthchecksDouble) -> None:
    healthchecks.behave(Behaviour.RESET)
    with pytest.raises(ConnectionResetError):
        ask(healthchecks, "/imap")
    healthchecks.down()
    with pytest.raises(ConnectionRefusedError):
        ask(healthchecks, "/imap")
    healthchecks.behave(Behaviour.OK)
    healthchecks.up()
    assert ask(healthchecks, "/imap")[0] == 200


def test_the_front_page_lists_the_checks_for_people_and_for_programs(healthchecks: HealthchecksDouble) -> None:
    assert "no check" in ask(healthchecks, "/", method="GET")[1]
    ask(healthchecks, f"/imap/start?rid={A}")
    ask(healthchecks, "/imap/fail", b"reason: held")
    page = ask(healthchecks, "/", method="GET")[1]
    assert page.startswith("imap: down\n")
    assert "reason: held" in page
    listed = json.loads(ask(healthchecks, "/?format=json", method="GET")[1])
    assert [ping["kind"] for ping in listed[0]["pings"]] == ["fail", "start"]


def test_looking_at_it_with_a_browser_makes_no_check(healthchecks: HealthchecksDouble) -> None:
    assert ask(healthchecks, "/favicon.ico", method="GET")[0] == 404
    assert healthchecks.document() == []


def test_it_runs_as_a_module_says_its_port_and_ends_when_asked(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    process = subprocess.Popen(
        [sys.executable, "-m", "embedded.healthchecks", "--port", "0", "--port-file", str(port_file)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        deadline = time.monotonic() + 20
        while not port_file.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        connection = http.client.HTTPConnection("127.0.0.1", int(port_file.read_text()), timeout=20)
        connection.request("GET", "/smtp-in")
        assert connection.getresponse().read() == b"OK"
        connection.close()
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert port_file.read_text().strip() in said
    finally:
        process.kill()
        process.wait()
