"""Whole passes by the real daemon: `reconfigure run` as a process, against an AWS double with a proxy before it.

Each test has a table, queues and users of its own in one double, and ends the processes that it started.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from embedded.aws import create_fleet_table
from embedded.faults import FaultProxy
from embedded.healthchecks import HealthchecksDouble
from reconfigure.settings import Settings, load
from reconfigure.sources.aws import Clients
from reconfigure.sources.queue import Queue, QueueDepth

REGION = "eu-west-1"
CHECKOUT = Path(__file__).resolve().parents[2]
EX_CONFIG = 78


def _until(true: Callable[[], object], what: str = "it") -> None:
    deadline = time.monotonic() + 40
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come true within 40 s"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until something is true, 40 s at most."""
    return _until


class World:
    """What AWS holds for one test: an address table, a queue with its dead letters, and users when asked for."""

    def __init__(self, direct: Clients, proxy: FaultProxy) -> None:
        self.direct = direct
        self.proxy = proxy
        self.mark = uuid.uuid4().hex[:12]
        self.table = f"addresses-{self.mark}"
        self.make_table()
        self.dead_url = direct.sqs.create_queue(QueueName=f"dead-{self.mark}")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn(self.dead_url), "maxReceiveCount": 5}
        self._own_queue = direct.sqs.create_queue(
            QueueName=f"queue-{self.mark}", Attributes={"RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]
        # SQS clients send to the URL's host, so it names the proxy.
        self.queue_url = f"{proxy.url}/{self._own_queue.split('/', 3)[3]}"
        self._queue = Queue(direct.sqs, self._own_queue, poll_seconds=1)
        self._topic: str | None = None
        self.pool: str | None = None

    def make_table(self) -> None:
        self.direct.dynamodb.create_table(
            TableName=self.table,
            KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def make_fleet(self) -> str:
        """Make the fleet table; return its name."""
        name = f"fleet-{self.mark}"
        create_fleet_table(self.direct.dynamodb, name)
        return name

    def fleet_rows(self) -> dict[str, dict[str, Any]]:
        """Return what the fleet table holds, by sort key."""
        items: list[Any] = self.direct.dynamodb.scan(TableName=f"fleet-{self.mark}")["Items"]
        return {item["task"]["S"]: item for item in items}

    def drop_table(self) -> None:
        self.direct.dynamodb.delete_table(TableName=self.table)

    def put(self, *addresses: str, user: str = "alice") -> None:
        for address in addresses:
            local, _, domain = address.partition("@")
            subdomain, _, tld = domain.partition(".")
            row = {"address": address, "username": local, "subdomain": subdomain, "tld": tld, "user": user}
            item = {name: {"S": value} for name, value in row.items()}
            self.direct.dynamodb.put_item(TableName=self.table, Item=item)

    def delete(self, *addresses: str) -> None:
        for address in addresses:
            self.direct.dynamodb.delete_item(TableName=self.table, Key={"address": {"S": address}})

    def add_users(self, *names: str) -> None:
        """Users that are served, with UIDs from 2001 on; the pool is made with the first."""
        if self.pool is None:
            self.pool = self.direct.cognito.create_user_pool(
                PoolName=f"pool-{self.mark}",
                Schema=[{"Name": "osid", "AttributeDataType": "String", "Mutable": True}],
            )["UserPool"]["Id"]
        for number, name in enumerate(names, 2001):
            self.direct.cognito.admin_create_user(
                UserPoolId=self.pool,
                Username=name,
                UserAttributes=[{"Name": "custom:osid", "Value": str(number)}],
                MessageAction="SUPPRESS",
            )
            self.direct.cognito.admin_set_user_password(
                UserPoolId=self.pool, Username=name, Password="Correct-Horse-1", Permanent=True
            )

    def copy_uid(self, name: str, uid: str) -> None:
        """Set a user's UID, as the user could where the app client allows it."""
        assert self.pool is not None
        attributes: Any = [{"Name": "custom:osid", "Value": uid}]
        self.direct.cognito.admin_update_user_attributes(UserPoolId=self.pool, Username=name, UserAttributes=attributes)

    def drop_user(self, name: str) -> None:
        assert self.pool is not None
        self.direct.cognito.admin_delete_user(UserPoolId=self.pool, Username=name)

    def send(self, body: object = None) -> str:
        """Put a message on the queue as it is, or as JSON (a change when none is given); return its id."""
        body = {"event": "address_changed"} if body is None else body
        text = body if isinstance(body, str) else json.dumps(body)
        return self.direct.sqs.send_message(QueueUrl=self._own_queue, MessageBody=text)["MessageId"]

    def publish(self, body: object) -> None:
        """Send a message by the topic, so that it arrives in SNS's envelope."""
        if self._topic is None:
            self._topic = self.direct.sns.create_topic(Name=f"topic-{self.mark}")["TopicArn"]
            self.direct.sns.subscribe(TopicArn=self._topic, Protocol="sqs", Endpoint=self._arn(self._own_queue))
        self.direct.sns.publish(TopicArn=self._topic, Message=json.dumps(body))

    def depth(self) -> QueueDepth:
        return self._queue.depth()

    def is_drained(self) -> bool:
        return self.depth() == QueueDepth(0, 0, 0)

    def close(self) -> None:
        for url in (self._own_queue, self.dead_url):
            self.direct.sqs.delete_queue(QueueUrl=url)
        if self.pool is not None:
            self.direct.cognito.delete_user_pool(UserPoolId=self.pool)

    def _arn(self, url: str) -> str:
        return self.direct.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


class Daemon:
    """A command of this program as a process, with what it said and what it made."""

    def __init__(
        self,
        environment: Mapping[str, str],
        folder: Path,
        command: str = "run",
        *more: str,
        through: Sequence[str] = (),
    ) -> None:
        self.state = Path(environment["RECONFIGURE_STATE_DIR"])
        self.out, self.err = folder / f"{uuid.uuid4().hex}.out", folder / f"{uuid.uuid4().hex}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            arguments = [*through, sys.executable, "-m", "reconfigure", command, *more]
            self.process = subprocess.Popen(arguments, cwd=CHECKOUT, env=environment, stdout=out, stderr=err)

    def lines(self) -> list[dict[str, Any]]:
        """What it logged; each line has to be a JSON object."""
        text = self.out.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def said(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """Return the log lines of an event in which these fields have these values."""
        wanted = {"event": event, **fields}
        return [line for line in self.lines() if wanted.items() <= line.items()]

    def wait(self, event: str, count: int = 1, **fields: object) -> dict[str, Any]:
        """Wait until it logged something so many times; return the last of these lines."""

        def logged() -> bool:
            found = len(self.said(event, **fields)) >= count
            code = self.process.poll()
            assert found or code is None, f"it ended with {code}: {self.out.read_text()} {self.err.read_text()}"
            return found

        try:
            _until(logged, f"{count} x {event} {fields}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it said: {self.out.read_text()[-3000:]}") from None
        return self.said(event, **fields)[count - 1]

    def passes(self) -> list[str]:
        return [line["outcome"] for line in self.said("pass_finished")]

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.state / "status.json").read_text())
        return document

    def status_when(self, true: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait until its status document, which comes after the log line of a pass, is so; return it."""
        written = self.state / "status.json"
        _until(lambda: written.exists() and true(self.status()), "what the status should say")
        return self.status()

    def served(self) -> dict[str, str]:
        """What the live access map answers for each address, as makemap reads it back.

        A flip between its look at a file and its opening of it would make makemap refuse: the generation is named.
        """
        if not (self.state / "current").exists():
            return {}
        generation = (self.state / "current").resolve()
        command = ["makemap", "-u", "-C", os.devnull, "btree", str(generation / "mail/access")]
        dumped = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
        return dict(re.findall(r"^to:(\S+)\s+(.+)$", dumped, re.MULTILINE))

    def generations(self) -> dict[str, int]:
        """Everything under generations/, with the time of its last change."""
        folder = self.state / "generations"
        return {str(path): path.lstat().st_mtime_ns for path in [folder, *folder.rglob("*")]}

    def tell(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code; it has ten seconds."""
        self.process.send_signal(number)
        return self.process.wait(timeout=10)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "RECONFIGURE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret-access-key")


@pytest.fixture
def proxy(double_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(double_url) as proxy:
        yield proxy


@pytest.fixture
def world(double_url: str, proxy: FaultProxy, credentials: None) -> Iterator[World]:  # noqa: ARG001 (its effect)
    direct = Clients(REGION, double_url)
    world = World(direct, proxy)
    yield world
    world.close()
    direct.close()


@pytest.fixture
def pings() -> Iterator[HealthchecksDouble]:
    with HealthchecksDouble() as double:
        yield double


@pytest.fixture
def environment(world: World, pings: HealthchecksDouble, tmp_path: Path) -> dict[str, str]:
    """The smtp-in tier without a user pool, quick to retry, with a timer that no test lives to see."""
    empty = tmp_path / "empty.yaml"
    empty.touch()
    return {
        "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing-secret-access-key",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": world.proxy.url,
        "TIER": "smtp-in",
        "CERT_DOMAIN": "mail.example.com",
        "ADDRESSES_TABLE": world.table,
        "SQS_QUEUE_URL": world.queue_url,
        "HEALTHCHECK_PING_URL": pings.url("tier"),
        "RECONFIGURE_CONFIG": str(empty),
        "RECONFIGURE_STATE_DIR": str(tmp_path / "state"),
        "RECONFIGURE_SECRETS_DIR": str(tmp_path / "secrets"),
        "RECONFIGURE_HOMES_DIR": str(tmp_path / "homes"),
        "RECONFIGURE_SUPERVISOR_SOCKET": str(tmp_path / "supervisor.sock"),
        "RECONFIGURE_HTTP": "off",  # its port would be one for all
        "RECONFIGURE_INTERVAL": "3600",
        "RECONFIGURE_RETRY_SECONDS": "0.3",
        "RECONFIGURE_POLL_SECONDS": "1",
        "RECONFIGURE_HEARTBEAT_SPACING": "0",
        "RECONFIGURE_LOG_LEVEL": "debug",
    }


@pytest.fixture
def with_users(environment: dict[str, str], world: World) -> dict[str, str]:
    """The imap tier, which has users: alice and bob."""
    (Path(environment["RECONFIGURE_HOMES_DIR"])).mkdir()
    world.add_users("alice", "bob")
    assert world.pool is not None
    return environment | {"TIER": "imap", "COGNITO_POOL_ID": world.pool, "COGNITO_CLIENT_ID": "abc123"}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start a command (`run` unless named), with settings over those of `environment`, `through` another program."""
    started: list[Daemon] = []

    def start(command: str = "run", *more: str, through: Sequence[str] = (), **settings: str) -> Daemon:
        started.append(Daemon(environment | settings, tmp_path, command, *more, through=through))
        return started[-1]

    yield start
    for daemon in started:
        daemon.end()


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    """The same settings, for parts that a test runs itself."""
    return load(environment)
