"""Where users come from: every user of the Cognito pool, unjudged.

Who of them is served is decided in `directory`. A read is complete or it is an error, as with the addresses.
"""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reconfigure.directory.model import CognitoUser
from reconfigure.errors import SourceError
from reconfigure.sources.answers import DamagedAnswerError
from reconfigure.sources.retry import Policy, Source
from reconfigure.sources.retry import read as read_by_policy

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

OSID = "custom:osid"  # the attribute that holds UID and GID
SENDING_LIMIT = "custom:sending_limit"  # the one that holds how much a user may send in a day, where that is another
PAGE = 60  # the most that ListUsers gives at a time


def read(
    client: "CognitoIdentityProviderClient",
    pool_id: str,
    *,
    attempts: int,
    checkpoint: Callable[[], None],
    sleep: Callable[[float], object] = time.sleep,
) -> list[CognitoUser]:
    """Return every user of a pool, each name once, in the order Cognito lists them.

    Args:
        client: Cognito.
        pool_id: the pool.
        attempts: tries for each page, the first included.
        checkpoint: called before each request; may raise to stop the read.
        sleep: waits between tries.

    Raises:
        SourceError: a page could not be read, so the list would not be whole.
    """
    policy = Policy(attempts=attempts, checkpoint=checkpoint, sleep=sleep)
    source = _source(client, pool_id)
    # AttributesToGet would make the answers smaller, but Cognito then refuses the whole request as soon as one user
    # has no value for the attribute (API reference of ListUsers), and users without custom:osid are expected.
    request: dict[str, Any] = {"UserPoolId": pool_id, "Limit": PAGE}
    # By name: a user changed between two pages may be listed on both, and would then seem to share its UID.
    users: dict[str, CognitoUser] = {}
    number, seen = 0, set[str]()
    while True:
        number += 1
        what = f"page {number} of the users ({len(users):,} read so far)"
        found, token = read_by_policy(lambda: _page(client, request), what, source=source, policy=policy)
        users.update((user.name, user) for user in found)
        if not token:
            return list(users.values())
        if token in seen:
            raise SourceError(
                f"reading {what} from {source.where} failed: the listing came back to a page that it had passed;"
                " try again, and look at what stands between this task and AWS if it lasts"
            )
        seen.add(token)
        request["PaginationToken"] = token


def find(client: "CognitoIdentityProviderClient", pool_id: str, name: str, *, attempts: int) -> CognitoUser | None:
    """Return one user of a pool, None when it has none of that name.

    Args:
        client: Cognito.
        pool_id: the pool.
        name: a well-formed name: it goes into a filter, in quotes.
        attempts: tries, the first included.

    Raises:
        SourceError: the pool could not be asked.
    """
    request: dict[str, Any] = {"UserPoolId": pool_id, "Filter": f'username = "{name}"', "Limit": 1}
    policy = Policy(attempts=attempts, checkpoint=lambda: None)
    found, _ = read_by_policy(
        lambda: _page(client, request), f"user {name}", source=_source(client, pool_id), policy=policy
    )
    return next((user for user in found if user.name == name), None)


def _source(client: "CognitoIdentityProviderClient", pool_id: str) -> Source:
    return Source(
        where=f"Cognito user pool {pool_id} in {client.meta.region_name}",
        action="cognito-idp:ListUsers",
        settings="COGNITO_POOL_ID and AWS_REGION",
    )


def _page(client: "CognitoIdentityProviderClient", request: Mapping[str, Any]) -> tuple[list[CognitoUser], str | None]:
    """Return one page of users and the token of the next.

    Raises:
        DamagedAnswerError: the answer is not a page of users (botocore makes an empty answer of a broken one).
    """
    answer = client.list_users(**request)
    if "Users" not in answer:
        raise DamagedAnswerError("the answer holds no list of users")
    return [_user(record) for record in answer["Users"]], answer.get("PaginationToken")


def _user(record: Mapping[str, Any]) -> CognitoUser:
    missing = {"Username", "UserStatus", "Enabled"} - record.keys()
    if missing:
        raise DamagedAnswerError(f"a user in the answer has no {', '.join(sorted(missing))}")
    attributes = {item.get("Name"): item.get("Value") for item in record.get("Attributes", ())}
    return CognitoUser(
        name=record["Username"],
        confirmed=record["UserStatus"] == "CONFIRMED",
        enabled=record["Enabled"],
        osid=attributes.get(OSID),
        sending_limit=attributes.get(SENDING_LIMIT),
    )
