from typing import Any

import pytest

from embedded.faults import Fault, FaultProxy
from reconfigure.directory.model import CognitoUser
from reconfigure.errors import InterruptedPassError, SourceError
from reconfigure.sources.aws import Clients
from reconfigure.sources.users import read


def carry_on() -> None:
    """Nobody asks for a stop."""


def no_wait(_seconds: float) -> None:
    """Nobody waits."""


def users(clients: Clients, pool: str, *, attempts: int = 1) -> list[CognitoUser]:
    return read(clients.cognito, pool, attempts=attempts, checkpoint=carry_on, sleep=no_wait)


def add(direct: Clients, pool: str, name: str, *, osid: str | None = None, confirmed: bool = True) -> None:
    attributes: list[Any] = [] if osid is None else [{"Name": "custom:osid", "Value": osid}]
    direct.cognito.admin_create_user(UserPoolId=pool, Username=name, UserAttributes=attributes)
    if confirmed:
        direct.cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password="Secret-123456", Permanent=True)


def test_every_user_arrives_unjudged(clients: Clients, direct: Clients, pool: str) -> None:
    add(direct, pool, "alice", osid="2001")
    limit = [{"Name": "custom:sending_limit", "Value": "many"}]
    direct.cognito.admin_update_user_attributes(UserPoolId=pool, Username="alice", UserAttributes=limit)  # type: ignore[arg-type]
    add(direct, pool, "bob", osid=" not a number")
    add(direct, pool, "carol")
    add(direct, pool, "dave", osid="2004", confirmed=False)
    direct.cognito.admin_disable_user(UserPoolId=pool, Username="bob")
    assert sorted(users(clients, pool)) == [
        CognitoUser("alice", confirmed=True, enabled=True, osid="2001", sending_limit="many"),
        CognitoUser("bob", confirmed=True, enabled=False, osid=" not a number"),
        CognitoUser("carol", confirmed=True, enabled=True, osid=None),
        CognitoUser("dave", confirmed=False, enabled=True, osid="2004"),
    ]


def test_a_pool_of_several_pages_arrives_whole(clients: Clients, direct: Clients, pool: str, proxy: FaultProxy) -> None:
    names = [f"user{n:03}" for n in range(130)]
    for name in names:
        add(direct, pool, name, confirmed=False)
    assert sorted(user.name for user in users(clients, pool)) == names
    assert proxy.count("ListUsers") == 3


def test_a_user_listed_on_two_pages_is_one_user(clients: Clients, pool: str, proxy: FaultProxy) -> None:
    page = b'{"Users": [{"Username": "alice", "UserStatus": "CONFIRMED", "Enabled": true}], "PaginationToken": "next"}'
    proxy.fail("ListUsers", Fault.answer(page), times=1)
    proxy.fail("ListUsers", Fault.answer(page.replace(b', "PaginationToken": "next"', b"")), times=1)
    assert users(clients, pool) == [CognitoUser("alice", confirmed=True, enabled=True, osid=None)]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.throttled("TooManyRequestsException"),
        Fault.server_error(),
        Fault.connection_reset(),
        Fault.truncated(),
        Fault.answer(b""),
        Fault.answer(b'{"Users": [{"Usern'),
        Fault.answer(b"{}"),
        Fault.answer(b'{"Users": [{"Username": "half"}]}'),
    ],
    ids=lambda fault: f"{fault.code or fault.body!r}-{fault.status}-{fault.reset}-{fault.keep}",
)
def test_a_page_that_fails_once_is_read_again(
    clients: Clients, direct: Clients, pool: str, proxy: FaultProxy, fault: Fault
) -> None:
    add(direct, pool, "alice", osid="2001")
    proxy.fail("ListUsers", fault, times=1)
    assert [user.name for user in users(clients, pool, attempts=2)] == ["alice"]


def test_a_broken_answer_is_never_an_empty_pool(
    clients: Clients, direct: Clients, pool: str, proxy: FaultProxy
) -> None:
    add(direct, pool, "alice")
    proxy.fail("ListUsers", Fault.answer(b"not json"))
    with pytest.raises(SourceError, match=r"page 1 of the users \(0 read so far\) from Cognito user pool"):
        users(clients, pool, attempts=3)
    assert proxy.count("ListUsers") == 3


def test_a_missing_pool_says_what_to_correct(clients: Clients, proxy: FaultProxy) -> None:
    with pytest.raises(SourceError, match="create it, or correct COGNITO_POOL_ID and AWS_REGION"):
        users(clients, "eu-west-1_nowhere", attempts=5)
    assert proxy.count("ListUsers") == 1


def test_a_role_that_may_not_list_users_is_told_which_action_it_lacks(
    clients: Clients, pool: str, proxy: FaultProxy
) -> None:
    proxy.fail("ListUsers", Fault.denied("cognito-idp:ListUsers"))
    with pytest.raises(SourceError, match="allow cognito-idp:ListUsers on it"):
        users(clients, pool, attempts=5)
    assert proxy.count("ListUsers") == 1


def test_a_listing_that_goes_in_circles_ends(clients: Clients, pool: str, proxy: FaultProxy) -> None:
    proxy.fail("ListUsers", Fault.answer(b'{"Users": [], "PaginationToken": "again"}'))
    with pytest.raises(SourceError, match=r"page 2 of the users .* came back to a page"):
        users(clients, pool)


def test_a_read_stops_at_the_checkpoint(clients: Clients, pool: str, proxy: FaultProxy) -> None:
    def checkpoint() -> None:
        raise InterruptedPassError("asked to stop")

    with pytest.raises(InterruptedPassError):
        read(clients.cognito, pool, attempts=3, checkpoint=checkpoint)
    assert proxy.count("ListUsers") == 0
