"""How fast passes may follow each other, by property: no burst is too long, no message forgotten, no loop tight."""

from hypothesis import given
from hypothesis import strategies as st

from reconfigure.pace import Burst, Pace

PACES = st.builds(
    lambda quiet, more, retry, times, jitter: Pace(
        interval=retry * times, jitter=jitter, quiet=quiet, quiet_limit=quiet + more, retry=retry
    ),
    quiet=st.floats(0, 10),
    more=st.floats(0, 60),
    retry=st.floats(0.1, 3600),
    times=st.floats(1, 1000),
    jitter=st.floats(0, 1),
)
GAPS = st.lists(st.floats(0, 20), min_size=1, max_size=200)
CHANCE = st.floats(0, 1, exclude_max=True)


def simulate(pace: Pace, arrivals: list[float]) -> list[tuple[float, list[float]]]:
    """Let messages come at these times; return when each pass began, and the messages that it was for."""
    made, burst, waiting = [], Burst(pace), list[float]()
    for now in arrivals:
        if burst.due is not None and burst.due <= now:
            made.append((burst.due, waiting))
            burst, waiting = Burst(pace), []
        burst.came(now)
        waiting = [*waiting, now]
    assert burst.due is not None
    return [*made, (burst.due, waiting)]


@given(st.floats(0, 300), CHANCE)
def test_the_first_pass_waits_no_longer_than_the_spread(spread: float, chance: float) -> None:
    pace = Pace(interval=900, jitter=0.1, quiet=0.1, quiet_limit=1, retry=1, spread=spread)
    assert 0 <= pace.start(lambda: chance) <= spread


@given(PACES, GAPS)
def test_every_message_is_in_one_pass_that_begins_no_later_than_the_limit_after_it(
    pace: Pace, gaps: list[float]
) -> None:
    arrivals = [sum(gaps[:number]) for number in range(1, len(gaps) + 1)]
    made = simulate(pace, arrivals)
    assert [message for _, batch in made for message in batch] == arrivals
    for began, batch in made:
        assert batch[-1] <= began <= batch[0] + pace.quiet_limit


@given(PACES, GAPS)
def test_a_pass_begins_only_after_quiet_or_at_the_limit(pace: Pace, gaps: list[float]) -> None:
    arrivals = [sum(gaps[:number]) for number in range(1, len(gaps) + 1)]
    for began, batch in simulate(pace, arrivals):
        assert began in {batch[-1] + pace.quiet, batch[0] + pace.quiet_limit}


def test_no_message_means_no_pass() -> None:
    assert Burst(Pace(interval=900, jitter=0, quiet=1, quiet_limit=2, retry=10)).due is None


@given(PACES, st.integers(1, 10_000), CHANCE)
def test_pauses_grow_to_a_minute_or_the_first_of_them_and_never_beyond(
    pace: Pace, failures: int, chance: float
) -> None:
    pause = pace.back_off(failures, lambda: chance)
    longest = min(pace.interval, max(60.0, pace.retry))
    assert 0 <= pause <= longest
    assert pace.back_off(failures, lambda: 0) == min(longest, pace.retry * 2.0 ** min(failures - 1, 30))
    assert pause <= pace.back_off(failures + 1, lambda: chance)


@given(PACES, CHANCE)
def test_the_timer_stays_within_its_jitter(pace: Pace, chance: float) -> None:
    margin = pace.interval * pace.jitter
    assert pace.interval - margin - 1e-6 <= pace.timer(lambda: chance) <= pace.interval + margin + 1e-6


def test_a_source_that_is_down_for_a_day_is_asked_about_once_a_minute_with_the_usual_settings() -> None:
    pace = Pace(interval=900, jitter=0.1, quiet=0.15, quiet_limit=2, retry=10)
    passed, failures = 0.0, 0
    within_a_minute = 0
    while passed < 86_400:
        failures += 1
        passed += pace.back_off(failures, lambda: 1)  # the shortest there is
        within_a_minute += passed < 60
    assert within_a_minute <= 2
    assert 1440 <= failures <= 1610
