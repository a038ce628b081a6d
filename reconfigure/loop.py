"""When passes happen: messages, the timer, signals and retries become passes, one at a time, until SIGTERM.

Everything that can wake the loop is an event in one queue, so the main thread waits in one place and a signal is
seen at once. Messages are hints: they decide when a pass runs, never what it does.
"""

import contextvars
import os
import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import nullcontext
from types import FrameType
from typing import Protocol

import structlog

from reconfigure.errors import InterruptedPassError, SourceError
from reconfigure.fleet.member import Mark, Member
from reconfigure.inbox import (
    Arrived,
    Event,
    FleetSeen,
    Letters,
    Poller,
    PollFailed,
    Resync,
    Seen,
    SiblingChanged,
    Stop,
    named,
)
from reconfigure.outcome import Outcome, PassResult
from reconfigure.pace import Burst, Pace
from reconfigure.reconcile import Checkpoint
from reconfigure.reporting.orders import Orders
from reconfigure.reporting.reports import Pause
from reconfigure.sources.queue import Queue, Received, VisibilityKeeper
from reconfigure.watching import Watch

log = structlog.get_logger()

ORDERS_LOOK = 0.5  # seconds between two looks at what operators have ordered: two system calls each
SHORTEST_POLL = 1.0  # seconds between two polls that bring nothing
IN_HAND = 100  # messages that wait here, invisible to others, for a pass that is not good to become good
WAKING = frozenset({"message", "sibling"})  # what makes a pass before its time: news, which anybody may send
# SIGTERM to exit is promised within ten seconds: these two, and the last ping (see `assembly`).
STOP_SECONDS = 7.0  # for the step under way, the poll under way and giving messages back
LEAVE_SECONDS = 1.0  # of these, left when the fleet did not answer in time
LAST_SECONDS = 1.0  # for giving messages back when that was not enough


class Audience(Protocol):
    """Who hears of passes (see `report.Reporter`)."""

    def begin(self, pass_id: str) -> None:
        """A pass begins work."""

    def finish(self, result: PassResult, *, next_pass: float) -> None:
        """A pass ended; the next is due in so many seconds unless something wakes it."""

    def rest(self, pause: Pause, *, first: bool) -> None:
        """The loop rests, `first` when it begins to; told again once an interval."""

    def rested(self, *, in_time: bool) -> None:
        """The pause is over, `in_time` when nobody had to end it."""

    def saw(self, seen: Seen, *, oldest: float | None) -> None:
        """Somebody looked at queue and daemons; `oldest` is the age in seconds of the oldest message in hand."""

    def received(self, *, error: str | None) -> None:
        """Messages cannot be received, and why; or None: they can be again."""

    def deleted(self, *, error: str | None) -> None:
        """Messages that a pass was made for could not be deleted, and why; or None: they were."""

    def saw_fleet(self) -> None:
        """Something new is known of the fleet."""


class Reconcile(Protocol):
    """How the loop has a pass made (see `reconcile.Reconciler.reconcile`)."""

    def __call__(
        self,
        trigger: str,
        *,
        pass_id: str | None = None,
        changed: Collection[str] | None = None,
        attempts: int | None = None,
        checkpoint: Checkpoint = ...,
    ) -> PassResult:
        """Make one pass."""


