"""What is promised of the order and number of pings, for any run of passes and any weather at Healthchecks."""

import itertools
import math
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded.healthchecks import Check
from embedded.healthchecks import Ping as Received
from reconfigure.reporting.pings import Kind, Ping, Pings

SPACING = 60.0


def deliver(pings: Pings, now: float) -> list[Ping]:
    """Send all that is due at one moment to a Healthchecks that takes everything."""
    sent = []
    while isinstance(due := pings.due(now), Ping):
        pings.sent(due, delivered=True, now=now)
        sent.append(due)
    return sent


def done(pings: Pings, kind: Kind, rid: str, now: float) -> list[Ping]:
    pings.start(rid)
    pings.finish(Ping(kind, rid))
    return deliver(pings, now)


def test_a_pass_is_a_start_and_a_success_of_the_same_run() -> None:
    assert done(Pings(spacing=SPACING), Kind.SUCCESS, "a", 0) == [Ping(Kind.START, "a"), Ping(Kind.SUCCESS, "a")]


def test_a_second_success_waits_for_the_spacing_and_takes_no_start_with_it() -> None:
    pings = Pings(spacing=SPACING)
    done(pings, Kind.SUCCESS, "a", 0)
    assert done(pings, Kind.SUCCESS, "b", 10) == []
    assert pings.due(10) == SPACING
    assert done(pings, Kind.SUCCESS, "c", 20) == []
    assert deliver(pings, SPACING) == [Ping(Kind.SUCCESS, "c")]


def test_a_start_held_back_is_sent_when_its_run_outlasts_the_spacing() -> None:
    pings = Pings(spacing=SPACING)
    done(pings, Kind.SUCCESS, "a", 0)
    pings.start("b")
    assert deliver(pings, 59) == []
    assert deliver(pings, 60) == [Ping(Kind.START, "b")]


def test_a_failure_is_sent_at_once_and_the_success_after_it_waits_for_the_spacing() -> None:
    pings = Pings(spacing=SPACING)
    done(pings, Kind.SUCCESS, "a", 0)
    assert done(pings, Kind.FAIL, "b", 5) == [Ping(Kind.FAIL, "b")]
    assert done(pings, Kind.SUCCESS, "c", 10) == []
    assert deliver(pings, 60) == [Ping(Kind.SUCCESS, "c")]


def test_a_failure_after_a_long_time_comes_with_its_start() -> None:
    pings = Pings(spacing=SPACING)
    done(pings, Kind.SUCCESS, "a", 0)
    assert done(pings, Kind.FAIL, "b", 900) == [Ping(Kind.START, "b"), Ping(Kind.FAIL, "b")]


def test_a_newer_start_does_not_displace_an_outcome_that_was_not_delivered() -> None:
    pings = Pings(spacing=SPACING)
    pings.finish(fail := Ping(Kind.FAIL, "a"))
    pings.sent(fail, delivered=False, now=0)
    pings.start("b")
    assert deliver(pings, 1) == [fail]
    assert deliver(pings, 1 + SPACING) == [Ping(Kind.START, "b")]


def test_a_success_is_not_sent_over_the_open_start_of_another_run() -> None:
    pings = Pings(spacing=SPACING)
    pings.start("a")
    deliver(pings, 0)
    pings.finish(lost := Ping(Kind.SUCCESS, "a"))
    pings.sent(lost, delivered=False, now=1)
    pings.finish(Ping(Kind.SUCCESS, "b"))
    assert deliver(pings, 2) == [Ping(Kind.START, "b"), Ping(Kind.SUCCESS, "b")]


def test_a_start_that_may_not_have_replaced_an_open_one_is_sent_again_before_the_success() -> None:
    pings = Pings(spacing=SPACING)
    pings.start("a")
    deliver(pings, 0)
    pings.start("b")
    pings.finish(Ping(Kind.SUCCESS, "b"))
    pings.sent(Ping(Kind.START, "b"), delivered=False, now=1)
    assert deliver(pings, 2) == [Ping(Kind.START, "b"), Ping(Kind.SUCCESS, "b")]


@pytest.mark.parametrize("kind", [Kind.SUCCESS, Kind.FAIL])
def test_an_outcome_does_not_wait_for_a_start_that_cannot_be_delivered(kind: Kind) -> None:
    pings = Pings(spacing=SPACING)
    pings.start("a")
    pings.finish(outcome := Ping(kind, "a"))
    pings.sent(Ping(Kind.START, "a"), delivered=False, now=0)
    assert pings.due(0) == outcome


class Step(NamedTuple):
    """A piece of a day: time goes by, the weather changes, a pass begins, and perhaps ends."""

    seconds: float
    weather: str  # up; down: nothing arrives; deaf: pings arrive, their answers do not
    length: float
    weather_then: str
    end: Kind | None


steps = st.builds(
    Step,
    seconds=st.sampled_from([0.0, 1.0, 10.0, 59.0, 61.0, 900.0]),
    weather=st.sampled_from(["up", "up", "down", "deaf"]),
    length=st.sampled_from([0.0, 1.0, 30.0, 120.0]),
    weather_then=st.sampled_from(["up", "up", "down", "deaf"]),
    end=st.sampled_from([Kind.SUCCESS, Kind.SUCCESS, Kind.FAIL, None]),
)


