"""The heartbeat: tells Healthchecks how each pass went, from a thread of its own, so that it delays nothing.

Which ping goes next is decided in `pings.py`, how one travels in `healthchecks.py`. Here is the thread between them:
it waits, sends, tries again with growing pauses while Healthchecks is away, and says so once. Whatever is down, at
most one start and one outcome wait in memory.
"""

import contextvars
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from reconfigure.errors import ReconfigureError
from reconfigure.reporting.healthchecks import Verdict, limited, send
from reconfigure.reporting.masking import mask_text
from reconfigure.reporting.pings import Kind, Ping, Pings

log = structlog.get_logger()

_LONGEST_PAUSE = 60.0
_FAILURES_TO_SPEAK = 3  # a lost packet is not worth a line
_HANGING = 3  # times the time limit: to connect, to be answered, and as much again for the name and the URL's source


class Heartbeat:
    """Pings one Healthchecks check. All methods return at once, except `close`.

    Args:
        url: returns the ping URL, or None for no ping; called in the thread before each ping, may read elsewhere.
        doubt: is told when a ping failed, since the URL may be an old one.
        timeout: seconds to connect and seconds to wait for an answer; three times that ends a ping whatever it does.
        spacing: the least number of seconds between two successes.
        clock: monotonic seconds.
        first_pause: seconds before the first retry; doubled each time, up to a minute.
    """

    def __init__(
        self,
        url: Callable[[], str | None],
        *,
        timeout: float,
        spacing: float,
        clock: Callable[[], float] = time.monotonic,
        first_pause: float = 1.0,
        doubt: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = url
        self._doubt = doubt
        self._timeout = timeout
        self._clock = clock
        self._first_pause = first_pause
        self._changed = threading.Condition()
        self._pings = Pings(spacing=spacing)
        self._retry_at = -math.inf
        self._close_at: float | None = None
        self._failures = 0
        self._told = False
        self._enabled: bool | None = None
        self._last_ok: str | None = None
        self._last_error: dict[str, str] | None = None
        self._left_behind: threading.Thread | None = None
        # The context of whoever starts it, so that its log lines name the tier too.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="heartbeat", daemon=True)
        self._thread.start()

    def start(self, rid: str) -> None:
        """Say that a run began; `rid` is a UUID in canonical form, of this run alone."""
        with self._changed:
            self._pings.start(rid)
            self._changed.notify_all()

    def success(self, rid: str, body: str) -> None:
        """Say that live state equals desired state."""
        self._finish(Ping(Kind.SUCCESS, rid, limited(body).decode()))

    def fail(self, rid: str, body: str) -> None:
        """Say that the run failed or is held, and why: tried at once, even between two retries."""
        self._finish(Ping(Kind.FAIL, rid, limited(body).decode()))

    def state(self) -> dict[str, Any]:
        """Return what the status document says of the heartbeat.

        Keys: `enabled` (None before the first ping), `last_ok` (ISO time), `last_error` ({time, error}),
        `consecutive_failures`, `pending` ("start", "success", "fail" or None).
        """
        with self._changed:
            pending = self._pings.pending
            return {
                "enabled": self._enabled,
                "last_ok": self._last_ok,
                "last_error": self._last_error and dict(self._last_error),
                "consecutive_failures": self._failures,
                "pending": pending and pending.value,
            }

    def wake(self) -> None:
        """Look at the clock again: for a clock that was moved."""
        with self._changed:
            self._changed.notify_all()

    def close(self, timeout: float) -> None:
        """Send what may still be sent within `timeout` seconds, then stop.

        A success that the spacing holds back is dropped, and so is the start of a run without an outcome.
        """
        with self._changed:
            self._close_at = self._clock() + timeout
            self._pings.forget_start()
            self._retry_at = -math.inf
            self._changed.notify_all()
        self._thread.join(timeout)

    def _finish(self, outcome: Ping) -> None:
        with self._changed:
            self._pings.finish(outcome)
            if outcome.kind is Kind.FAIL:
                self._retry_at = -math.inf
            self._changed.notify_all()

    def _run(self) -> None:
        while (ping := self._next()) is not None:
            verdict = self._attempt(ping)
            if verdict is not None and verdict.problem is not None:
                self._doubt()
            with self._changed:
                self._note(ping, verdict)

    def _next(self) -> Ping | None:
        """Wait for the ping that is due next; None when there is none and the heartbeat is closed."""
        with self._changed:
            while True:
                now = self._clock()
                due = self._pings.due(now)
                at = max(now, self._retry_at) if isinstance(due, Ping) else due
                if self._close_at is not None and (not isinstance(due, Ping) or at is None or at > self._close_at):
                    return None
                if isinstance(due, Ping) and at is not None and at <= now:
                    return due
                self._changed.wait(None if at is None else at - now)

    def _attempt(self, ping: Ping) -> Verdict | None:
        """Send a ping within a bounded time; None when there is no URL.

        In a thread, because a slow name server, a dripping peer or a slow source of the URL keep to no time limit.
        One that does not come back is left behind, and nothing is sent before it ends, so that pings stay in order.
        """
        if self._left_behind is not None and self._left_behind.is_alive():
            return Verdict("an earlier ping is still under way, far beyond its time limit", lasting=True)
        answers: queue.SimpleQueue[Verdict | None] = queue.SimpleQueue()
        request = threading.Thread(target=lambda: answers.put(self._ask(ping)), name="heartbeat-ping", daemon=True)
        request.start()
        limit = _HANGING * self._timeout
        try:
            return answers.get(timeout=limit)
        except queue.Empty:
            self._left_behind = request
            return Verdict(f"the ping was not over after {limit:g} s")

    def _ask(self, ping: Ping) -> Verdict | None:
        try:
            url = self._url()
            return send(url, ping, timeout=self._timeout) if url else None
        except ReconfigureError as error:
            return Verdict(f"the ping URL is not known: {mask_text(str(error))}")
        except Exception as error:  # noqa: BLE001 - whatever the source of the URL raises must not end the heartbeat
            return Verdict(f"the ping could not be sent: {type(error).__name__}: {mask_text(str(error))}")

    def _note(self, ping: Ping, verdict: Verdict | None) -> None:
        now = self._clock()
        self._enabled = verdict is not None
        if verdict is None:
            self._pings.forget()
            self._failures = 0
            return
        self._pings.sent(ping, delivered=verdict.problem is None, now=now)
        if verdict.problem is None:
            self._last_ok = _stamp()
            if self._told:
                log.info("heartbeat_recovered", failures=self._failures)
            self._failures, self._told, self._retry_at = 0, False, -math.inf
            return
        self._last_error = {"time": _stamp(), "error": verdict.problem}
        pause = _LONGEST_PAUSE if verdict.lasting else self._first_pause * 2.0 ** min(self._failures, 10)
        self._failures += 1
        self._retry_at = now + min(pause, _LONGEST_PAUSE)
        if not self._told and (verdict.lasting or self._failures >= _FAILURES_TO_SPEAK):
            self._told = True
            log.warning("heartbeat_failed", error=verdict.problem, failures=self._failures, ping=ping.kind.value)


def body(
    *,
    outcome: str,
    tier: str,
    task: str,
    generation: str | None,
    seconds: float,
    counts: Mapping[str, int],
    quarantine: Mapping[str, int],
    reason: str | None = None,
) -> str:
    """Return the text that goes with an outcome, the reason first, since long texts are cut at their end.

    Args:
        outcome: what the pass came to, such as "changed" or "held".
        tier: the tier.
        task: the task or host.
        generation: the active generation's id.
        seconds: how long the pass took.
        counts: what the generation holds, such as addresses, domains and users.
        quarantine: refusals by reason code; no addresses.
        reason: why the pass failed or is held, or what does not work beside it.
    """
    refused = ", ".join(f"{code} {number}" for code, number in sorted(quarantine.items()))
    lines = {
        "reason": reason and mask_text(reason),
        "outcome": outcome,
        "tier": tier,
        "task": task,
        "generation": generation or "none",
        "duration": f"{seconds:.3f} s",
        "counts": ", ".join(f"{name} {number}" for name, number in counts.items()) or "none",
        "quarantine": f"{sum(quarantine.values())}{f' ({refused})' if refused else ''}",
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items() if value is not None)


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
