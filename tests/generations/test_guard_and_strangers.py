"""Whoever may sign up must not be able to have everybody's changes held."""

from typing import Any

from reconfigure.outcome import Outcome

STRANGERS = [f"stranger{at}" for at in range(12)]


def leave(imap: Any, *names: str) -> None:
    for name in names:
        imap.aws.cognito.admin_delete_user(UserPoolId=imap.settings.cognito_pool_id, Username=name)


def test_strangers_who_sign_up_and_leave_hold_nothing_neither_at_once_nor_by_and_by(imap: Any) -> None:
    for number, name in enumerate(STRANGERS):
        imap.enroll(name, 3000 + number)
    assert imap.pass_().changes == {"users gained": 12}
    leave(imap, *STRANGERS[:11])
    result = imap.pass_()
    assert (result.outcome, result.changes) == (Outcome.CHANGED, {"users lost": 11})
    imap.at(hours=2)
    leave(imap, STRANGERS[11], "carol")  # below the most of the day by more than the share
    assert imap.pass_().outcome is Outcome.CHANGED
    assert not any(f"{name}:x:" in imap.served("passwd/passwd") for name in STRANGERS)


def test_users_who_have_addresses_are_guarded_as_before(imap: Any) -> None:
    for number, name in enumerate(STRANGERS):
        imap.enroll(name, 3000 + number)
        imap.put(f"{name}@acme.example.com", user=f"alice/{name}")  # so that no address goes with its user
    imap.pass_()
    leave(imap, *STRANGERS[:11])
    result = imap.pass_()
    assert result.outcome is Outcome.HELD
    assert "11 of 13 users with addresses would be gone" in result.reason
