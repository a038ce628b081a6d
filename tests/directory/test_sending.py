"""Limits of users' own: only of who is served, only numbers, and never no limit at all."""

import pytest

from reconfigure.directory.amend import amend
from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, Directory

ROW = {"address": {"S": "shop@example.com"}, "user": {"S": "alice"}}


def directory(limit: str | None, *, osid: str = "1000") -> Directory:
    return assemble([[ROW]], [CognitoUser("alice", True, True, osid, limit), CognitoUser("bob", True, True, "1001")])


@pytest.mark.parametrize(("value", "number"), [("0", 0), ("1", 1), ("20000", 20_000), ("0050", 50), ("1000000", 10**6)])
def test_a_number_is_the_users_limit(value: str, number: int) -> None:
    assert directory(value).sending_limits == (("alice", number),)
    assert directory(value).quarantine.total == 0


@pytest.mark.parametrize(
    "value", ["", " ", "-1", "+5", "1e3", "many", "1000001", "9" * 40, "5\n", "5\tbob", "\u0661", "0x10", "5.0"]
)
def test_what_is_no_such_number_is_refused_and_the_user_served(value: str) -> None:
    found = directory(value)
    assert found.sending_limits == ()
    assert found.quarantine.counts == {"sending-limit": 1}
    assert [(one.key, one.field) for one in found.quarantine.listed] == [("alice", "custom:sending_limit")]
    assert [user.name for user in found.users] == ["alice", "bob"]


def test_who_is_not_served_has_no_limit_either() -> None:
    assert directory("5", osid="none").sending_limits == ()


def test_a_limit_is_part_of_what_is_live_and_outlives_a_reading_by_key() -> None:
    before, after = directory("5"), directory("6")
    assert len({before.digest(), after.digest(), directory(None).digest()}) == 3
    read = amend(before, {"shop@example.com": ROW})
    assert read is not None
    assert read.sending_limits == before.sending_limits
    assert read.digest() == before.digest()
