"""A rollback pins: what the source says does not go live until the pin is lifted, whatever ends in between."""

from typing import Any

import pytest

from reconfigure.errors import GenerationError
from reconfigure.outcome import Outcome
from reconfigure.reporting.orders import PINNED_NAME, UNPINNED_NAME


def _rolled_back(tier: Any) -> Any:
    """Roll a wrong change back; return the manifest that is pinned."""
    tier.put("wrong@acme.example.com")
    assert tier.pass_().outcome is Outcome.CHANGED
    manifest, _ = tier.reconciler.rollback(by="carol", why="wrong@ is wrong")
    return manifest


def test_no_pass_undoes_a_rollback_whatever_the_source_says(imap: Any) -> None:
    pinned = _rolled_back(imap)
    result = imap.pass_()
    assert (result.outcome, result.active, result.held) == (Outcome.PINNED, pinned, None)
    assert result.changes == {"addresses gained": 1}
    assert f"pinned to generation {pinned.id} by carol since " in result.reason
    assert "wrong@ is wrong; the source says otherwise (addresses gained 1)" in result.reason
    imap.put("another@acme.example.com")
    assert imap.pass_().changes == {"addresses gained": 2}
    assert imap.store.active() == pinned
    assert "another@" not in imap.served()
    assert len(imap.store.all()) == 2, "nothing is built for what may not go live"


def test_once_lifted_the_next_full_pass_applies_what_the_source_says(imap: Any) -> None:
    _rolled_back(imap)
    imap.pass_()
    imap.drop("wrong@acme.example.com")
    imap.put("right@acme.example.com")
    assert imap.reconciler.orders.lift_pin()
    assert imap.pass_().outcome is Outcome.CHANGED
    assert "right@" in imap.served()
    assert "wrong@" not in imap.served()
    assert imap.reconciler.orders.is_settled()


def test_a_source_that_says_what_is_pinned_is_nothing_to_complain_of_and_the_pin_stays(imap: Any) -> None:
    pinned = _rolled_back(imap)
    imap.drop("wrong@acme.example.com")
    result = imap.pass_()
    assert (result.outcome, result.active) == (Outcome.UNCHANGED, pinned)
    imap.put("later@acme.example.com")
    assert imap.pass_().outcome is Outcome.PINNED


def test_a_rollback_that_ended_between_pin_and_flip_is_finished_by_the_next_pass(imap: Any) -> None:
    first = imap.store.active()
    imap.put("wrong@acme.example.com")
    second = imap.pass_().active
    imap.reconciler.orders.set_pin(first.id, by="carol", why=None)
    assert imap.store.active() == second
    assert imap.pass_().outcome is Outcome.PINNED
    assert imap.store.active() == first
    assert imap.store.before() == second


@pytest.mark.parametrize("lifted", [False, True])
def test_a_message_makes_no_short_cut_from_what_is_or_was_pinned(imap: Any, lifted: bool) -> None:  # noqa: FBT001
    _rolled_back(imap)
    if lifted:
        imap.reconciler.orders.lift_pin()
    imap.put("named@acme.example.com")
    result = imap.reconciler.reconcile("message", changed=["named@acme.example.com"])
    assert result.full
    assert result.changes == {"addresses gained": 2}, "not the named one alone"
    assert result.outcome is (Outcome.CHANGED if lifted else Outcome.PINNED)
    if lifted:
        imap.put("after@acme.example.com")
        assert not imap.reconciler.reconcile("message", changed=["after@acme.example.com"]).full


def test_the_trace_of_a_lifted_pin_stays_until_a_pass_has_read_everything(imap: Any) -> None:
    _rolled_back(imap)
    imap.reconciler.orders.lift_pin()
    table = imap.settings.addresses_table
    object.__setattr__(imap.settings, "addresses_table", "no-such-table")
    assert imap.pass_().outcome is Outcome.FAILED
    assert not imap.reconciler.orders.is_settled()
    object.__setattr__(imap.settings, "addresses_table", table)
    assert imap.pass_().outcome is Outcome.CHANGED
    assert imap.reconciler.orders.is_settled()


def test_a_second_rollback_pins_what_it_goes_to(imap: Any) -> None:
    first = imap.store.active()
    _rolled_back(imap)
    imap.put("third@acme.example.com")
    manifest, _ = imap.reconciler.rollback(by="bob")
    assert manifest != first
    assert imap.reconciler.orders.pin().generation == manifest.id
    assert imap.pass_().outcome is Outcome.PINNED
    assert imap.store.active() == manifest


def test_what_is_pinned_is_never_pruned(imap: Any) -> None:
    pinned = _rolled_back(imap)
    object.__setattr__(imap.settings, "keep_generations", 1)
    imap.store.current.unlink()  # it is not even live any more
    imap.store.previous.unlink()
    imap.put("more@acme.example.com")
    assert imap.pass_().active == pinned
    assert imap.store.is_sound(pinned)


def test_a_pinned_generation_that_is_damaged_or_gone_fails_the_pass_and_what_is_live_serves(imap: Any) -> None:
    pinned = _rolled_back(imap)
    imap.store.activate(imap.store.before().id)
    live = imap.store.active()
    (imap.store.path(pinned.id) / "mail" / "access").write_text("")
    result = imap.pass_()
    assert (result.outcome, result.cause, imap.store.active()) == (Outcome.FAILED, "build", live)
    assert "cannot be made live" in result.reason
    assert "'reconfigure resume' lifts the pin" in result.reason
    imap.reconciler.orders.set_pin("20200101T000000.000Z-00000000", by="carol", why=None)
    assert "there is no generation" in imap.pass_().reason
    imap.reconciler.orders.lift_pin()
    assert imap.pass_().outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("content", ["", "{", "[]", '{"generation": 7}', "{}", "\x00" * 100_000])
def test_a_pin_that_cannot_be_read_is_in_force_and_what_is_live_stays(imap: Any, content: str) -> None:
    live = imap.store.active()
    (imap.store.state_dir / PINNED_NAME).write_text(content)
    imap.put("new@acme.example.com")
    result = imap.pass_()
    assert (result.outcome, result.active) == (Outcome.PINNED, live)
    assert PINNED_NAME in result.reason
    assert "reconfigure resume" in result.reason
    imap.reconciler.orders.lift_pin()
    assert imap.pass_().outcome is Outcome.CHANGED
    assert not (imap.store.state_dir / UNPINNED_NAME).exists()


def test_a_pin_without_any_generation_does_not_keep_a_tier_from_its_first(imap: Any) -> None:
    (imap.store.state_dir / PINNED_NAME).write_text("damaged")
    imap.store.current.unlink()
    assert imap.pass_().outcome is Outcome.CHANGED


def test_a_rollback_that_is_refused_pins_nothing(imap: Any) -> None:
    with pytest.raises(GenerationError):
        imap.reconciler.rollback(by="carol")
    assert imap.reconciler.orders.pin() is None
    assert imap.reconciler.orders.is_settled()
