"""Where addresses come from: the whole DynamoDB table, page by page, strongly consistent.

The rows are handed on as the wire had them; what is valid is decided in `directory`. A read is complete or it is an
error: a page that stays damaged, a table that is going away or was replaced under the read, or a scan that goes in
circles never becomes a smaller world.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import structlog

from reconfigure.directory.model import RawRow
from reconfigure.errors import SourceError
from reconfigure.sources.answers import DamagedAnswerError, keep_rows_raw
from reconfigure.sources.retry import Policy, Source, is_forbidden, read

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

log = structlog.get_logger()

ATTRIBUTES = ("address", "username", "subdomain", "tld", "user", "suspended")
READABLE = ("ACTIVE", "UPDATING")


def scan(
    client: "DynamoDBClient",
    table: str,
    *,
    attempts: int,
    checkpoint: Callable[[], None],
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[list[RawRow]]:
    """Yield the pages of an address table; when it ends without an error, every row was read.

    Each row holds only the attributes that matter, in the low-level form (binary values as base64 text).
    The table is described first, and again after a scan of several pages, since a table that was deleted and made
    anew in between would end the scan early and without an error. Where that is not allowed, it is said once, and the
    table is read all the same.

    Args:
        client: DynamoDB; its parsing of Scan answers is replaced by a faster one (see `answers.keep_rows_raw`).
        table: name or ARN of the table.
        attempts: tries for each request, the first included.
        checkpoint: called before each request; may raise to stop the read.
        sleep: waits between tries.

    Raises:
        SourceError: the table is missing, not ready or going away, or a page could not be read; nothing that was
            yielded before may be used then.
    """
    policy = Policy(attempts=attempts, checkpoint=checkpoint, sleep=sleep)
    source = Source(
        where=f"DynamoDB table {table} in {client.meta.region_name}",
        action="dynamodb:Scan",
        settings="ADDRESSES_TABLE and AWS_REGION",
    )
    client.meta.events.register("before-parse.dynamodb.Scan", keep_rows_raw, unique_id="reconfigure-keep-rows-raw")
    before = _described(client, table, source=source, policy=policy)
    request: dict[str, Any] = {
        "TableName": table,
        "ConsistentRead": True,
        # `user` is a reserved word of DynamoDB's expressions, so all names go by placeholders.
        "ProjectionExpression": ", ".join(f"#{name}" for name in ATTRIBUTES),
        "ExpressionAttributeNames": {f"#{name}": name for name in ATTRIBUTES},
    }
    number, rows, seen = 0, 0, set[str]()
    while True:
        number += 1
        what = f"page {number} of the addresses ({rows:,} rows read so far)"
        answer = read(lambda: client.scan(**request), what, source=source, policy=policy)
        page = cast("dict[str, Any]", answer)
        items: list[RawRow] = page.pop("Items")
        rows += len(items)
        yield items
        del items  # the next page is read without this one in memory
        last = page.get("LastEvaluatedKey")
        if not last:
            break
        mark = json.dumps(last, sort_keys=True, default=repr)
        if mark in seen:
            raise SourceError(
                f"reading {what} from {source.where} failed: the scan came back to a key that it had passed;"
                " try again, and look at what stands between this task and AWS if it lasts"
            )
        seen.add(mark)
        request["ExclusiveStartKey"] = last
    if number > 1 and before != _described(client, table, source=source, policy=policy):
        raise SourceError(
            f"reading the addresses from {source.where} failed: the table was deleted and made anew meanwhile;"
            " nothing to do, the next read sees the new one"
        )


def _described(client: "DynamoDBClient", table: str, *, source: Source, policy: Policy) -> str | None:
    """Return which table of that name it is, once it can be read; None where asking for that is not allowed.

    Raises:
        SourceError: it is missing or in no state to be read.
    """
    what = "the table's state"

    def request() -> "TableDescriptionTypeDef":
        answer = client.describe_table(TableName=table)
        if "TableStatus" not in answer.get("Table", {}):
            raise DamagedAnswerError("the answer describes no table")
        return answer["Table"]

    try:
        described = read(request, what, source=replace(source, action="dynamodb:DescribeTable"), policy=policy)
    except SourceError as error:
        if not is_forbidden(error.__cause__):
            raise
        _say_once(str(error))
        return None
    status = described["TableStatus"]
    if status not in READABLE:
        raise SourceError(
            f"reading {what} from {source.where} failed: it is {status}, not ACTIVE;"
            f" wait until it is, restore it, or correct {source.settings}"
        )
    # TableId is new with every table; the time it was made stands in where a double leaves it out.
    return str(described.get("TableId") or described.get("CreationDateTime"))


@lru_cache(maxsize=10)
def _say_once(error: str) -> None:
    log.warning("table_not_described", error=error, lost="a table that is replaced during a read goes unnoticed")
