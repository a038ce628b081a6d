"""What is promised of a pause and a pin as files: who reads them when, and what damaged ones mean."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconfigure.reporting.orders import LONGEST_PAUSE, PAUSED_NAME, Orders
from tests.rights import held_to_modes

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def orders(folder: Path, *, at: datetime = NOW) -> Orders:
    return Orders(folder, now=lambda: at)


def test_without_a_file_nothing_is_ordered(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert orders(folder).pause() is None
        assert orders(folder).pin() is None
        assert orders(folder).is_settled()
        assert not orders(folder).end_pause()
        assert not orders(folder).lift_pin()
        assert not orders(folder).forget_what_is_over()


def test_a_pause_says_until_when_by_whom_and_why_and_ends_by_itself(tmp_path: Path) -> None:
    orders(tmp_path).set_pause(HOUR, by="carol", why="moving")
    pause = orders(tmp_path, at=NOW + HOUR - timedelta(seconds=1)).pause()
    assert pause is not None
    assert pause.told == "paused until 2026-11-24 04:00:00 UTC by carol: moving"
    assert json.loads((tmp_path / PAUSED_NAME).read_text())["until"] == "2026-11-24T04:00:00.000+00:00"
    assert orders(tmp_path, at=NOW + HOUR).pause() is None


def test_what_is_over_is_removed_and_what_is_not_stays(tmp_path: Path) -> None:
    orders(tmp_path).set_pause(HOUR, by="carol", why=None)
    assert not orders(tmp_path).forget_what_is_over()
    assert orders(tmp_path).pause() is not None
    assert orders(tmp_path, at=NOW + HOUR).forget_what_is_over()
    assert list(tmp_path.iterdir()) == []


def test_a_pause_that_is_prolonged_while_it_is_being_removed_is_not_lost(tmp_path: Path) -> None:
    orders(tmp_path).set_pause(HOUR, by="carol", why=None)
    later = NOW + HOUR
    looks: list[datetime] = []

    def now() -> datetime:
        if not looks:  # the first look has seen that it is over; before the second, it is prolonged
            orders(tmp_path, at=later).set_pause(HOUR, by="bob", why=None)
        looks.append(later)
        return later

    first = Orders(tmp_path, now=lambda: later).pause()
    assert first is None
    Orders(tmp_path, now=now).forget_what_is_over()
    pause = orders(tmp_path, at=later).pause()
    assert pause is not None
    assert pause.by == "bob"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("{}", "a time is missing"),
        ('{"until": "tomorrow", "since": "2026-11-24T03:00:00+00:00"}', "tomorrow"),
        ('{"until": "2026-11-24T04:00:00", "since": "2026-11-24T03:00:00+00:00"}', "time zone"),
        ('{"until": 7, "since": 7}', "damaged"),
        ('{"until": "2026-11-24T05:00:00+00:00", "since": "2026-11-24T04:00:00+00:00"}', "still to come"),
        ('{"until": "2036-11-24T05:00:00+00:00", "since": "2026-11-24T02:00:00+00:00"}', "longer than any pause"),
        ("[" * 60_000, "damaged"),
        (" " * 100_000, "100000 bytes"),
    ],
)
def test_a_damaged_pause_is_in_force_without_an_end_and_says_why(tmp_path: Path, document: str, why: str) -> None:
    (tmp_path / PAUSED_NAME).write_text(document)
    pause = orders(tmp_path).pause()
    assert pause is not None
    assert pause.until is None
    assert pause.error is not None
    assert why in pause.error
    assert "reconfigure resume" in pause.told
    assert not orders(tmp_path).forget_what_is_over()
    assert orders(tmp_path).end_pause()
    assert orders(tmp_path).pause() is None


def test_a_folder_or_a_dangling_link_in_a_files_place_is_told_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / PAUSED_NAME).mkdir()
    pause = orders(tmp_path).pause()
    assert pause is not None
    assert pause.error is not None
    (tmp_path / "pinned.json").mkdir()
    pin = orders(tmp_path).pin()
    assert pin is not None
    assert pin.error is not None


def test_a_file_that_may_not_be_read_is_in_force(tmp_path: Path) -> None:
    orders(tmp_path).set_pause(HOUR, by="carol", why=None)
    (tmp_path / PAUSED_NAME).chmod(0)
    with held_to_modes():
        pause = orders(tmp_path).pause()
    assert pause is not None
    assert "Permission denied" in str(pause.error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200), at=st.datetimes(timezones=st.just(UTC)))
def test_whatever_the_files_hold_there_is_an_answer(tmp_path: Path, content: bytes, at: datetime) -> None:
    (tmp_path / PAUSED_NAME).write_bytes(content)
    (tmp_path / "pinned.json").write_bytes(content)
    here = orders(tmp_path, at=at)
    pause, pin = here.pause(), here.pin()
    assert pause is not None
    assert pin is not None
    assert pause.told
    assert pin.told


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(length=st.timedeltas(timedelta(seconds=1), LONGEST_PAUSE), moved=st.timedeltas(-2 * HOUR, 48 * HOUR))
def test_whatever_the_clock_does_no_pause_lasts_longer_than_ordered_without_an_error(
    tmp_path: Path, length: timedelta, moved: timedelta
) -> None:
    orders(tmp_path).set_pause(length, by="carol", why=None)
    pause = orders(tmp_path, at=NOW + moved).pause()
    if moved >= length:
        assert pause is None
    elif moved < -timedelta(minutes=5):
        assert pause is not None
        assert pause.error is not None
    else:
        assert pause is not None
        assert pause.error is None


def test_a_pin_that_is_lifted_leaves_a_trace_until_it_is_settled(tmp_path: Path) -> None:
    here = orders(tmp_path)
    look: Callable[[], object] = here.signature
    seen = [look()]
    here.set_pin("20261124T030000.000Z-00000000", by="carol", why="wrong rows")
    seen.append(look())
    pin = here.pin()
    assert pin is not None
    assert pin.told == (
        "pinned to generation 20261124T030000.000Z-00000000 by carol since 2026-11-24 03:00:00 UTC: wrong rows"
    )
    assert here.lift_pin()
    seen.append(look())
    assert here.pin() is None
    assert not here.is_settled()
    here.settle()
    assert here.is_settled()
    assert len(set(seen)) == 3, "whoever watches sees each step"
