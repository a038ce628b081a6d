"""The drawing of the passes: any history is one that can be drawn, within its bounds."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconfigure.web.chart import BARS, BASE, HEIGHT, LEFT, MIDDLE, PITCH, REACH, TALLEST, WIDTH, chart

NEWEST = datetime(2026, 3, 1, 12, tzinfo=UTC)


def line(seconds: float | None = 0.5, **more: Any) -> dict[str, Any]:
    return {
        "time": NEWEST.isoformat(),
        "outcome": "changed",
        "trigger": "timer",
        "seconds": seconds,
        "changes": {},
    } | more


def test_the_oldest_is_at_the_left_and_the_newest_at_the_right_end() -> None:
    lines = [line(time=(NEWEST - timedelta(hours=n)).isoformat()) for n in range(3)]
    bars = chart(lines).bars
    assert [bar.when[11:13] for bar in bars] == ["10", "11", "12"]
    assert bars[-1].x + PITCH == chart(lines).width


def test_no_more_than_fit_are_drawn_and_they_are_the_newest() -> None:
    bars = chart([line(reason=str(n)) for n in range(BARS + 5)]).bars
    assert [bar.why for bar in bars] == [str(n) for n in reversed(range(BARS))]
    assert bars[0].x == LEFT


def test_longer_passes_are_higher_and_more_changes_reach_further() -> None:
    counts = [{"addresses gained": number, "addresses lost": number} for number in (1, 100, 1_000_000)]
    lines = [line(seconds, changes=count) for seconds, count in zip((0.05, 5, 200), counts, strict=True)]
    bars = chart(lines).bars[::-1]
    assert bars[0].height < bars[1].height < bars[2].height
    assert bars[0].gained < bars[1].gained < bars[2].gained == REACH
    assert [bar.lost for bar in bars] == [bar.gained for bar in bars]


def test_an_order_has_no_duration_and_says_who_gave_it() -> None:
    (bar,) = chart([line(None, outcome="rolled back", by="alice")]).bars
    assert (bar.height, bar.took, bar.by, bar.outcome) == (0, "", "alice", "rolled back")


def test_a_rule_is_as_high_as_a_bar_of_its_duration() -> None:
    rules = {words: y for y, words in chart([line()]).rules}
    (bar,) = chart([line(1.0)]).bars
    assert BASE - rules["1 s"] == bar.height or abs(BASE - rules["1 s"] - bar.height) < 0.1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
any_line = st.fixed_dictionaries(
    {},
    optional={
        "time": json_values,
        "outcome": json_values,
        "seconds": json_values,
        "trigger": json_values,
        "by": json_values,
        "reason": json_values,
        "changes": st.dictionaries(st.sampled_from(["users gained", "addresses lost", "x"]), json_values) | json_values,
    },
)


@given(st.lists(any_line, max_size=BARS + 3))
def test_whatever_a_history_holds_is_drawn_inside_the_drawing(lines: list[dict[str, Any]]) -> None:
    drawn = chart(lines)
    assert len(drawn.bars) == min(len(lines), BARS)
    for bar in drawn.bars:
        assert LEFT <= bar.x <= drawn.width - WIDTH
        assert 0 <= bar.height <= TALLEST
        assert 0 <= bar.gained <= REACH
        assert 0 <= bar.lost <= REACH
        assert (bar.outcome + bar.when + bar.by + bar.why + bar.did).isprintable()
    assert MIDDLE + REACH < HEIGHT
