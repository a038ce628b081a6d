"""When the loop makes passes, and what it does with messages meanwhile; the passes themselves are made up."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from embedded.faults import Fault, FaultProxy
from reconfigure.loop import Loop
from reconfigure.outcome import Outcome
from reconfigure.pace import Pace
from reconfigure.reconcile import Checkpoint
from reconfigure.reporting.orders import Orders
from reconfigure.sources.queue import Queue, QueueDepth, Received

if TYPE_CHECKING:
    from tests.loop.conftest import Passes

Start = Callable[..., Loop]
Send = Callable[..., str]
Until = Callable[..., None]

EMPTY = QueueDepth(0, 0, 0)
PACE = Pace(interval=3600, jitter=0.0, quiet=0.1, quiet_limit=1.0, retry=0.2)


def test_a_message_that_comes_during_a_pass_is_acknowledged_only_by_a_later_one(
    passes: "Passes", start: Start, send: Send, outside: Queue, until: Until
) -> None:
    depths: list[QueueDepth] = []

    def while_another_comes(_: Checkpoint) -> Outcome:
        send()
        until(lambda: outside.depth().in_flight == 2)  # the poll that was under way has taken it
        return Outcome.CHANGED

    def look(_: Checkpoint) -> Outcome:
        until(lambda: sum(outside.depth()) == 1)  # the first is acknowledged, the second is not
        depths.append(outside.depth())
        return Outcome.UNCHANGED

    passes.then(Outcome.UNCHANGED, while_another_comes, look)
    start(replace(PACE, quiet=0.3))
    until(lambda: passes.finished)
    send()
    until(lambda: len(passes.finished) == 3)
    assert passes.triggers == ["start", "message", "message"]
    assert depths == [QueueDepth(0, 1, 0)]
    until(lambda: outside.depth() == EMPTY)


def test_an_unreadable_message_is_logged_once_makes_no_pass_and_becomes_a_dead_letter(
    passes: "Passes", start: Start, send: Send, outside: Queue, dead_letters: Queue, until: Until
) -> None:
    with capture_logs() as logs:
        start()
        until(lambda: passes.finished)
        ids = {send("not JSON"), send('["a list"]')}
        until(lambda: dead_letters.depth().visible == 2)
    assert outside.depth() == EMPTY
    assert passes.triggers == ["start"]
    said = [line for line in logs if line["event"] == "message_unreadable"]
    assert {line["message_id"] for line in said} == ids
    assert [line["seen"] for line in said] == [1, 2]
    assert {message.id for message in dead_letters.receive(0)} <= ids


def test_messages_stay_invisible_to_others_for_as_long_as_a_pass_takes(
    passes: "Passes", start: Start, send: Send, outside: Queue, proxy: FaultProxy, until: Until
) -> None:
    stolen: list[list[Received]] = []

    def slow(_: Checkpoint) -> Outcome:
        until(lambda: proxy.count("ChangeMessageVisibility") >= 3)  # one a second, and each for two seconds
        stolen.append(outside.receive(0))
        return Outcome.CHANGED

    passes.then(Outcome.UNCHANGED, slow)
    start()
    until(lambda: passes.finished)
    send()
    until(lambda: len(passes.finished) == 2)
    assert stolen == [[]]
    until(lambda: outside.depth() == EMPTY)


def test_while_passes_fail_nothing_is_polled_and_the_first_good_one_polls_again(
    passes: "Passes", start: Start, send: Send, outside: Queue, proxy: FaultProxy, until: Until
) -> None:
    passes.then(Outcome.UNCHANGED, *[Outcome.FAILED] * 4, Outcome.CHANGED)
    polls: list[int] = []
    start()
    until(lambda: passes.finished)
    send()
    until(lambda: Outcome.FAILED in passes.finished)
    polls.append(proxy.count("ReceiveMessage"))
    until(lambda: len(passes.finished) == 5)
    polls.append(proxy.count("ReceiveMessage"))
    assert polls[1] - polls[0] <= 1, "at most the one that was under way"
    until(lambda: outside.depth() == EMPTY)
    assert passes.triggers[:6] == ["start", "message", "retry", "retry", "retry", "retry"]
    assert passes.attempts[:6] == [None, None, 1, 1, 1, 1]
    assert passes.pauses[1:5] == [0.2, 0.4, 0.8, 1.6]


@pytest.mark.parametrize("outcome", [Outcome.HELD, Outcome.DEGRADED])
def test_messages_put_the_retry_off_by_nothing(
    passes: "Passes", start: Start, send: Send, until: Until, outcome: Outcome
) -> None:
    passes.then(Outcome.UNCHANGED, outcome)
    start(replace(PACE, retry=25, longest_retry=1000))
    until(lambda: passes.finished)
    for number in range(6):
        send()
        until(lambda number=number: len(passes.finished) == 2 + number)
    pauses = passes.pauses[1:]
    assert pauses == sorted(pauses, reverse=True), "each shows what is left of the first"
    assert pauses[0] == 25


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.HELD, Outcome.DEGRADED])
def test_a_source_that_has_recovered_is_seen_within_the_longest_retry(
    passes: "Passes", start: Start, until: Until, outcome: Outcome
) -> None:
    passes.then(*[outcome] * 12, Outcome.UNCHANGED)
    start(replace(PACE, retry=0.01, longest_retry=0.05))
    until(lambda: Outcome.UNCHANGED in passes.finished)
    assert max(passes.pauses[:12]) == 0.05


def test_after_a_message_had_the_users_read_they_are_read_once_more(
    passes: "Passes", start: Start, send: Send, until: Until
) -> None:
    passes.requests = {"cognito": 1}
    start(replace(PACE, follow_up=0.5))
    until(lambda: passes.finished)
    send('{"event": "user_changed", "user": "alice"}')
    until(lambda: len(passes.finished) == 3)
    assert passes.triggers == ["start", "message", "follow-up"]
    assert passes.changed == [None] * 3
    assert passes.pauses == [3600, 0.5, 3600]


def test_after_a_message_that_had_no_users_read_nothing_follows(
    passes: "Passes", start: Start, send: Send, until: Until
) -> None:
    start(replace(PACE, follow_up=0.5))
    until(lambda: passes.finished)
    send()
    until(lambda: len(passes.finished) == 2)
    assert passes.pauses == [3600, 3600]


def test_a_message_that_a_last_poll_brings_does_not_outrun_the_pause_after_a_failure(
    passes: "Passes", start: Start, send: Send, outside: Queue, until: Until
) -> None:
    def fail_while_one_more_comes(_: Checkpoint) -> Outcome:
        send()
        until(lambda: outside.depth().in_flight == 2)
        return Outcome.FAILED

    passes.then(Outcome.UNCHANGED, fail_while_one_more_comes, Outcome.CHANGED)
    start(replace(PACE, retry=1.5))
    until(lambda: passes.finished)
    send()
    until(lambda: outside.depth() == EMPTY)
    assert passes.triggers[:3] == ["start", "message", "retry"]


def test_only_after_a_failed_pass_are_reads_tried_just_once(
    passes: "Passes", start: Start, send: Send, until: Until
) -> None:
    passes.then(Outcome.UNCHANGED, Outcome.HELD, Outcome.FAILED, Outcome.UNCHANGED)
    start()
    until(lambda: passes.finished)
    send()
    until(lambda: len(passes.finished) >= 4)
    assert passes.attempts[:4] == [None, None, None, 1]


@pytest.mark.parametrize("outcome", [Outcome.HELD, Outcome.DEGRADED])
def test_a_message_of_a_pass_that_was_not_good_never_becomes_a_dead_letter_while_it_is_retried(
    passes: "Passes", start: Start, send: Send, outside: Queue, dead_letters: Queue, until: Until, outcome: Outcome
) -> None:
    passes.then(Outcome.UNCHANGED, *[outcome] * 5, Outcome.UNCHANGED)
    start()
    until(lambda: passes.finished)
    send()
    until(lambda: len(passes.finished) == 6)
    assert sum(outside.depth()) == 1
    until(lambda: outside.depth() == EMPTY)
    assert dead_letters.depth() == EMPTY
    assert passes.triggers[:7] == ["start", "message", *["retry"] * 5]


def test_a_queue_that_answers_nothing_at_once_is_asked_once_a_second(
    passes: "Passes", start: Start, proxy: FaultProxy, until: Until
) -> None:
    proxy.fail("ReceiveMessage", Fault.answer(b"{}"))
    start(replace(PACE, interval=3.0))
    until(lambda: len(passes.finished) == 2)
    assert proxy.count("ReceiveMessage") <= 5


def test_an_answer_of_the_queue_that_makes_no_sense_does_not_end_the_polling(
    passes: "Passes", start: Start, send: Send, outside: Queue, proxy: FaultProxy, until: Until
) -> None:
    proxy.fail("ReceiveMessage", Fault.answer(b'{"Messages": [{"Body": "no id, no receipt"}]}'), times=2)
    with capture_logs() as logs:
        start()
        until(lambda: passes.finished)
        send()
        until(lambda: "message" in passes.triggers)
        until(lambda: outside.depth() == EMPTY)
    (said,) = [line for line in logs if line["event"] == "queue_receive_failed"]
    assert isinstance(said["exc_info"], KeyError)
    assert [line["failures"] for line in logs if line["event"] == "queue_receive_recovered"] == [2]
    assert passes.receiving == [said["error"], said["error"], None]


def test_without_a_queue_the_timer_makes_the_passes(passes: "Passes", start: Start, until: Until) -> None:
    start(replace(PACE, interval=0.2), source=None)
    until(lambda: len(passes.finished) >= 4)
    assert set(passes.triggers[1:]) == {"timer"}


def test_the_first_pass_waits_for_a_moment_of_its_own(
    passes: "Passes", start: Start, until: Until, tmp_path: Path
) -> None:
    began = time.monotonic()
    start(SpreadPace(**vars(replace(PACE, spread=0.5))), orders=Orders(tmp_path))
    until(lambda: passes.triggers)
    assert passes.triggers == ["start"]
    assert time.monotonic() - began >= 0.5


def test_a_change_does_not_wait_for_the_first_pass(
    passes: "Passes", start: Start, send: Send, until: Until, tmp_path: Path
) -> None:
    start(SpreadPace(**vars(replace(PACE, spread=3600))), orders=Orders(tmp_path))
    send()
    until(lambda: passes.triggers)
    assert passes.triggers == ["message"]


class SpreadPace(Pace):
    """A pace without chance: the first pass waits as long as it may."""

    def start(self, chance: Callable[[], float] = lambda: 1.0) -> float:
        return super().start(chance)


def test_a_stop_gives_back_what_a_pass_and_a_poll_hold(
    passes: "Passes", start: Start, send: Send, outside: Queue, until: Until
) -> None:
    def until_stopped(checkpoint: Checkpoint) -> Outcome:
        while True:
            checkpoint()

    passes.then(Outcome.UNCHANGED, until_stopped)
    loop = start()
    until(lambda: passes.finished)
    send()
    until(lambda: len(passes.triggers) == 2)
    send()
    loop.stop("the test says so")
    until(lambda: outside.depth() == QueueDepth(2, 0, 0))
    assert passes.finished == [Outcome.UNCHANGED], "an interrupted pass has no result"
