"""Counts of what accounts send: no more than the limits whatever sessions do at once, none forgotten too soon."""

import json
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from reconfigure.sending import counts, limits
from reconfigure.sending.counts import Counts, Kind
from reconfigure.sending.limits import DAY, MINUTE, Limits, Sent
from reconfigure.sending.window import PARTS, Window

NOW = 1_800_000_000.0
HOUR = 3600.0
LIMITS = Limits(day=Sent(50, 50), minute=Sent(20, 20))


def test_a_day_is_over_after_24_hours_and_not_at_midnight() -> None:
    window = Window(DAY)
    window.add(NOW)
    assert window.total(NOW + DAY - HOUR) == 1
    assert window.total(NOW + DAY) == 0


def test_a_clock_that_is_set_back_makes_nothing_forgotten() -> None:
    window = Window(DAY)
    window.add(NOW)
    assert window.total(NOW - 30 * DAY) == 1
    window.add(NOW - 30 * DAY)
    assert window.total(NOW - 30 * DAY) == 2
    assert window.total(NOW) == 1


def test_what_counts_no_more_is_not_taken_back_from_what_does() -> None:
    window = Window(MINUTE)
    window.add(NOW)
    window.add(NOW + 2 * MINUTE)
    window.take_back(NOW)
    assert window.total(NOW + 2 * MINUTE) == 1


class Step(NamedTuple):
    session: int
    what: str
    later: float


steps = st.lists(
    st.builds(Step, st.integers(0, 4), st.sampled_from(["message", "recipient", "abort", "end"]), st.floats(0, 900)),
    max_size=300,
)


@given(steps)
def test_sessions_at_once_have_no_more_than_the_limits_and_what_is_aborted_is_given_back(steps: list[Step]) -> None:
    account, now = Counts(), NOW
    open_: dict[int, tuple[float, list[float]]] = {}
    stands: dict[str, list[float]] = {"messages": [], "recipients": []}
    for step in steps:
        now += step.later
        begun = open_.get(step.session)
        if step.what == "message" and begun is None and account.message("bob", LIMITS, now) is None:
            open_[step.session] = (now, [])
            stands["messages"].append(now)
        elif step.what == "recipient" and begun is not None and account.recipient("bob", LIMITS, now) is None:
            begun[1].append(now)
            stands["recipients"].append(now)
        elif step.what == "abort" and begun is not None:
            account.take_back("bob", message=begun[0], recipients=begun[1])
            stands["messages"].remove(begun[0])
            for then in begun[1]:
                stands["recipients"].remove(then)
            del open_[step.session]
        elif step.what == "end":
            open_.pop(step.session, None)
        found = dict(account.standings(now)).get("bob", counts.Standing(0, 0, 0))
        for name, times in stands.items():
            oldest = now // (DAY / PARTS) - PARTS + 1
            assert getattr(found, name) == sum(then // (DAY / PARTS) >= oldest for then in times)
            assert sum(then > now - DAY + DAY / PARTS for then in times) <= 50
            assert sum(then > now - MINUTE + MINUTE / PARTS for then in times) <= 20


@given(st.lists(st.tuples(st.sampled_from(["alice", "bob"]), st.floats(0, 20_000)), max_size=60))
def test_the_document_says_all_that_outlives_a_process(messages: list[tuple[str, float]]) -> None:
    before, now = Counts(), NOW
    for user, later in messages:
        now += later
        before.message(user, LIMITS, now)
    after = Counts(json.loads(json.dumps(before.document(now))), now=now)
    assert dict(after.standings(now)) == dict(before.standings(now))
    assert after.document(now) == json.loads(json.dumps(before.document(now)), object_hook=_numbered)
    assert after.refusals == before.refusals


def _numbered(found: dict[str, object]) -> dict[object, object]:
    return {int(name) if name.isdigit() else name: value for name, value in found.items()}


def test_accounts_are_bounded_and_those_that_sent_last_are_kept() -> None:
    account = Counts()
    for number in range(counts.MOST + 10):
        account.message(f"user{number}", LIMITS, NOW)
    kept = [user for user, _ in account.standings(NOW)]
    assert len(kept) == counts.MOST
    assert kept[-1] == f"user{counts.MOST + 9}"
    assert "user0" not in kept


def test_a_refusal_is_news_once_and_again_after_an_hour_without() -> None:
    account = Counts()
    none = Limits(day=Sent(0, 0), minute=Sent(1, 1))
    news = []
    for later in (0.0, 1.0, counts.QUIET, 2 * counts.QUIET + 1):
        refused = account.message("bob", none, NOW + later)
        assert refused is not None
        news.append(refused.is_news)
    assert news == [True, False, False, True]
    assert account.refusals == {Kind.DAY: 4}
    assert account.held("bob", NOW + 3 * counts.QUIET).is_news, "another reason is news, too"


def test_a_limit_of_ones_own_is_the_days_and_leaves_the_minutes() -> None:
    assert LIMITS.of_day(7) == limits.Limits(day=Sent(7, 7), minute=LIMITS.minute)
    assert LIMITS.of_day(None) is LIMITS
