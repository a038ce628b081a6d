"""What arrives: the events that can wake the loop, and the thread that polls the queue for some of them.

A message is judged here only as far as it can be read and which addresses it names; when a pass follows from it is
the loop's business.
"""

import queue
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable
from typing import NamedTuple

import structlog

from reconfigure.reporting.reports import ProgramsReport, QueueReport
from reconfigure.sources.messages import UnreadableMessageError, parse
from reconfigure.sources.queue import Queue, Received

log = structlog.get_logger()

UNREADABLE_REMEMBERED = 1000


class Stop(NamedTuple):
    """Somebody wants this process to end."""

    reason: str


class Resync(NamedTuple):
    """Somebody wants a full pass now."""


class Arrived(NamedTuple):
    """A poll ended with messages, or with none."""

    messages: list[Received]


class PollFailed(NamedTuple):
    """A poll ended with an error; one that is no SourceError is a defect."""

    error: Exception


class Seen(NamedTuple):
    """Somebody looked at the queue's depth and at the daemons (see `watching`); None of what is not here."""

    queue: QueueReport | None
    programs: ProgramsReport | None


class SiblingChanged(NamedTuple):
    """Another task of this tier heard of a change."""


class FleetSeen(NamedTuple):
    """Something new is known of the fleet (see `fleet.member`)."""


Event = Stop | Resync | Arrived | PollFailed | Seen | SiblingChanged | FleetSeen


def named(messages: Iterable[Received]) -> Collection[str] | None:
    """Return the addresses that readable messages name, or None when one of them may mean more than those."""
    named: set[str] = set()
    for message in messages:
        hint = parse(message.body)
        if hint.full or hint.event != "address_changed":
            return None
        named.update(hint.addresses)
    return named


class Poller:
    """Long polls in a thread of its own, one at a time and only when asked."""

    def __init__(self, source: Queue, events: "queue.SimpleQueue[Event]") -> None:
        self._queue = source
        self._events = events
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._busy = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="queue-poller", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Begin a poll unless one is under way; its end is an event."""
        if not self._busy.is_set():
            self._busy.set()
            self._asked.put(True)

    def close(self, timeout: float) -> None:
        """Begin no more polls, and wait for the one under way."""
        self._closed = True
        self._asked.put(False)
        self._thread.join(timeout)

    def _run(self) -> None:
        while self._asked.get() and not self._closed:
            try:
                event: Event = Arrived(self._queue.receive())
            except Exception as error:  # noqa: BLE001 - a dead poller would be silence for ever; the loop says it
                event = PollFailed(error)
            self._busy.clear()
            self._events.put(event)


class Letters:
    """Tells messages that say something from those that nobody can read."""

    def __init__(self) -> None:
        self._unreadable = 0
        self._logged: OrderedDict[str, None] = OrderedDict()

    def readable(self, messages: Iterable[Received]) -> list[Received]:
        """Return the messages that can be read. The others are logged, each once, though they come again.

        They are not acknowledged: the redrive policy moves them to the dead-letter queue, where they can be looked at.
        """
        return [message for message in messages if self._can_read(message)]

    def _can_read(self, message: Received) -> bool:
        try:
            hint = parse(message.body)
        except UnreadableMessageError as error:
            if self._is_new(message.id):
                log.warning("message_unreadable", message_id=message.id, error=str(error), seen=self._unreadable)
            return False
        log.debug("message_received", message_id=message.id, change=hint.event, addresses=len(hint.addresses))
        return True

    def _is_new(self, message_id: str) -> bool:
        if message_id in self._logged:
            return False
        self._unreadable += 1
        self._logged[message_id] = None
        if len(self._logged) > UNREADABLE_REMEMBERED:
            self._logged.popitem(last=False)
        return True
