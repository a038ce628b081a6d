"""The embedded AWS: a moto server over HTTP on a loopback port, with the tables, pool, topic and queues of the sample.

    python -m embedded.aws --port 0 --file aws.json [--pings http://127.0.0.1:8000]

moto keeps all of it in memory, so the process that serves it also fills it. Only then the file with URL and ids is
written, in one rename: it is the sign of readiness, and is gone again when the server is. The ids are made from
names, not drawn, so that a restarted server answers to the same ones; edits made meanwhile are lost.
"""

import argparse
import json
import logging
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config

from embedded import sample
from reconfigure.settings import Tier

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from werkzeug.serving import BaseWSGIServer

REGION = "us-east-1"
LOOPBACK = "127.0.0.1"
FLEET_TABLE = "reconfigure-fleet"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "embedded", "AWS_SECRET_ACCESS_KEY": "embedded"}

_VISIBILITY_SECONDS = 60
_RECEIVES_BEFORE_DEAD = 5


@dataclass(frozen=True, kw_only=True)
class TierQueues:
    """What is a tier's own: queue and dead-letter queue (URLs), and the parameter with its ping URL (name)."""

    queue_url: str
    dlq_url: str
    ping_param: str


@dataclass(frozen=True, kw_only=True)
class World:
    """Where the embedded AWS is and what is in it; the content of `aws.json`."""

    url: str
    table: str
    pool_id: str
    client_id: str
    topic_arn: str
    fleet_table: str
    tiers: Mapping[Tier, TierQueues]
    region: str = REGION

    def write(self, path: Path) -> None:
        """Write it to a file, whole or not at all."""
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(asdict(self), indent=2) + "\n")
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            OSError: there is no such file: the server is not up, or not seeded yet.
        """
        document = json.loads(path.read_text())
        document["tiers"] = {Tier(name): TierQueues(**parts) for name, parts in document["tiers"].items()}
        return cls(**document)


class Clients:
    """boto3 clients of an embedded AWS, whatever the machine's own AWS and proxy configuration says."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = session = boto3.Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        config = Config(proxies={}, connect_timeout=5, read_timeout=30)
        self.dynamodb: DynamoDBClient = session.client("dynamodb", endpoint_url=url, config=config)
        self.cognito: CognitoIdentityProviderClient = session.client("cognito-idp", endpoint_url=url, config=config)
        self.sns: SNSClient = session.client("sns", endpoint_url=url, config=config)
        self.sqs: SQSClient = session.client("sqs", endpoint_url=url, config=config)
        self.ssm: SSMClient = session.client("ssm", endpoint_url=url, config=config)


class _InOrder:
    """A WSGI application that answers DynamoDB's requests one after the other.

    DynamoDB writes under a condition or not at all (PutItem, ConditionExpression). moto looks at the condition and
    writes in two steps, between which another thread's request may write.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application
        self._turn = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        if not str(environ.get("HTTP_X_AMZ_TARGET", "")).startswith("DynamoDB_"):
            return self._application(environ, start_response)
        with self._turn:
            return self._application(environ, start_response)


class Server:
    """A moto server; port 0 takes a free one. Serves between `with` and its end, but for `down` to `up`."""

    def __init__(self, port: int = 0, *, host: str = LOOPBACK) -> None:
        # Imported here, because it takes half a second that who only talks to the server need not spend.
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._host = host
        self._application = _InOrder(DomainDispatcherApplication(create_backend_app))
        self._server = self._bound(port)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it listens, as seen from this machine."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def up(self) -> None:
        """Answer; what was created before is still there."""
        if self._thread is None:
            if self._server.socket.fileno() < 0:
                self._server = self._bound(self._server.server_port)
            self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="moto", daemon=True)
            self._thread.start()

    def down(self) -> None:
        """Refuse connections."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def _bound(self, port: int) -> "BaseWSGIServer":
        from werkzeug.serving import make_server  # noqa: PLC0415

        return make_server(self._host, port, self._application, threaded=True)


def seed(url: str, *, pings: str | None = None) -> World:
    """Create everything in an empty AWS double and fill it with the sample.

    Args:
        url: where it is.
        pings: base of the ping URLs, such as http://127.0.0.1:8000; none: the parameters say that there is none.
    """
    aws = Clients(url)
    _create_table(aws.dynamodb)
    create_fleet_table(aws.dynamodb, FLEET_TABLE)
    pool_id, client_id = _create_pool(aws.cognito)
    topic_arn = aws.sns.create_topic(Name="address-changes")["TopicArn"]
    tiers = {}
    for tier in Tier:
        queue_url, dlq_url = _create_queues(aws, tier, topic_arn)
        ping_url = f"{pings}/{tier}" if pings else "none"
        ping_param = f"/reconfigure/{tier}/healthcheck-ping-url"
        aws.ssm.put_parameter(Name=ping_param, Value=ping_url, Type="String")
        tiers[tier] = TierQueues(queue_url=queue_url, dlq_url=dlq_url, ping_param=ping_param)
    return World(
        url=url,
        table=sample.TABLE,
        pool_id=pool_id,
        client_id=client_id,
        topic_arn=topic_arn,
        fleet_table=FLEET_TABLE,
        tiers=tiers,
    )


