"""The one place where AWS clients are made: when they are first needed, with sane time limits, and small.

botocore is imported inside, so that a command which never talks to AWS does not pay 20 MB and a quarter of a
second for it; boto3, which would add 3 MB and nothing that is used here, not at all. All clients share one
session, and what it loads is thinned (`ThinModels`): together they cost 10 MB instead of 50.
What is read through the clients, and what is retried above botocore's own retries, is for the other modules here.
"""

import threading
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from reconfigure import __version__
from reconfigure.sources.answers import refuse_damaged

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.session import Session
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient

SERVICES = frozenset({"cognito-idp", "dynamodb", "sns", "sqs", "ssm"})
LONGEST_POLL = 20  # seconds; the most that ReceiveMessage waits


class Clients:
    """AWS clients of one region, made on demand and shared by all threads.

    Args:
        region: AWS region.
        endpoint_url: where all services are, instead of AWS's own endpoints (an AWS double, or a proxy).
        attempts: HTTP requests per call, the first one included, before botocore gives up (adaptive mode).
        long_poll: seconds that a ReceiveMessage may wait; the SQS client's read timeout is longer by `read_timeout`.
        connect_timeout: seconds for the connection of one request.
        read_timeout: seconds without a byte of the answer. With two attempts a hanging service is given up
            within 10 s, the time that a task gets to stop.
        told: hears of every HTTP request: service, operation, outcome (see `attempts`).
    """

    def __init__(
        self,
        region: str,
        endpoint_url: str | None,
        attempts: int = 2,
        *,
        long_poll: float = LONGEST_POLL,
        connect_timeout: float = 2.0,
        read_timeout: float = 4.0,
        told: Callable[[str, str, str], None] | None = None,
    ) -> None:
        self.region = region
        self.endpoint_url = endpoint_url
        self._attempts = attempts
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._long_poll = long_poll
        self._told = told
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._made: dict[str, BaseClient] = {}

    @property
    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB."""
        return cast("DynamoDBClient", self._client("dynamodb"))

    @property
    def fleet(self) -> "DynamoDBClient":
        """DynamoDB for the fleet table: impatient, and slowed down by no throttling elsewhere, nor slowing others."""
        return cast("DynamoDBClient", self._client("dynamodb", name="fleet"))

    @property
    def cognito(self) -> "CognitoIdentityProviderClient":
        """Cognito user pools."""
        return cast("CognitoIdentityProviderClient", self._client("cognito-idp"))

    @property
    def sqs(self) -> "SQSClient":
        """SQS; stays after `release`, because the loop polls with it all the time."""
        return cast("SQSClient", self._client("sqs", waits=self._long_poll))

    @property
    def sqs_at_once(self) -> "SQSClient":
        """SQS for what is answered at once: impatient, since whoever acknowledges has other things to do."""
        return cast("SQSClient", self._client("sqs", name="sqs-at-once"))

    @property
    def ssm(self) -> "SSMClient":
        """SSM."""
        return cast("SSMClient", self._client("ssm"))

    @property
    def sns(self) -> "SNSClient":
        """SNS."""
        return cast("SNSClient", self._client("sns"))

    def release(self) -> None:
        """Drop every client but SQS's and the fleet's with its connections; the next use makes it anew, in some 20 ms.

        A thread in the middle of a request on a dropped client finishes it.
        """
        self._drop(keep={"sqs", "sqs-at-once", "fleet"})

    def close(self) -> None:
        """Drop every client with its connections; the object stays usable."""
        self._drop(keep=set())

    def _drop(self, *, keep: set[str]) -> None:
        with self._lock:
            dropped = [self._made.pop(name) for name in list(self._made) if name not in keep]
        for client in dropped:
            client.close()

    def _client(self, service: str, *, waits: float = 0.0, name: str | None = None) -> "BaseClient":
        with self._lock:  # making clients of one session is not thread-safe; using them is
            key = name or service
            if key not in self._made:
                self._made[key] = self._make(service, waits, is_aside=name is not None)
            return self._made[key]

    def _make(self, service: str, waits: float, *, is_aside: bool) -> "BaseClient":
        from botocore.config import Config  # noqa: PLC0415  (see the module's docstring)

        if self._session is None:
            self._session = session()
        client = self._session.create_client(
            cast("Any", service),
            region_name=self.region,
            endpoint_url=self.endpoint_url,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1}
                if is_aside
                else {"mode": "adaptive", "total_max_attempts": self._attempts},
                connect_timeout=self._connect_timeout,
                read_timeout=self._read_timeout / 2 if is_aside else self._read_timeout + waits,
                max_pool_connections=4,
                user_agent_extra=f"reconfigure/{__version__}",
            ),
        )
        client.meta.events.register("before-parse", refuse_damaged)
        if self._told is not None:
            from reconfigure.sources.attempts import tell  # noqa: PLC0415 - only the daemon counts

            tell(client, service, self._told)
        return client


def load() -> None:
    """Load botocore now, for a caller who is about to start a thread that makes clients.

    Modules set warnings aside while they load (`warnings.catch_warnings`), which is for one thread at a time: with two,
    a warning that one of them silences is written to stderr all the same.
    """
    import botocore.session  # noqa: F401, PLC0415


def session() -> "Session":
    """Return a botocore session that loads thin models."""
    import botocore.session  # noqa: PLC0415
    from botocore.loaders import JSONFileLoader  # noqa: PLC0415

    class ThinModels(JSONFileLoader):
        """Loads botocore's own data files without what nobody reads at run time.

        Documentation is most of a service model, and of the list of endpoints only five services matter here.
        Measured for the five clients: 41 MB resident in place of 50 (79 MB with a session each).
        """

        def load_file(self, file_path: str) -> Any:
            data = super().load_file(file_path)
            name = PurePath(file_path).name
            if data is not None and name == "service-2":
                return _undocumented(data)
            if data is not None and name == "endpoints":
                for partition in data["partitions"]:
                    services = partition["services"]
                    partition["services"] = {key: services[key] for key in services.keys() & SERVICES}
            return data

    made = botocore.session.get_session()
    made.get_component("data_loader").file_loader = ThinModels()
    return made


def _undocumented(node: Any) -> Any:
    """Return a copy of a service model without its documentation (texts only: a member may bear that name too)."""
    if isinstance(node, dict):
        return {
            key: _undocumented(value)
            for key, value in node.items()
            if not (key == "documentation" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [_undocumented(value) for value in node]
    return node
