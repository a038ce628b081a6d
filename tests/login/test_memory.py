"""What is remembered of passwords: as a keyed hash, shortly, and not much of it."""

import pytest

from reconfigure.login import memory
from reconfigure.login.memory import Memory, digest


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_remembered_until_its_time_is_up_and_not_longer() -> None:
    clock = Clock()
    held = Memory(60, clock=clock)
    held.put("alice", digest("alice", "one"))
    clock.now = 59.9
    assert held.holds("alice", digest("alice", "one"))
    clock.now = 60
    assert not held.holds("alice", digest("alice", "one"))
    assert len(held) == 0


def test_new_password_takes_the_place_of_the_old_one() -> None:
    held = Memory(60)
    held.put("alice", digest("alice", "old"))
    held.put("alice", digest("alice", "new"))
    assert held.holds("alice", digest("alice", "new"))
    assert not held.holds("alice", digest("alice", "old"))


def test_zero_seconds_remember_nothing() -> None:
    held = Memory(0)
    held.put("alice", digest("alice", "one"))
    assert not held.holds("alice", digest("alice", "one"))


def test_same_password_of_two_users_does_not_look_the_same() -> None:
    assert digest("alice", "one") != digest("bob", "one")
    assert b"one" not in digest("alice", "one")


def test_oldest_are_dropped_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST", 3)
    held = Memory(60)
    for number in range(5):
        held.put(number, digest("alice", str(number)))
    assert len(held) == 3
    assert not held.holds(1, digest("alice", "1"))
    assert held.holds(4, digest("alice", "4"))