class Day:
    """Pings, and a Healthchecks with the real rules at the other end; retries come every second."""

    def __init__(self) -> None:
        self.pings = Pings(spacing=SPACING)
        self.check = Check("imap")
        self.now = 0.0
        self.weather = "up"
        self.successes: list[float] = []
        self.failed_at = -math.inf  # when the last failure was delivered with no success after it
        self.sent: list[Ping] = []

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        self.work()
        while self.now < end:
            due = self.pings.due(self.now)
            wait = 1.0 if isinstance(due, Ping) else end - self.now if due is None else due - self.now
            self.now = min(end, self.now + wait)
            self.work()

    def work(self) -> None:
        while isinstance(ping := self.pings.due(self.now), Ping):
            self.sent.append(ping)
            if self.weather != "down":
                self.check.take(Received(0, "", ping.kind, ping.rid, "", accepted=True))
            delivered = self.weather == "up"
            if delivered and ping.kind is Kind.FAIL:
                self.failed_at = self.now
            if delivered and ping.kind is Kind.SUCCESS:
                self.failed_at = -math.inf
                self.successes.append(self.now)
                assert not self.check.started, "a success closes whatever run is open"
            self.pings.sent(ping, delivered=delivered, now=self.now)
            if not delivered:
                return


@settings(deadline=None)
@given(st.lists(steps, max_size=25), st.sampled_from([Kind.SUCCESS, Kind.FAIL]))
def test_whatever_happened_the_check_ends_in_the_state_of_the_last_pass_with_no_run_open(
    day_steps: list[Step], last: Kind
) -> None:
    day = Day()
    number = itertools.count()
    for step in day_steps:
        day.weather = step.weather
        day.pass_time(step.seconds)
        rid = str(next(number))
        day.pings.start(rid)
        day.pass_time(step.length)
        day.weather = step.weather_then
        if step.end is not None:
            day.pings.finish(Ping(step.end, rid))
            if step.end is Kind.FAIL and day.failed_at + SPACING <= day.now:
                assert isinstance(day.pings.due(day.now), Ping), "a failure does not wait, but for one before it"
            day.work()
    day.weather = "up"
    day.pings.start("last")
    day.pings.finish(Ping(last, "last"))
    day.pass_time(SPACING + 5)

    assert day.check.status == {Kind.SUCCESS: "up", Kind.FAIL: "down"}[last]
    assert not day.check.started
    assert day.pings.pending is None
    assert all(later - earlier >= SPACING for earlier, later in itertools.pairwise(day.successes))


@settings(deadline=None)
@given(st.lists(steps, min_size=1, max_size=25))
def test_outcomes_are_sent_in_the_order_of_their_passes(day_steps: list[Step]) -> None:
    day = Day()
    for number, step in enumerate(day_steps):
        day.weather = step.weather
        day.pass_time(step.seconds)
        day.pings.start(str(number))
        day.pings.finish(Ping(step.end or Kind.SUCCESS, str(number)))
        day.work()
    order = [int(ping.rid) for ping in day.sent if ping.kind is not Kind.START]
    assert order == sorted(order)


@settings(deadline=None)
@given(st.lists(st.floats(0, 5), min_size=10, max_size=200))
def test_a_flood_of_good_passes_is_one_success_a_minute_and_no_start_that_hangs(gaps: list[float]) -> None:
    day = Day()
    for number, gap in enumerate(gaps):
        day.pass_time(gap)
        day.pings.start(str(number))
        day.pass_time(0.1)
        day.pings.finish(Ping(Kind.SUCCESS, str(number)))
        day.work()
        assert not day.check.started
    assert len(day.successes) <= 1 + day.now / SPACING


@settings(deadline=None)
@given(st.lists(st.floats(0, 5), min_size=10, max_size=200))
def test_a_flood_of_failed_passes_is_one_failure_a_minute_with_the_newest_reason(gaps: list[float]) -> None:
    day = Day()
    for number, gap in enumerate(gaps):
        day.pass_time(gap)
        day.pings.start(str(number))
        day.pass_time(0.1)
        day.pings.finish(Ping(Kind.FAIL, str(number)))
        day.work()
    day.pass_time(SPACING)
    assert day.sent[-1] == Ping(Kind.FAIL, str(len(gaps) - 1))
    assert len(day.sent) <= 2 * (1 + day.now / SPACING)


def test_a_failure_after_a_success_is_told_at_once_however_short_the_time_since_the_last_failure() -> None:
    pings = Pings(spacing=SPACING)
    assert done(pings, Kind.FAIL, "a", 0)
    assert done(pings, Kind.FAIL, "b", 1) == []
    assert done(pings, Kind.SUCCESS, "c", 2) == [Ping(Kind.SUCCESS, "c")]
    assert done(pings, Kind.FAIL, "d", 3) == [Ping(Kind.FAIL, "d")]
