"""While the guard holds a candidate, revocations, suspensions and disabled users are live all the same."""

from typing import Any

import pytest

from reconfigure.errors import InterruptedPassError
from reconfigure.outcome import Outcome
from tests.generations.conftest import MANY


@pytest.fixture
def held(imap: Any) -> Any:
    """The tier with all but three of its addresses to be given to carol, which is held."""
    imap.put("team@acme.example.com", user="alice/bob")
    imap.put("own@acme.example.com", user="bob")
    assert imap.pass_().outcome is Outcome.CHANGED
    imap.put(*MANY[3:], user="carol")
    assert imap.pass_().outcome is Outcome.HELD
    return imap


def suspend(imap: Any, address: str) -> None:
    item = {"address": {"S": address}, "user": {"S": "alice"}, "suspended": {"BOOL": True}}
    imap.aws.dynamodb.put_item(TableName=imap.settings.addresses_table, Item=item)


def test_what_is_revoked_while_a_mass_change_is_held_is_live_and_the_rest_waits(held: Any) -> None:
    before = held.store.active()
    held.drop(MANY[0])
    suspend(held, MANY[1])
    held.put("new@acme.example.com", user="alice")
    held.aws.cognito.admin_disable_user(UserPoolId=held.settings.cognito_pool_id, Username="bob")
    result = held.pass_()
    active = held.store.active()
    assert result.outcome is Outcome.HELD
    assert result.active == active
    assert active.parent == before.id
    assert result.withdrawn == {"addresses lost": 3, "users lost": 1, "addresses reassigned": 1}
    assert "what was revoked is live all the same" in result.reason
    assert held.store.is_intact(active)
    table = held.served("mail/virtusertable")
    assert f"{MANY[0]}\t" not in table
    assert f"{MANY[2]}\talice\n" in table
    assert f"{MANY[5]}\talice\n" in table, "the mass change waits"
    assert "team@acme.example.com\talice\n" in table
    assert "new@acme.example.com" not in table, "what is new waits"
    assert f"to:{MANY[1]}\tRELAY" not in held.served()
    assert "bob:" not in held.served("passwd/passwd")
    assert held.store.held().id == result.held.id != active.id

    again = held.pass_()
    assert (again.outcome, again.active, again.withdrawn) == (Outcome.HELD, active, None)
    held.reconciler.approve()
    assert f"{MANY[5]}\tcarol\n" in held.served("mail/virtusertable")
    assert "new@acme.example.com\talice\n" in held.served("mail/virtusertable")
    assert held.pass_().outcome is Outcome.UNCHANGED


def test_what_was_given_back_after_it_was_revoked_is_served_again(held: Any) -> None:
    held.drop(MANY[0])
    assert held.pass_().withdrawn == {"addresses lost": 1}
    held.put(*MANY)
    result = held.pass_()
    assert (result.outcome, result.changes) == (Outcome.CHANGED, {"addresses gained": 1})
    assert held.store.held() is None


def test_a_pass_that_ends_between_its_two_generations_is_finished_by_the_next(held: Any) -> None:
    before, waits = held.store.active_id(), held.store.held()

    def stop() -> None:
        if held.store.active_id() != before:
            raise InterruptedPassError("a stop, right after what was revoked had become live")

    held.drop(MANY[0])
    with pytest.raises(InterruptedPassError):
        held.reconciler.reconcile("operator", checkpoint=stop)
    less = held.store.active()
    assert (less.parent, held.store.held()) == (before, waits)
    result = held.pass_()
    assert (result.outcome, result.active, result.withdrawn) == (Outcome.HELD, less, None)
    assert held.store.held() == result.held != waits


def test_an_emptied_table_takes_nothing_away_but_a_disabled_user_is_out(imap: Any) -> None:
    imap.put("team@acme.example.com", user="alice/bob")
    imap.pass_()
    before = imap.store.active()
    imap.drop(*MANY, "team@acme.example.com")
    result = imap.pass_()
    assert (result.outcome, result.active, result.withdrawn) == (Outcome.HELD, before, None)
    imap.aws.cognito.admin_disable_user(UserPoolId=imap.settings.cognito_pool_id, Username="bob")
    imap.put("one@acme.example.com", user="nobody")  # so that it is another candidate
    result = imap.pass_()
    assert (result.outcome, result.withdrawn) == (Outcome.HELD, {"users lost": 1, "addresses reassigned": 1})
    assert f"to:{MANY[7]}\tRELAY\n" in imap.served()
    assert "team@acme.example.com\talice\n" in imap.served("mail/virtusertable")
    assert "bob:" not in imap.served("passwd/passwd")


def test_little_by_little_no_more_is_taken_away_than_in_a_day_without_a_hold(imap: Any) -> None:
    others = [f"other{at}@acme.example.com" for at in range(40)]
    imap.put(*others)
    imap.pass_()
    imap.put(*others, user="carol")
    for address in MANY:
        imap.drop(address)
        assert imap.pass_().outcome is Outcome.HELD
    left = [address for address in MANY if f"{address}\talice\n" in imap.served("mail/virtusertable")]
    assert left == MANY[18:], "60 were the most of the day, of which 30 % are 18"
