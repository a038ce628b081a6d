"""The fleet table in DynamoDB: partition key `tier`, sort key `task`, TTL attribute `expires`.

A tier's partition holds its tasks' rows and, under a sort key that no task can have, its change log. No request is
retried here: what fails is tried again at the next reading, a few seconds later.
"""

import time
from collections.abc import Collection, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from reconfigure.errors import SourceError
from reconfigure.fleet.changelog import ChangeLog
from reconfigure.fleet.roll import Row, Tier
from reconfigure.sources.retry import Source, aws_errors, failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

LOG_KEY = "#changes"  # a task's name has no #
TRIAL_KEY = "#trial"
MOST_CONFLICTS = 10  # times that others may be faster to record a change


class FleetTable:
    """The table, as one task reads and writes it.

    Args:
        client: returns the DynamoDB client; its own, since throttling here must not slow down what passes read.
        table: name or ARN.
        region: for messages.
        clock: seconds since the epoch, perhaps wrong.
    """

    def __init__(
        self,
        client: "Callable[[], DynamoDBClient]",
        table: str,
        *,
        region: str,
        clock: "Callable[[], float]" = time.time,
    ) -> None:
        self._client = client
        self._clock = clock
        self.name = table
        self._region = region
        self._ahead = 0.0

    def now(self) -> float:
        """Return seconds since the epoch by the clock of AWS, as far as its last answer told (to a second)."""
        return self._clock() + self._ahead

    def log(self, tier: str) -> ChangeLog | None:
        """Return a tier's change log, strongly consistent: one read unit. None before the first change.

        Raises:
            SourceError: it could not be read, or is damaged.
        """
        answer = self._asked(
            lambda client: client.get_item(TableName=self.name, Key=_key(tier, LOG_KEY), ConsistentRead=True),
            "the change log",
            "dynamodb:GetItem",
        )
        return self._log(answer.get("Item"))

    def begin(self, tier: str) -> ChangeLog | None:
        """Begin a tier's change log, unless there is one meanwhile; return what there is.

        Raises:
            SourceError: it could not be written.
        """
        return self._put_log(tier, None, ChangeLog.new())

    def append(self, tier: str, log: ChangeLog | None, addresses: Collection[str] | None, *, task: str) -> ChangeLog:
        """Write one more change behind a tier's log and return the log; others' changes in between stay in it.

        Args:
            tier: the tier.
            log: the log as it was last seen.
            addresses: what may have changed; None: anything.
            task: who records it.

        Raises:
            SourceError: it could not be written.
        """
        for _ in range(MOST_CONFLICTS):
            made = (log or ChangeLog.new()).appended(addresses, task=task, time=self.now())
            written = self._put_log(tier, log, made)
            if written is made:
                return made
            log = written
        raise SourceError(
            f"recording a change in {self._source('dynamodb:PutItem').where} failed: {MOST_CONFLICTS} times others "
            "were faster; it is tried again"
        )

    def _put_log(self, tier: str, before: ChangeLog | None, made: ChangeLog) -> ChangeLog | None:
        """Write the log if nobody else did meanwhile; else return what others made of it."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(tier)"}
        if before is not None:
            condition = {
                "ConditionExpression": "#sequence = :sequence AND #log = :log",
                "ExpressionAttributeNames": {"#sequence": "sequence", "#log": "log"},
                "ExpressionAttributeValues": {":sequence": {"N": str(before.sequence)}, ":log": {"S": before.id}},
            }
        item = {
            **_key(tier, LOG_KEY),
            "log": {"S": made.id},
            "sequence": {"N": str(made.sequence)},
            "changes": {"S": made.text()},
        }

        def put(client: "DynamoDBClient") -> bool:
            try:
                client.put_item(TableName=self.name, Item=item, **condition)
            except client.exceptions.ConditionalCheckFailedException:
                return False
            return True

        if self._asked(put, "a change", "dynamodb:PutItem", doing="writing"):
            return made
        return self.log(tier)

    def put(self, row: Row) -> None:
        """Write a task's row.

        Raises:
            SourceError: it could not be written.
        """
        self._asked(
            lambda client: client.put_item(TableName=self.name, Item=row.item()),
            "this task's row",
            "dynamodb:PutItem",
            doing="writing",
        )

    def remove(self, tier: str, task: str) -> None:
        """Remove a task's row: it ends.

        Raises:
            SourceError: it could not be removed; it expires then.
        """
        self._asked(
            lambda client: client.delete_item(TableName=self.name, Key=_key(tier, task)),
            "this task's row",
            "dynamodb:DeleteItem",
            doing="removing",
        )

    def try_to_write(self, tier: str) -> None:
        """Write and remove an item that no task has, to see whether that is allowed.

        Raises:
            SourceError: it is not.
        """
        key = _key(tier, TRIAL_KEY)
        put, delete = "dynamodb:PutItem", "dynamodb:DeleteItem"
        self._asked(lambda client: client.put_item(TableName=self.name, Item=key), "a trial", put, doing="writing")
        self._asked(
            lambda client: client.delete_item(TableName=self.name, Key=key), "a trial", delete, doing="removing"
        )

    def tiers(self, names: Collection[str]) -> dict[str, Tier]:
        """Return each tier's log and rows; a row that makes no sense is left out.

        Raises:
            SourceError: they could not be read.
        """
        return {name: self._tier(name) for name in names}

    def _tier(self, name: str) -> Tier:
        request: dict[str, Any] = {
            "TableName": self.name,
            "ConsistentRead": True,
            "KeyConditionExpression": "tier = :tier",
            "ExpressionAttributeValues": {":tier": {"S": name}},
        }
        log: ChangeLog | None = None
        rows: list[Row] = []
        while True:
            answer = self._asked(lambda client: client.query(**request), "the tasks' rows", "dynamodb:Query")
            for item in answer["Items"]:
                key = str(item.get("task", {}).get("S", ""))
                if key == LOG_KEY:
                    log = self._log(item)
                if key.startswith("#"):  # no task's name
                    continue
                try:
                    rows.append(Row.from_item(item))
                except ValueError:
                    continue
            if not answer.get("LastEvaluatedKey"):
                return Tier(log, tuple(rows))
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _log(self, item: Mapping[str, Any] | None) -> ChangeLog | None:
        if not item:
            return None
        try:
            return ChangeLog.from_item(item)
        except ValueError as error:
            tier = item.get("tier", {}).get("S")
            raise SourceError(
                f"the change log in {self._source('dynamodb:GetItem').where} is damaged: {error}; "
                f"delete the item with tier {tier!r} and task {LOG_KEY!r}, and a new one begins"
            ) from error

    def _source(self, action: str) -> Source:
        where = f"DynamoDB table {self.name} in {self._region}"
        return Source(where=where, action=action, settings="FLEET_TABLE and AWS_REGION")

    def _asked(
        self, request: "Callable[[DynamoDBClient], T]", what: str, action: str, *, doing: str = "reading"
    ) -> Any:
        try:
            answer: Any = request(self._client())
        except aws_errors() as error:
            raise failure(error, what, source=self._source(action), doing=doing) from error
        if isinstance(answer, dict):
            self._set_clock(answer)
        return answer

    def _set_clock(self, answer: Mapping[str, Any]) -> None:
        stamp = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        try:
            told = parsedate_to_datetime(stamp).timestamp() if stamp else None
        except ValueError:
            told = None
        if told is None:
            return
        # The date is whole seconds, cut off, so AWS's clock is less than a second ahead of it: no jitter by that.
        here = self._clock()
        if not told <= here + self._ahead < told + 1:
            self._ahead = told + 0.5 - here


def _key(tier: str, task: str) -> Any:
    return {"tier": {"S": tier}, "task": {"S": task}}
