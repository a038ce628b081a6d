"""What is promised of the heartbeat, against a Healthchecks over HTTP in good and bad weather."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from embedded.healthchecks import Behaviour, HealthchecksDouble
from reconfigure.errors import SourceError
from reconfigure.reporting.healthchecks import BODY_LIMIT
from reconfigure.reporting.heartbeat import Heartbeat, body

Make = Callable[..., Heartbeat]
Rid = Callable[[], str]
SECRET = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
FAULTS = [Behaviour.ERROR, Behaviour.REDIRECT, Behaviour.RESET, Behaviour.NOT_FOUND, Behaviour.RATE_LIMITED]


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "did not come true within 20 s"
        time.sleep(0.005)


def kinds(healthchecks: HealthchecksDouble, check: str = "imap") -> list[str]:
    return [ping.kind for ping in healthchecks.pings(check, accepted=True)]


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


def test_a_pass_is_pinged_as_start_and_success_with_one_run_id_and_the_body(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    heartbeat, run = heartbeats(), rid()
    heartbeat.start(run)
    heartbeat.success(run, "tier: imap\n")
    until(lambda: len(kinds(healthchecks)) == 2)
    start, success = healthchecks.pings("imap")
    assert (start.kind, success.kind) == ("start", "success")
    assert start.rid == success.rid == run
    assert success.body == "tier: imap\n"
    until(lambda: heartbeat.state()["pending"] is None)
    assert heartbeat.state()["last_ok"] is not None
    assert heartbeat.state() | {"last_ok": ""} == {
        "enabled": True,
        "last_ok": "",
        "last_error": None,
        "consecutive_failures": 0,
        "pending": None,
    }


def test_a_failure_is_pinged_with_its_reason(healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid) -> None:
    heartbeat, run = heartbeats(), rid()
    heartbeat.start(run)
    heartbeat.fail(run, "reason: the table is empty\n")
    assert healthchecks.wait(lambda double: double.check("imap").status == "down")
    assert healthchecks.pings("imap")[-1].body == "reason: the table is empty\n"


def test_a_slow_healthchecks_delays_nothing(healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid) -> None:
    healthchecks.behave(Behaviour.SLOW)
    heartbeat = heartbeats()
    for _ in range(50):  # none of these would return if it waited: the answers are let go only afterwards
        run = rid()
        heartbeat.start(run)
        heartbeat.success(run, "")
    heartbeat.fail(last := rid(), "")
    healthchecks.release()
    assert healthchecks.wait(lambda double: [ping.rid for ping in double.pings("imap")][-1:] == [last])
    assert len(kinds(healthchecks)) <= 3, "fifty passes waited as one"


@pytest.mark.parametrize("fault", FAULTS)
def test_an_outcome_survives_a_fault_and_is_delivered_after_it(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid, fault: Behaviour
) -> None:
    healthchecks.behave(fault, location="http://127.0.0.1:9/")
    heartbeat = heartbeats()
    heartbeat.success(rid(), "old")
    until(lambda: heartbeat.state()["consecutive_failures"])
    assert heartbeat.state()["pending"] == "success"
    healthchecks.behave(Behaviour.OK)
    heartbeat.fail(run := rid(), "new")
    assert healthchecks.wait(lambda double: [ping.rid for ping in double.pings("imap", accepted=True)] == [run])
    until(lambda: heartbeat.state()["consecutive_failures"] == 0)


def test_refused_connections_are_retried_until_someone_answers(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    healthchecks.down()
    heartbeat, run = heartbeats(), rid()
    heartbeat.start(run)
    heartbeat.success(run, "")
    until(lambda: heartbeat.state()["consecutive_failures"] >= 3)
    assert "Connection refused" in heartbeat.state()["last_error"]["error"]
    healthchecks.up()
    assert healthchecks.wait(lambda double: double.check("imap").status == "up")
    assert not healthchecks.check("imap").started


@pytest.mark.parametrize("fault", [Behaviour.SLOW, Behaviour.HANG])
def test_an_answer_that_does_not_come_is_given_up_and_asked_for_again(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid, fault: Behaviour
) -> None:
    healthchecks.behave(fault)
    heartbeat = heartbeats(timeout=0.1)
    heartbeat.success(run := rid(), "")
    until(lambda: heartbeat.state()["consecutive_failures"] >= 1)
    healthchecks.behave(Behaviour.OK)
    until(lambda: heartbeat.state()["last_ok"])
    assert {ping.rid for ping in healthchecks.pings("imap")} == {run}


def test_a_redirect_is_not_followed_and_its_host_is_named(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    with HealthchecksDouble() as elsewhere:
        healthchecks.behave(Behaviour.REDIRECT, location=elsewhere.url("stolen"))
        heartbeat = heartbeats()
        heartbeat.success(rid(), "")
        until(lambda: heartbeat.state()["last_error"])
        error = heartbeat.state()["last_error"]["error"]
        assert elsewhere.url("***") in error
        assert "stolen" not in error
        assert elsewhere.pings("stolen") == []


def test_trouble_is_logged_once_and_so_is_its_end(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid, logged: list[Any]
) -> None:
    healthchecks.behave(Behaviour.ERROR)
    heartbeat = heartbeats()
    heartbeat.success(rid(), "")
    until(lambda: heartbeat.state()["consecutive_failures"] >= 6)
    healthchecks.behave(Behaviour.OK)
    until(lambda: heartbeat.state()["last_ok"])
    until(lambda: len(logged) == 2)
    assert [line["event"] for line in logged] == ["heartbeat_failed", "heartbeat_recovered"]
    assert "500" in logged[0]["error"]


def test_one_lost_ping_is_not_worth_a_line(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid, logged: list[Any]
) -> None:
    healthchecks.behave(Behaviour.RESET)
    heartbeat = heartbeats(first_pause=3600.0)
    heartbeat.success(rid(), "")
    until(lambda: heartbeat.state()["consecutive_failures"] == 1)
    healthchecks.behave(Behaviour.OK)
    heartbeat.fail(rid(), "")
    until(lambda: heartbeat.state()["consecutive_failures"] == 0)
    assert logged == []


@pytest.mark.parametrize("fault", [*FAULTS, Behaviour.SLOW, Behaviour.HANG, None])
def test_the_ping_url_appears_in_no_log_line_and_no_status(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid, logged: list[Any], fault: Behaviour | None
) -> None:
    if fault is None:
        healthchecks.down()
    else:
        healthchecks.behave(fault, location=healthchecks.url(SECRET))
    heartbeat = heartbeats(lambda: healthchecks.url(f"key-{SECRET}/slug"), timeout=0.1)
    heartbeat.fail(rid(), "")
    until(lambda: heartbeat.state()["last_error"] and (logged or heartbeat.state()["consecutive_failures"] > 3))
    assert SECRET not in repr(logged) + repr(heartbeat.state())


def test_without_a_url_nothing_is_sent_and_nothing_waits(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    heartbeat, run = heartbeats(lambda: None), rid()
    heartbeat.start(run)
    heartbeat.success(run, "")
    until(lambda: heartbeat.state()["enabled"] is False and heartbeat.state()["pending"] is None)
    assert healthchecks.document() == []


def test_a_source_of_the_url_that_fails_is_reported_and_asked_again(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    broken = threading.Event()
    broken.set()

    def url() -> str:
        if broken.is_set():
            raise PermissionError(f"not allowed to read https://hc-ping.com/{SECRET}")
        return healthchecks.url("imap")

    heartbeat = heartbeats(url)
    heartbeat.success(rid(), "")
    until(lambda: heartbeat.state()["last_error"])
    assert "PermissionError: not allowed to read https://hc-ping.com/***" in heartbeat.state()["last_error"]["error"]
    broken.clear()
    assert healthchecks.wait(lambda double: double.check("imap").status == "up")


def test_a_failed_ping_casts_doubt_on_its_url_and_a_delivered_one_does_not(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    asked = [f"http://127.0.0.1:1/{SECRET}"]
    doubted: list[str] = []

    def doubt() -> None:
        doubted.append(asked[0])
        asked[0] = healthchecks.url("imap")

    heartbeat = heartbeats(lambda: asked[0], doubt=doubt)
    heartbeat.success(rid(), "")
    assert healthchecks.wait(lambda double: double.check("imap").status == "up")
    until(lambda: heartbeat.state()["pending"] is None)
    assert doubted == [f"http://127.0.0.1:1/{SECRET}"]


def test_doubt_that_takes_long_delays_nothing(heartbeats: Make, rid: Rid) -> None:
    asked, released = threading.Event(), threading.Event()

    def doubt() -> None:
        asked.set()
        released.wait()

    heartbeat = heartbeats(lambda: f"http://127.0.0.1:1/{SECRET}", doubt=doubt)
    heartbeat.success(rid(), "")
    assert asked.wait(20)
    next_pass = threading.Thread(target=heartbeat.start, args=[rid()], daemon=True)
    next_pass.start()
    next_pass.join(20)
    late = next_pass.is_alive()
    released.set()
    assert not late


def test_a_url_that_cannot_be_read_is_a_failed_ping_that_says_why(heartbeats: Make, rid: Rid) -> None:
    def url() -> str:
        raise SourceError("reading parameter /ping from SSM failed: AccessDeniedException; allow ssm:GetParameter")

    heartbeat = heartbeats(url)
    heartbeat.success(rid(), "")
    until(lambda: heartbeat.state()["consecutive_failures"])
    assert heartbeat.state()["enabled"] is True
    assert heartbeat.state()["last_error"]["error"] == (
        "the ping URL is not known: "
        "reading parameter /ping from SSM failed: AccessDeniedException; allow ssm:GetParameter"
    )


def test_a_failure_is_told_once_the_url_can_be_read_again(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    throttled = [SourceError("reading parameter /ping from SSM failed: ThrottlingException")] * 3

    def url() -> str:
        if throttled:
            raise throttled.pop()
        return healthchecks.url("imap")

    heartbeats(url).fail(rid(), "the table is away")
    assert healthchecks.wait(lambda double: kinds(double, "imap") == ["fail"])


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://", "no url", "http://[::1/x", "http://\x00/"])
def test_a_url_that_is_none_is_reported_and_ends_nothing(heartbeats: Make, rid: Rid, url: str) -> None:
    heartbeat = heartbeats(lambda: url)
    heartbeat.success(rid(), "")
    until(lambda: heartbeat.state()["last_error"])
    heartbeat.fail(rid(), "")
    until(lambda: heartbeat.state()["consecutive_failures"] == 2)


def test_a_rotated_url_is_used_from_the_next_ping_on(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    urls = [healthchecks.url("old"), healthchecks.url("new")]
    heartbeat = heartbeats(lambda: urls.pop(0))
    heartbeat.success(rid(), "")
    assert healthchecks.wait(lambda double: kinds(double, "old") == ["success"])
    heartbeat.fail(rid(), "")
    assert healthchecks.wait(lambda double: kinds(double, "new") == ["fail"])


def test_a_ping_that_never_comes_back_is_left_behind_and_the_next_one_is_not_sent_before_it_ends(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    stuck, calls = threading.Event(), []

    def url() -> str:
        calls.append(1)
        if len(calls) == 1:
            stuck.wait()
        return healthchecks.url("imap")

    heartbeat = heartbeats(url, timeout=0.05)
    heartbeat.fail(rid(), "first")
    until(lambda: heartbeat.state()["consecutive_failures"] == 1)
    heartbeat.fail(rid(), "second")
    until(lambda: "still under way" in heartbeat.state()["last_error"]["error"])
    assert len(calls) == 1
    stuck.set()
    assert healthchecks.wait(lambda double: len(double.pings("imap")) == 1)
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == "heartbeat-ping"])
    heartbeat.fail(rid(), "third")
    assert healthchecks.wait(lambda double: [ping.body for ping in double.pings("imap")][-1] == "third")


def test_a_peer_that_drips_its_answer_is_given_up(heartbeats: Make, rid: Rid) -> None:
    over = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.02):  # always in time for the reader's limit
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = threading.Thread(target=drip)
        peer.start()
        heartbeat = heartbeats(lambda: f"http://127.0.0.1:{listener.getsockname()[1]}/x", timeout=0.2, first_pause=60.0)
        heartbeat.success(rid(), "")
        until(lambda: heartbeat.state()["last_error"])
        over.set()
        peer.join()
        until(lambda: not [thread for thread in threading.enumerate() if thread.name == "heartbeat-ping"])
    assert "was not over after" in heartbeat.state()["last_error"]["error"]


def test_successes_are_a_minute_apart_and_the_last_one_is_sent(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid, clock: Any
) -> None:
    heartbeat, first, runs = heartbeats(clock=clock), rid(), [rid() for _ in range(3)]
    heartbeat.start(first)
    heartbeat.success(first, "")
    until(lambda: kinds(healthchecks) == ["start", "success"] and heartbeat.state()["pending"] is None)
    for run in runs:
        clock.now += 10
        heartbeat.start(run)
        heartbeat.success(run, "")
    assert heartbeat.state()["pending"] == "success"
    assert kinds(healthchecks).count("success") == 1
    clock.now += 30
    heartbeat.wake()
    assert healthchecks.wait(lambda double: kinds(double).count("success") == 2)
    assert healthchecks.pings("imap")[-1].rid == runs[-1]
    assert not healthchecks.check("imap").started


def test_a_failure_does_not_wait_for_the_minute_to_pass(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid, clock: Any
) -> None:
    heartbeat = heartbeats(clock=clock)
    heartbeat.success(rid(), "")
    assert healthchecks.wait(lambda double: kinds(double) == ["success"])
    heartbeat.fail(rid(), "")
    assert healthchecks.wait(lambda double: kinds(double) == ["success", "fail"])


def test_close_sends_what_waits(healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid) -> None:
    healthchecks.down()
    heartbeat = heartbeats()
    heartbeat.fail(rid(), "")
    until(lambda: heartbeat.state()["last_error"])
    healthchecks.up()
    heartbeat.close(20.0)
    assert kinds(healthchecks) == ["fail"]


def test_close_leaves_no_start_of_a_run_that_has_no_outcome(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    healthchecks.down()
    heartbeat = heartbeats(first_pause=3600.0)
    heartbeat.start(rid())
    until(lambda: heartbeat.state()["last_error"])
    healthchecks.up()
    heartbeat.close(20.0)
    assert healthchecks.document() == []


def test_close_does_not_wait_for_a_dead_healthchecks(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    healthchecks.behave(Behaviour.SLOW)
    heartbeat = heartbeats(timeout=3600.0)
    heartbeat.fail(rid(), "")
    assert healthchecks.wait(lambda double: bool(double.pings("imap")))
    heartbeat.close(0.05)  # without a limit this would not return
    assert heartbeat.state()["pending"] == "fail"


def test_log_lines_carry_the_context_of_whoever_made_the_heartbeat(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    lines: list[Any] = []

    def keep(_logger: object, _method: str, event: Any) -> Any:
        lines.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep])
    try:
        with structlog.contextvars.bound_contextvars(tier="imap"):
            heartbeat = heartbeats()
        healthchecks.behave(Behaviour.NOT_FOUND)
        heartbeat.fail(rid(), "")
        until(lambda: lines)
    finally:
        structlog.reset_defaults()
    assert lines[0]["tier"] == "imap"


def test_a_body_is_cut_to_what_is_kept_between_characters(
    healthchecks: HealthchecksDouble, heartbeats: Make, rid: Rid
) -> None:
    heartbeats().fail(rid(), "x" + "ä" * BODY_LIMIT)
    assert healthchecks.wait(lambda double: bool(double.pings("imap")))
    received = healthchecks.pings("imap")[0].body
    assert len(received.encode()) <= BODY_LIMIT
    assert received.startswith("xää")
    assert received.endswith("ä\n(cut)")


def test_the_body_says_everything_an_alert_needs_with_the_reason_first() -> None:
    assert body(
        outcome="held",
        tier="imap",
        task="task-1",
        generation="20261123T080000Z-1",
        seconds=0.5,
        counts={"addresses": 1000, "users": 20},
        quarantine={"user_invalid": 2, "address_invalid": 1},
        reason="loses 412 of 1000 addresses",
    ) == (
        "reason: loses 412 of 1000 addresses\n"
        "outcome: held\n"
        "tier: imap\n"
        "task: task-1\n"
        "generation: 20261123T080000Z-1\n"
        "duration: 0.500 s\n"
        "counts: addresses 1000, users 20\n"
        "quarantine: 3 (address_invalid 1, user_invalid 2)\n"
    )
