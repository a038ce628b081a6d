"""What operators order of a running loop: nothing is applied or received in a pause, and no message suffers."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embedded.faults import FaultProxy
from reconfigure.inbox import Seen
from reconfigure.loop import Loop
from reconfigure.outcome import Outcome
from reconfigure.reconcile import Checkpoint
from reconfigure.reporting.orders import Orders
from reconfigure.sources.queue import Queue, QueueDepth
from reconfigure.watching import Watch

if TYPE_CHECKING:
    from tests.loop.conftest import Passes

Start = Callable[..., Loop]
Send = Callable[..., str]
Until = Callable[..., None]

HOUR = timedelta(hours=1)


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path)


def test_in_a_pause_messages_stay_on_the_queue_and_are_not_received(
    passes: "Passes", start: Start, send: Send, outside: Queue, proxy: FaultProxy, until: Until, orders: Orders
) -> None:
    orders.set_pause(HOUR, by="carol", why="moving house")
    start(orders=orders)
    until(lambda: passes.rests)
    send()
    begun = proxy.count("ReceiveMessage")
    orders.set_pause(HOUR, by="carol", why="still moving")
    until(lambda: len(passes.rests) == 2)
    assert [(pause.why, first) for pause, first in passes.rests] == [("moving house", True), ("still moving", False)]
    assert passes.triggers == []
    assert proxy.count("ReceiveMessage") == begun == 0
    assert outside.depth() == QueueDepth(1, 0, 0)


def test_the_end_of_a_pause_makes_a_full_pass_at_once(
    passes: "Passes", start: Start, send: Send, outside: Queue, until: Until, orders: Orders
) -> None:
    orders.set_pause(HOUR, by="carol", why=None)
    start(orders=orders)
    until(lambda: passes.rests)
    send()
    assert orders.end_pause()
    until(lambda: passes.triggers)
    assert passes.triggers[0] == "resume"
    assert passes.changed[0] is None
    assert passes.rested_in_time == [False]
    until(lambda: outside.depth() == QueueDepth(0, 0, 0))


def test_a_pause_ends_by_itself_at_its_time(
    passes: "Passes", start: Start, until: Until, orders: Orders, tmp_path: Path
) -> None:
    orders.set_pause(timedelta(seconds=1), by="carol", why=None)
    start(orders=orders)
    until(lambda: passes.triggers)
    assert passes.triggers == ["resume"]
    assert passes.rested_in_time == [True]
    assert list(tmp_path.iterdir()) == []


def test_a_pause_ends_a_pass_under_way_and_gives_its_messages_back(
    passes: "Passes", start: Start, send: Send, outside: Queue, until: Until, orders: Orders
) -> None:
    def ordered_to_rest(checkpoint: Checkpoint) -> Outcome:
        orders.set_pause(HOUR, by="carol", why=None)
        checkpoint()
        return Outcome.CHANGED

    passes.then(Outcome.UNCHANGED, ordered_to_rest)
    start(orders=orders)
    until(lambda: passes.finished)
    send()
    until(lambda: passes.rests)
    until(lambda: outside.depth() == QueueDepth(1, 0, 0))
    assert passes.finished == [Outcome.UNCHANGED], "the pass that was interrupted has no result"


def test_a_pause_during_the_wait_is_noticed_without_a_message(
    passes: "Passes", start: Start, until: Until, orders: Orders
) -> None:
    start(source=None, orders=orders)
    until(lambda: passes.finished)
    orders.set_pause(HOUR, by="carol", why=None)
    until(lambda: passes.rests)
    assert orders.end_pause()
    until(lambda: len(passes.triggers) == 2)
    assert passes.triggers == ["start", "resume"]


def test_while_a_pin_keeps_something_back_messages_are_given_back_and_no_more_received(
    passes: "Passes", start: Start, send: Send, outside: Queue, proxy: FaultProxy, until: Until, orders: Orders
) -> None:
    passes.then(Outcome.UNCHANGED, Outcome.PINNED)
    start(orders=orders)
    until(lambda: passes.finished)
    send()
    until(lambda: Outcome.PINNED in passes.finished)
    until(lambda: outside.depth() == QueueDepth(1, 0, 0))
    asked = proxy.count("ReceiveMessage")
    passes.then(Outcome.CHANGED)
    orders.set_pin("20261124T000000.000Z-00000000", by="carol", why=None)  # another order wakes the loop at once
    until(lambda: Outcome.CHANGED in passes.finished)
    assert passes.triggers[-1] == "operator"
    assert asked <= proxy.count("ReceiveMessage")
    until(lambda: outside.depth() == QueueDepth(0, 0, 0))


def test_what_is_seen_beside_the_passes_is_told_with_the_reason_when_it_cannot_be_seen(
    passes: "Passes", start: Start, until: Until
) -> None:
    answers = [{"visible": 3, "in_flight": 1, "delayed": 0, "dead_letters": None}]

    def depth() -> dict[str, int | None]:
        if not answers:
            raise OSError("the queue is out of reach")
        return answers.pop()

    start(source=None, watch=Watch(depth=depth, programs=lambda: None, period=0.05))
    until(lambda: len(passes.seen) >= 2)
    first, second = (seen for seen, _ in passes.seen[:2])
    assert isinstance(first, Seen)
    assert first.queue is not None
    assert second.queue is not None
    assert (first.queue.visible, first.queue.error) == (3, None)
    assert second.queue.visible == 3, "what was seen before stays"
    assert "the queue is out of reach" in str(second.queue.error)
    assert first.programs is None
