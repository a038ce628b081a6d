"""Where a few named addresses come from: their rows, read by key, strongly consistent."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from reconfigure.directory.model import RawRow
from reconfigure.errors import SourceError
from reconfigure.sources.addresses import ATTRIBUTES
from reconfigure.sources.answers import DamagedAnswerError
from reconfigure.sources.retry import Policy, Source, read

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST = 100  # keys that BatchGetItem takes at a time


def get(
    client: "DynamoDBClient",
    table: str,
    keys: Sequence[str],
    *,
    attempts: int,
    checkpoint: Callable[[], None],
    sleep: Callable[[float], object] = time.sleep,
) -> Mapping[str, RawRow | None]:
    """Return the row of each key, None where the table has none.

    Args:
        client: DynamoDB.
        table: name or ARN of the table.
        keys: at most 100, each once.
        attempts: tries for each request, the first included.
        checkpoint: called before each request; may raise to stop the read.
        sleep: waits between tries.

    Raises:
        SourceError: the rows could not be read, not all of them, or the table is not there.
    """
    policy = Policy(attempts=attempts, checkpoint=checkpoint, sleep=sleep)
    source = Source(
        where=f"DynamoDB table {table} in {client.meta.region_name}",
        action="dynamodb:BatchGetItem",
        settings="ADDRESSES_TABLE and AWS_REGION",
    )
    rows: dict[str, RawRow | None] = dict.fromkeys(keys)
    wanted: Mapping[str, Any] = {
        table: {
            "Keys": [{"address": {"S": key}} for key in keys],
            "ConsistentRead": True,
            "ProjectionExpression": ", ".join(f"#{name}" for name in ATTRIBUTES),
            "ExpressionAttributeNames": {f"#{name}": name for name in ATTRIBUTES},
        }
    }
    for _ in range(attempts):
        request = wanted
        answer = read(
            lambda request=request: _asked(client, request, rows),  # type: ignore[misc]
            f"{len(keys)} named addresses",
            source=source,
            policy=policy,
        )
        for row in _rows(answer, table) or ():
            rows[row["address"]["S"]] = row
        wanted = answer.get("UnprocessedKeys") or {}
        if not wanted:
            return rows
    raise SourceError(
        f"reading {len(keys)} named addresses from {source.where} failed: AWS left some unread {attempts} times "
        "(throttled); they are read with everything else at the next pass"
    )


def _asked(client: "DynamoDBClient", request: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    """Return the answer, once it is one to what was asked: one that says nothing must not read as rows that are gone.

    Raises:
        DamagedAnswerError: it is not.
    """
    answer = cast("dict[str, Any]", client.batch_get_item(RequestItems=request))
    if "Responses" not in answer:
        raise DamagedAnswerError("the answer holds no rows, not even none")
    if any(row.get("address", {}).get("S") not in keys for rows in answer["Responses"].values() for row in rows):
        raise DamagedAnswerError("the answer holds a row that nobody asked for")
    ((table, asked),) = request.items()
    left = [key for unread in (answer.get("UnprocessedKeys") or {}).values() for key in unread.get("Keys", ())]
    if any(key not in asked["Keys"] for key in left):
        raise DamagedAnswerError("the answer leaves a row unread that nobody asked for")
    if _rows(answer, table) is None and len(left) < len(asked["Keys"]):
        raise DamagedAnswerError(f"the answer says nothing of {table}, and does not leave all of it for later either")
    return answer


def _rows(answer: Mapping[str, Any], table: str) -> Sequence[RawRow] | None:
    """Return the rows that an answer holds of a table, which it may call by its name or by its ARN; None: of others."""
    found = (rows for name, rows in answer["Responses"].items() if _name(name) == _name(table))
    return next(found, None)


def _name(table: str) -> str:
    return table.rpartition("/")[2]
