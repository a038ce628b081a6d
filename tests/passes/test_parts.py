"""Whole passes by the daemon's own parts in this process, where one part is set as settings cannot say it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from embedded.faults import Fault
from embedded.healthchecks import HealthchecksDouble
from reconfigure import assembly
from reconfigure.loop import Loop
from reconfigure.outcome import Outcome
from reconfigure.report import Reporter
from reconfigure.reporting import status
from reconfigure.reporting.heartbeat import Heartbeat
from reconfigure.reporting.reports import PassReport
from reconfigure.settings import Settings
from reconfigure.sources.parameters import Parameter
from reconfigure.sources.queue import Queue

if TYPE_CHECKING:
    from tests.passes.conftest import World

Until = Callable[..., None]


@contextmanager
def running(settings: Settings, *, messages: Queue | None, heartbeat: Heartbeat | None = None) -> Iterator[Loop]:
    made = assembly.reconciler(settings)
    loop = Loop(made.reconcile, Reporter(settings, heartbeat), messages=messages, pace=assembly.pace(settings))
    thread = threading.Thread(target=loop.run, name="loop", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop("the test is over")
        thread.join(20)
        assert not thread.is_alive()


def last_pass(settings: Settings) -> PassReport | None:
    document = status.read(settings.state_dir / status.STATUS_NAME)
    return document.pass_ if document else None


def test_a_message_is_not_delivered_again_while_dynamodb_is_slow(
    world: "World", settings: Settings, until: Until
) -> None:
    world.put("info@acme.example.com")
    clients = assembly.reconciler(settings).clients
    messages = Queue(clients.sqs, world.queue_url, poll_seconds=1, visibility_seconds=2)
    with capture_logs() as logs, running(settings, messages=messages):
        until(lambda: last_pass(settings))
        world.put("shop@acme.example.com")
        world.proxy.fail("DynamoDB", Fault.delayed(2.2), times=2)  # longer than a message stays invisible by itself
        world.send()
        until((settings.state_dir / "previous").exists)
        until(world.is_drained)
    received = [line for line in logs if line["event"] == "message_received"]
    assert len(received) == 1
    assert world.proxy.count("ChangeMessageVisibility") >= 2


def test_a_ping_url_that_is_rotated_while_the_loop_runs_is_used_from_the_next_reading_on(
    world: "World", settings: Settings, pings: HealthchecksDouble
) -> None:
    world.put("info@acme.example.com")
    name = f"/{world.mark}/ping-url"
    world.direct.ssm.put_parameter(Name=name, Value=pings.url("old"), Type="SecureString")
    clients = assembly.reconciler(settings).clients
    heartbeat = Heartbeat(Parameter(lambda: clients.ssm, name, ttl=0).value, timeout=5, spacing=0)
    with running(settings, messages=Queue(clients.sqs, world.queue_url, poll_seconds=1), heartbeat=heartbeat):
        assert pings.wait(lambda _: pings.check("old").status == "up")
        world.direct.ssm.put_parameter(Name=name, Value=pings.url("new"), Type="SecureString", Overwrite=True)
        world.send()
        assert pings.wait(lambda _: pings.check("new").status == "up")
    heartbeat.close(5)


def test_a_defect_met_in_a_pass_is_a_failed_pass_with_its_traceback_in_the_log(
    world: "World", settings: Settings
) -> None:
    world.put("info@acme.example.com")
    made = assembly.reconciler(settings)
    assert made.reconcile("start").outcome is Outcome.CHANGED

    def defect() -> None:
        raise ZeroDivisionError("nobody thought of this")

    with capture_logs() as logs:
        result = made.reconcile("message", checkpoint=defect)
    assert result.outcome is Outcome.FAILED
    assert "ZeroDivisionError: nobody thought of this" in result.reason
    assert result.active is not None
    (said,) = [line for line in logs if line["event"] == "pass_defect"]
    assert isinstance(said["exc_info"], ZeroDivisionError)
    assert made.reconcile("retry").outcome is Outcome.UNCHANGED


def test_waiting_between_two_tries_ends_with_the_pass(world: "World", settings: Settings) -> None:
    world.put("info@acme.example.com")
    world.proxy.fail("Scan", Fault.server_error())
    made = assembly.reconciler(settings)
    asked: list[float] = []

    def note() -> None:
        asked.append(time.monotonic())

    result = made.reconcile("start", checkpoint=note, attempts=3)
    assert result.outcome is Outcome.FAILED
    assert result.requests == {"dynamodb": 4}  # the table's state, and three tries of a page
    assert len(asked) > 4, "the checkpoint is asked while it waits, too"
