"""The loop in this process, with a real queue and passes that a test makes up: here only timing is the subject."""

import json
import queue
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime

import pytest
import structlog

from embedded.faults import FaultProxy
from reconfigure.inbox import Seen
from reconfigure.loop import Loop
from reconfigure.outcome import Outcome, PassResult
from reconfigure.pace import Pace
from reconfigure.reconcile import Checkpoint
from reconfigure.reporting.orders import Orders
from reconfigure.reporting.reports import Pause
from reconfigure.sources.aws import Clients
from reconfigure.sources.queue import Queue
from reconfigure.watching import Watch

REGION = "eu-west-1"


def result(
    outcome: Outcome, *, trigger: str = "message", pass_id: str | None = None, requests: dict[str, int] | None = None
) -> PassResult:
    return PassResult(
        id=pass_id or str(uuid.uuid4()),
        trigger=trigger,
        outcome=outcome,
        started=datetime.now(UTC),
        seconds=0.0,
        phases={},
        requests=requests or {},
    )


class Passes:
    """Makes passes as told: `then` says what the next ones do; the last goes on. Hears of them, too."""

    def __init__(self) -> None:
        self.triggers: list[str] = []
        self.changed: list[Collection[str] | None] = []
        self.attempts: list[int | None] = []
        self.pauses: list[float] = []
        self.finished: list[Outcome] = []
        self.rests: list[tuple[Pause, bool]] = []
        self.rested_in_time: list[bool] = []
        self.seen: list[tuple[Seen, float | None]] = []
        self.receiving: list[str | None] = []
        self.fleet_seen = 0
        self.requests: dict[str, int] = {}
        self._steps: list[Callable[[Checkpoint], Outcome]] = [lambda _: Outcome.UNCHANGED]

    def then(self, *steps: Outcome | Callable[[Checkpoint], Outcome]) -> None:
        self._steps = [_constant(step) if isinstance(step, Outcome) else step for step in steps]

    def __call__(
        self,
        trigger: str,
        *,
        pass_id: str | None = None,
        changed: Collection[str] | None = None,
        attempts: int | None = None,
        checkpoint: Checkpoint = lambda: None,
    ) -> PassResult:
        self.changed.append(changed)
        self.attempts.append(attempts)
        self.triggers.append(trigger)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        return result(step(checkpoint), trigger=trigger, pass_id=pass_id, requests=self.requests)

    def begin(self, pass_id: str) -> None:
        structlog.contextvars.bind_contextvars(**{"pass": pass_id[:8]})

    def finish(self, result: PassResult, *, next_pass: float) -> None:
        self.pauses.append(next_pass)
        self.finished.append(result.outcome)

    def rest(self, pause: Pause, *, first: bool) -> None:
        self.rests.append((pause, first))

    def rested(self, *, in_time: bool) -> None:
        self.rested_in_time.append(in_time)

    def saw(self, seen: Seen, *, oldest: float | None) -> None:
        self.seen.append((seen, oldest))

    def saw_fleet(self) -> None:
        self.fleet_seen += 1

    def received(self, *, error: str | None) -> None:
        self.receiving.append(error)

    def deleted(self, *, error: str | None) -> None:
        """Heard, and nobody asks."""


def _constant(outcome: Outcome) -> Callable[[Checkpoint], Outcome]:
    return lambda _: outcome


@pytest.fixture
def passes() -> Passes:
    return Passes()


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait until something is true, 20 s at most."""

    def until(true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not true():
            assert time.monotonic() < deadline, "it did not come true within 20 s"
            time.sleep(0.01)

    return until


@pytest.fixture
def proxy(double_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(double_url) as proxy:
        yield proxy


@pytest.fixture
def direct(double_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients that no fault reaches."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    clients = Clients(REGION, double_url)
    yield clients
    clients.close()


@pytest.fixture
def dead_letters(direct: Clients) -> Iterator[Queue]:
    url = direct.sqs.create_queue(QueueName=f"dead-{uuid.uuid4().hex}")["QueueUrl"]
    yield Queue(direct.sqs, url, poll_seconds=1)
    direct.sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def outside(direct: Clients, dead_letters: Queue) -> Iterator[Queue]:
    """The queue as somebody else sees it; a message received twice in vain is a dead letter."""
    names: list[str] = ["QueueArn"]
    dead = direct.sqs.get_queue_attributes(QueueUrl=dead_letters.url, AttributeNames=names)  # type: ignore[arg-type]
    redrive = {"deadLetterTargetArn": dead["Attributes"]["QueueArn"], "maxReceiveCount": 2}
    url = direct.sqs.create_queue(
        QueueName=f"queue-{uuid.uuid4().hex}", Attributes={"RedrivePolicy": json.dumps(redrive)}
    )["QueueUrl"]
    yield Queue(direct.sqs, url, poll_seconds=1)
    direct.sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def send(direct: Clients, outside: Queue) -> Callable[..., str]:
    def send(body: str = '{"event": "address_changed"}') -> str:
        return direct.sqs.send_message(QueueUrl=outside.url, MessageBody=body)["MessageId"]

    return send


@pytest.fixture
def messages(proxy: FaultProxy, outside: Queue, direct: Clients) -> Iterator[Queue]:
    """The queue as the loop sees it: through the proxy, and with messages that come again after two seconds."""
    clients = Clients(direct.region, proxy.url, 1)
    yield Queue(clients.sqs, f"{proxy.url}/{outside.url.split('/', 3)[3]}", poll_seconds=1, visibility_seconds=2)
    clients.close()


PACE = Pace(interval=3600, jitter=0.0, quiet=0.1, quiet_limit=1.0, retry=0.2)


@pytest.fixture
def start(passes: Passes, messages: Queue) -> Iterator[Callable[..., Loop]]:
    """Run a loop in a thread; an error that ends it fails the test."""
    running: list[tuple[Loop, threading.Thread]] = []
    errors: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def start(
        pace: Pace = PACE,
        *,
        source: Queue | None = messages,
        orders: Orders | None = None,
        watch: Watch | None = None,
    ) -> Loop:
        loop = Loop(passes, passes, messages=source, pace=pace, orders=orders, watch=watch)

        def run() -> None:
            try:
                loop.run()
            except BaseException as error:  # noqa: BLE001 - raised again below, in the test's thread
                errors.put(error)

        thread = threading.Thread(target=run, name="loop", daemon=True)
        thread.start()
        running.append((loop, thread))
        return loop

    yield start
    for loop, thread in running:
        loop.stop("the test is over")
        thread.join(20)
        assert not thread.is_alive()
    if not errors.empty():
        raise errors.get()