class Loop:
    """The daemon's main thread.

    Args:
        reconcile: makes one pass.
        audience: hears of each.
        messages: the tier's queue, or None for timer only.
        pace: how fast.
        orders: what operators have ordered for a while; None when nobody can.
        watch: looks at queue and daemons beside the passes.
        member: this task's part in the fleet; None without a fleet.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        reconcile: Reconcile,
        audience: Audience,
        *,
        messages: Queue | None,
        pace: Pace,
        orders: Orders | None = None,
        watch: Watch | None = None,
        member: Member | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reconcile = reconcile
        self._audience = audience
        self._queue = messages
        self._pace = pace
        self._orders = orders
        self._watch = watch
        self._member = member
        self._clock = clock
        # SimpleQueue.put may be called from a signal handler, also while this thread is inside get.
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._poller = Poller(messages, self._events) if messages is not None else None
        self._stop: Stop | None = None
        self._stop_by = 0.0
        self._stopping: queue.SimpleQueue[Stop] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._waiting: list[Received] = []
        self._in_pass: list[Received] = []
        self._letters = Letters()
        self._failures = 0
        self._poll_failures = 0
        self._outcome = Outcome.UNCHANGED
        self._resting = False
        self._pin: object = None
        self._poll_at = clock()
        self._next_pass = clock()
        self._due_for = "timer"  # what the next pass is for, when nothing wakes it before
        self._has_begun = False  # with its passes: the first is a full one

    def install_signals(self) -> None:
        """Take SIGTERM and SIGINT as stop, SIGHUP as a full pass now; main thread only.

        A stop that takes too long then ends the process, whatever it hangs in.
        """
        context = contextvars.copy_context()  # so that what the thread logs names the tier, too
        threading.Thread(target=context.run, args=(self._end_in_time,), name="stop-deadline", daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, lambda _number, _frame: self._events.put(Resync()))

    def run(self) -> None:
        """Make passes until told to stop; then give unfinished messages back and return."""
        if self._watch is not None:
            self._watch.start(self._events.put)
        if self._member is not None:
            self._member.start(self._events.put)
        trigger = self._first()
        while self._stop is None:
            if self._rest():
                trigger = "resume"
            elif self._pass(trigger):
                trigger = self._wait()
        self._leave()
        self._ended.set()

    def _first(self) -> str:
        """Wait until it is time for the first pass, and return what makes it.

        Tasks that start together would read everything together. Each waits for a moment of its own; changes that
        come meanwhile do not wait.
        """
        self._pin = self._orders.signature() if self._orders is not None else None
        self._next_pass = self._clock() + self._pace.start()
        trigger = self._wait() if self._next_pass > self._clock() else "timer"
        return "start" if trigger == "timer" else trigger

    def stop(self, reason: str) -> None:
        """Ask the loop to end; from any thread or a signal handler."""
        self._stop = self._stop or Stop(reason)
        self._stop_by = self._stop_by or time.monotonic() + STOP_SECONDS
        self._events.put(self._stop)
        self._stopping.put(self._stop)

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        self.stop(signal.Signals(number).name)

    def _checkpoint(self) -> None:
        if self._stop is not None:
            raise InterruptedPassError(f"stopped by {self._stop.reason}")
        if self._paused() is not None:
            raise InterruptedPassError("paused by an operator")

    def _paused(self) -> Pause | None:
        return self._orders.pause() if self._orders is not None else None

    @property
    def _may_poll(self) -> bool:
        """Whether messages are wanted. While they cannot be acted on, they wait unharmed and their receive counts rest.

        That is while a source is down, while a pin keeps back what the source says, and in a pause.
        """
        return not self._resting and self._outcome not in {Outcome.FAILED, Outcome.PINNED}

    @property
    def _is_behind(self) -> bool:
        """Whether siblings know of changes that a pass could apply now; the first pass covers what was before it."""
        return self._member is not None and self._has_begun and self._may_poll and self._member.is_behind

    def _rest(self) -> bool:
        """Do nothing for as long as a pause is in force; return whether one was.

        Messages in hand are given back at once, and those that a poll under way still brings. The audience is told at
        the beginning, when the pause is another, and once an interval.
        """
        told: Pause | None = None
        while self._stop is None and (pause := self._paused()) is not None:
            if pause != told or self._clock() >= self._next_pass:
                self._audience.rest(pause, first=told is None)
                self._next_pass = self._clock() + self._pace.interval
                told, self._resting = pause, True
            if self._queue is not None and self._waiting:
                self._queue.give_back(self._waiting)
                self._waiting = []
            event = self._next_event(self._clock() + ORDERS_LOOK, self._clock())
            if isinstance(event, Arrived) and event.messages and self._queue is not None:
                self._queue.give_back(event.messages)
        self._resting = False
        if told is None or self._stop is not None:
            return False
        self._audience.rested(in_time=self._is_over())
        return True

    def _is_over(self) -> bool:
        """Tell whether a pause has ended by itself, and remove its order."""
        try:
            return self._orders is not None and self._orders.forget_what_is_over()
        except OSError as error:
            log.warning("pause_not_removed", error=str(error), meanwhile="it is over all the same")
            return True

    def _pass(self, trigger: str) -> bool:
        """Make a pass and tell whether it came to its end."""
        batch, self._waiting = self._waiting, []
        self._in_pass = batch
        pass_id = str(uuid.uuid4())
        self._pin = self._orders.signature() if self._orders is not None else None
        self._audience.begin(pass_id)
        # A dependency that failed the last pass is only probed: one try, no retries.
        attempts = 1 if self._outcome is Outcome.FAILED else None
        mark = self._told_siblings(batch)
        changed = self._changed(batch, mark) if trigger in WAKING and not self._failures else None
        try:
            with VisibilityKeeper(self._queue, batch) if self._queue is not None else nullcontext():
                result = self._reconcile(
                    trigger, pass_id=pass_id, changed=changed, attempts=attempts, checkpoint=self._checkpoint
                )
        except InterruptedPassError:
            self._waiting = batch
            return False
        finally:
            self._in_pass = []
        self._has_begun = True
        if mark is not None and self._member is not None and result.outcome.is_good:
            self._member.reached(mark)
        self._settle(result, batch)
        return True

    def _told_siblings(self, batch: list[Received]) -> Mark | None:
        """Tell siblings what messages brought, before it is applied here; return how far the pass goes."""
        if self._member is None:
            return None
        self._member.record(batch)
        return self._member.mark()

    @staticmethod
    def _changed(batch: list[Received], mark: Mark | None) -> Collection[str] | None:
        """Return the addresses that messages and siblings name; None: anything may have changed."""
        told = mark.named if mark is not None else frozenset()
        own = named(batch)
        return None if own is None or told is None else {*own, *told}

    def _settle(self, result: PassResult, batch: list[Received]) -> None:
        """Decide what a pass's result means for its messages and for the next pass."""
        pause = self._pause_after(result)
        self._next_pass = self._clock() + pause
        self._outcome = result.outcome
        self._audience.finish(result, next_pass=pause)
        if self._queue is None or not batch:
            return
        if result.outcome.is_good:
            self._queue.acknowledge(batch)
            self._audience.deleted(error=self._queue.delete_error)
        elif result.outcome is Outcome.PINNED:
            self._queue.give_back(batch)
        elif self._may_poll:
            self._waiting = self._keep(self._queue, batch, pause)
        else:
            self._queue.delay(batch, pause)

    def _pause_after(self, result: PassResult) -> float:
        """Return how long the next pass waits when nothing wakes it, and note what it is for."""
        left = max(0.0, self._next_pass - self._clock())
        woken = result.trigger in WAKING
        if not result.outcome.is_good and result.outcome is not Outcome.PINNED:
            if self._failures and woken and left:
                return left  # messages do not put off the retry, however many fail
            self._failures += 1
            self._due_for = "retry"
            return self._pace.back_off(self._failures)
        if not result.full and not self._failures:
            return left  # the timer's pass is the one that misses nothing, so a short cut does not put it off
        self._failures = 0  # what is pinned is nothing to retry: it stays so until an operator or the source moves
        timer = self._pace.timer()
        if self._pace.follow_up and woken and result.outcome.is_good and result.requests.get("cognito"):
            self._due_for = "follow-up"
            return min(timer, self._pace.follow_up)
        self._due_for = "timer"
        return timer

    def _keep(self, source: Queue, batch: list[Received], pause: float) -> list[Received]:
        """Keep the messages of a held pass in hand for the next one, and return those that are.

        Polling goes on, so they would come again at each retry and be dead letters before anybody has looked. They
        stay invisible until that pass holds on to them itself. More than a handful are let go all the same.
        """
        source.delay(batch[IN_HAND:], pause)
        kept = batch[:IN_HAND]
        lost = source.delay(kept, pause + source.visibility_seconds)
        return [message for message in kept if message not in lost]

    def _wait(self) -> str:
        """Wait for what makes the next pass and return its name; at a stop, anything."""
        burst = Burst(self._pace)
        while self._stop is None:
            now = self._clock()
            due = self._next_pass if burst.due is None else burst.due
            if now >= due:
                if burst.due is not None:
                    return "message" if self._waiting else "sibling"
                return self._due_for
            if self._orders is not None:
                if self._orders.pause() is not None or self._orders.signature() != self._pin:
                    return "operator"
                due = min(due, now + ORDERS_LOOK)
            event = self._next_event(due, now)
            if isinstance(event, Resync):
                return "signal"
            is_sibling = isinstance(event, SiblingChanged) and self._is_behind
            if is_sibling or (isinstance(event, Arrived) and self._take(event.messages)):
                burst.came(self._clock())
        return "stop"

    def _next_event(self, due: float, now: float) -> Event | None:
        """Return the next event, or None when it is time to look at the clock again."""
        if self._poller is not None and self._may_poll:
            if now >= self._poll_at:
                self._poller.ask()
                self._poll_at = now + SHORTEST_POLL  # an endpoint that answers "nothing" at once must not spin us
            else:
                due = min(due, self._poll_at)
        try:
            event = self._events.get(timeout=max(0.0, due - now))
        except queue.Empty:
            return None
        if isinstance(event, PollFailed):
            self._poll_failed(event.error)
        elif isinstance(event, Seen):
            self._audience.saw(event, oldest=self._oldest())
        elif isinstance(event, FleetSeen):
            self._audience.saw_fleet()
        elif isinstance(event, Arrived):
            self._poll_went_well()
            if event.messages:
                self._poll_at = self._clock()
        return event

    def _oldest(self) -> float | None:
        """Return the age in seconds of the oldest message in hand; None without any."""
        sent = [message.sent for message in self._waiting if message.sent is not None]
        return max(0.0, round(time.time() - min(sent), 1)) if sent else None

    def _poll_failed(self, error: Exception) -> None:
        self._poll_failures += 1
        pause = self._pace.back_off(self._poll_failures)
        self._poll_at = self._clock() + pause
        self._audience.received(error=str(error))
        if self._poll_failures == 1:
            log.warning(
                "queue_receive_failed",
                error=str(error),
                retry_in=round(pause, 1),
                meanwhile="timer only",
                exc_info=None if isinstance(error, SourceError) else error,
            )

    def _poll_went_well(self) -> None:
        if self._poll_failures:
            log.info("queue_receive_recovered", failures=self._poll_failures)
            self._audience.received(error=None)
        self._poll_failures = 0

    def _take(self, messages: list[Received]) -> bool:
        """Keep the messages that say something, and tell whether there was one."""
        if not self._may_poll and self._queue is not None:
            # What a poll still brought while a dependency is down must not outrun the retry, and is not kept: its
            # time would run out before that. Whoever polls after the pause gets it. A pin is not waited for.
            pause = 0.0 if self._outcome is Outcome.PINNED else self._next_pass - self._clock()
            self._queue.delay(messages, pause)
            return False
        readable = self._letters.readable(messages)
        self._waiting += readable
        return bool(readable)

    def _leave(self) -> None:
        """Give back every message that no pass finished, those of a poll under way included; leave the fleet."""
        if self._queue is not None and self._poller is not None:
            self._poller.close(max(0.0, self._stop_by - time.monotonic()))
            self._give_back(self._queue)
        if self._member is not None:
            self._member.leave(max(0.0, self._stop_by - LEAVE_SECONDS - time.monotonic()))

    def _give_back(self, source: Queue) -> None:
        unfinished = [*self._in_pass, *self._waiting]
        while True:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                break
            if isinstance(event, Arrived):
                unfinished += event.messages
        if unfinished:
            kept = source.give_back(unfinished)
            log.info("messages_given_back", messages=len(unfinished) - len(kept))

    def _end_in_time(self) -> None:
        """End the process after a stop that hangs: in a request, a lock, a daemon's restart.

        A pass that is killed leaves the old world or the new one, so nothing is lost by that but the rest of a step.
        """
        reason = self._stopping.get().reason
        if self._ended.wait(max(0.0, self._stop_by - time.monotonic())):
            return
        # In a thread, since what hangs may hold what is needed here: the log's lock, a connection.
        context = contextvars.copy_context()
        last = threading.Thread(target=context.run, args=(self._end_badly, reason), daemon=True)
        last.start()
        last.join(LAST_SECONDS)
        os._exit(0)

    def _end_badly(self, reason: str) -> None:
        if self._queue is not None:
            self._give_back(self._queue)
        log.warning("stop_forced", reason=reason, after=STOP_SECONDS, why="a step of the pass or a request hangs")
