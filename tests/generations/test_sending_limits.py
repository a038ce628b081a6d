"""Limits of users' own, from an AWS double over HTTP into the live generation and back out of it."""

from collections.abc import Callable
from typing import Any

from reconfigure.generations.compare import directory_of
from reconfigure.outcome import Outcome
from tests.generations.conftest import MANY


def test_limits_of_users_own_go_live_are_read_back_and_are_no_loss_however_many_change(
    tier: Callable[..., Any],
) -> None:
    submission = tier("smtp-out")
    submission.put(*MANY)

    def limit(**values: str) -> Any:
        for name, value in values.items():
            submission.aws.cognito.admin_update_user_attributes(
                UserPoolId=submission.settings.cognito_pool_id,
                Username=name,
                UserAttributes=[{"Name": "custom:sending_limit", "Value": value}],
            )
        return submission.pass_()

    def live() -> list[str]:
        return list(submission.served("sending/limits").splitlines()[1:])

    assert limit(alice="2000", bob="none").outcome is Outcome.CHANGED
    assert live() == ["alice\t2000"]
    assert submission.store.active().quarantine == {"sending-limit": 1}
    # More than one user with another UID would be held.
    assert limit(alice="20", bob="30", carol="40").outcome is Outcome.CHANGED
    assert live() == ["alice\t20", "bob\t30", "carol\t40"]
    assert submission.pass_().outcome is Outcome.UNCHANGED
    active = submission.store.active()
    read = directory_of(submission.store.path(active.id), active, users_known=True)
    assert read.sending_limits == (("alice", 20), ("bob", 30), ("carol", 40))