def _create_table(dynamodb: "DynamoDBClient") -> None:
    dynamodb.create_table(
        TableName=sample.TABLE,
        KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for address in sample.ADDRESSES:
        dynamodb.put_item(TableName=sample.TABLE, Item=sample.row(address))


def create_fleet_table(dynamodb: "DynamoDBClient", name: str) -> None:
    """Create an empty fleet table."""
    keys = ("tier", "task")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": keys[0], "KeyType": "HASH"}, {"AttributeName": keys[1], "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})


def _create_pool(cognito: "CognitoIdentityProviderClient") -> tuple[str, str]:
    pool_id = cognito.create_user_pool(
        PoolName="cabal",
        Schema=[{"Name": "osid", "AttributeDataType": "Number", "Mutable": True, "Required": False}],
    )["UserPool"]["Id"]
    # In a second step, as below: moto makes ids from all that the first one says, and configurations name them.
    more: Any = {"Name": "sending_limit", "AttributeDataType": "Number", "Mutable": True, "Required": False}
    cognito.add_custom_attributes(UserPoolId=pool_id, CustomAttributes=[more])
    client: Any = {
        "UserPoolId": pool_id,
        "ClientName": "mail",
        "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    }
    client_id = cognito.create_user_pool_client(**client)["UserPoolClient"]["ClientId"]
    cognito.update_user_pool_client(**client, ClientId=client_id, WriteAttributes=["email"])
    for user in sample.USERS:
        osid: Any = [{"Name": "custom:osid", "Value": str(user.osid)}]
        if not user.confirmed:
            cognito.sign_up(ClientId=client_id, Username=user.name, Password=sample.PASSWORD, UserAttributes=osid)
            continue
        cognito.admin_create_user(UserPoolId=pool_id, Username=user.name, UserAttributes=osid, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(
            UserPoolId=pool_id, Username=user.name, Password=sample.PASSWORD, Permanent=True
        )
        if not user.enabled:
            cognito.admin_disable_user(UserPoolId=pool_id, Username=user.name)
    return pool_id, client_id


def _create_queues(aws: Clients, tier: Tier, topic_arn: str) -> tuple[str, str]:
    dlq_url = aws.sqs.create_queue(QueueName=f"reconfigure-{tier}-dead")["QueueUrl"]
    redrive = {"deadLetterTargetArn": _arn(aws.sqs, dlq_url), "maxReceiveCount": _RECEIVES_BEFORE_DEAD}
    queue_url = aws.sqs.create_queue(
        QueueName=f"reconfigure-{tier}",
        Attributes={"VisibilityTimeout": str(_VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(redrive)},
    )["QueueUrl"]
    # RawMessageDelivery stays off: messages arrive in SNS's envelope, as they do from the admin app.
    aws.sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=_arn(aws.sqs, queue_url))
    return queue_url, dlq_url


def _arn(sqs: "SQSClient", queue_url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def use_lasting_ids() -> None:
    """Have moto make the pool's and the client's ids from their names; before anything is created."""
    for what in ("USER_POOL", "USER_POOL_CLIENT"):
        os.environ[f"MOTO_COGNITO_IDP_{what}_ID_STRATEGY"] = "HASH"


@contextmanager
def serving(*, port: int = 0, pings: str | None = None, host: str = LOOPBACK) -> Iterator[World]:
    """Serve a seeded embedded AWS from threads of this process, for as long as the `with` block runs."""
    use_lasting_ids()
    with Server(port, host=host) as server:
        yield seed(server.url, pings=pings)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m embedded.aws", description="A seeded AWS double.")
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on; whoever reaches it may do anything")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--file", type=Path, required=True, help="where URL and ids are written once it is seeded")
    parser.add_argument("--pings", help="base of the ping URLs that the parameters hold")
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    arguments.file.unlink(missing_ok=True)
    with serving(port=arguments.port, pings=arguments.pings, host=arguments.host) as world:
        world.write(arguments.file)
        print(f"embedded AWS, seeded: {world.url}", flush=True)
        stop.wait()
        arguments.file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
