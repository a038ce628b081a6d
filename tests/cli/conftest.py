"""A small world in an AWS double over HTTP, settings that lead to it, and two ways to call the real command.

Everything in the double has a name of its own and is deleted again, since its state is shared by the whole process.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import structlog
from click.testing import CliRunner, Result

from reconfigure.cli import cli
from reconfigure.daemons import Supervisor
from reconfigure.errors import ReloadError
from reconfigure.sources.aws import Clients

REGION = "eu-west-1"
USERS = {"alice": 2001, "bob": 2002, "carol": 2003}
ADDRESSES = {
    "alice@example.com": "alice",
    "bob@example.com": "bob",
    "carol@example.com": "carol",
    "shop@acme.example.com": "alice",
    "orders@acme.example.com": "bob",
    "team@acme.example.com": "alice/bob",
    "seeds@garden.example.org": "carol",
    "bees@garden.example.org": "carol",
    "Bad Row@example.com": "alice",
}

SUPERVISORD = """
[supervisord]
nodaemon=true
silent=true
logfile={folder}/supervisord.log
pidfile={folder}/pid
[unix_http_server]
file={folder}/s
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[group:mail]
programs=opendkim
[program:opendkim]
command={python} -I -S {folder}/daemon.py
startsecs=0
stdout_logfile=NONE
stderr_logfile=NONE
{more}
"""


# Takes SIGUSR1 as opendkim does, and notes it beside itself.
DAEMON = """
import pathlib, signal
told = pathlib.Path(__file__).with_name("told")
signal.signal(signal.SIGUSR1, lambda *_: told.write_text(told.read_text() + "USR1 "))
told.write_text("")
while True:
    signal.pause()
"""


class Run(Protocol):
    """Calls the command in this process; a traceback fails the test."""

    def __call__(self, *arguments: str, answer: str | None = None) -> Result: ...


class Spawn(Protocol):
    """Calls the command in a process of its own, `powerless` against file modes; a traceback fails the test."""

    def __call__(
        self, *arguments: str, powerless: bool = False, **options: Any
    ) -> subprocess.CompletedProcess[str]: ...


class World:
    """The table, pool, queue and topic of one test."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        name = f"cli-{uuid.uuid4().hex}"
        self.table = name
        clients.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        pool = clients.cognito.create_user_pool(
            PoolName=name,
            Schema=[
                {"Name": each, "AttributeDataType": "String", "Mutable": True} for each in ("osid", "sending_limit")
            ],
        )
        self.pool = pool["UserPool"]["Id"]
        self.queue_url = clients.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.topic_arn = clients.sns.create_topic(Name=name)["TopicArn"]
        for user, uid in USERS.items():
            self.add_user(user, uid)
        for address, users in ADDRESSES.items():
            self.put(address, users)

    def put(self, address: str, users: str, *, suspended: bool = False) -> None:
        """Write a row as the admin app does."""
        local, _, domain = address.rpartition("@")
        self._clients.dynamodb.put_item(
            TableName=self.table,
            Item={
                "address": {"S": address},
                "username": {"S": local},
                "tld": {"S": domain},
                "user": {"S": users},
                "suspended": {"BOOL": suspended},
            },
        )

    def delete(self, *addresses: str) -> None:
        """Delete rows."""
        for address in addresses:
            self._clients.dynamodb.delete_item(TableName=self.table, Key={"address": {"S": address}})

    def add_user(self, name: str, uid: int, **attributes: str) -> None:
        """Make a confirmed user."""
        self._clients.cognito.admin_create_user(
            UserPoolId=self.pool,
            Username=name,
            UserAttributes=[
                {"Name": f"custom:{each}", "Value": value} for each, value in {"osid": str(uid), **attributes}.items()
            ],
            MessageAction="SUPPRESS",
        )
        self._clients.cognito.admin_set_user_password(
            UserPoolId=self.pool, Username=name, Password="Sample-passw0rd", Permanent=True
        )

    def make_client(self, writable: list[str] | None) -> str:
        """Make an app client, whose users may write these attributes; return its id."""
        told: dict[str, Any] = {"UserPoolId": self.pool, "ClientName": "mail"}
        if writable is not None:
            told["WriteAttributes"] = writable
        return str(self._clients.cognito.create_user_pool_client(**told)["UserPoolClient"]["ClientId"])

    def disable(self, name: str) -> None:
        """Let a user no longer log in."""
        self._clients.cognito.admin_disable_user(UserPoolId=self.pool, Username=name)

    def messages(self) -> list[dict[str, Any]]:
        """Take what lies on the queue."""
        answer = self._clients.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def subscribe(self) -> None:
        """Let the topic fan out to the queue, in SNS's envelope."""
        answer = self._clients.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])
        arn = answer["Attributes"]["QueueArn"]
        self._clients.sns.subscribe(TopicArn=self.topic_arn, Protocol="sqs", Endpoint=arn)

    def remove(self) -> None:
        """Delete all of it."""
        self._clients.dynamodb.delete_table(TableName=self.table)
        self._clients.cognito.delete_user_pool(UserPoolId=self.pool)
        self._clients.sqs.delete_queue(QueueUrl=self.queue_url)
        self._clients.sns.delete_topic(TopicArn=self.topic_arn)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket, that other users may look into."""
    folder = Path(tempfile.mkdtemp(prefix="rc-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def environment(folder: Path, double_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Settings of an imap tier without AWS resources."""
    for name in list(os.environ):
        if name.startswith(("RECONFIGURE_", "AWS_", "SQS_", "COGNITO_", "HEALTHCHECK_", "_RECONFIGURE")):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "SUDO_USER", "PREFLIGHT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "TIER": "imap",
        "CERT_DOMAIN": "mail.example.com",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": double_url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "COGNITO_POOL_ID": f"{REGION}_none",
        "COGNITO_CLIENT_ID": "client",
        "RECONFIGURE_STATE_DIR": str(folder / "state"),
        "RECONFIGURE_HOMES_DIR": str(folder / "homes"),
        "RECONFIGURE_SUPERVISOR_SOCKET": str(folder / "s"),
        "RECONFIGURE_GUARD_MINIMUM": "3",
        "RECONFIGURE_LOCK_WAIT": "20",
        "RECONFIGURE_TASK": "task-1",
        "COLUMNS": "80",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def world(environment: pytest.MonkeyPatch, double_url: str) -> Iterator[World]:
    """A world in the double, which the settings name."""
    clients = Clients(REGION, double_url)
    world = World(clients)
    environment.setenv("ADDRESSES_TABLE", world.table)
    environment.setenv("COGNITO_POOL_ID", world.pool)
    yield world
    world.remove()
    clients.close()


@pytest.fixture
def state(folder: Path) -> Path:
    return folder / "state"


@pytest.fixture
def run(environment: pytest.MonkeyPatch) -> Iterator[Run]:  # noqa: ARG001  (only its effect is needed)
    def run(*arguments: str, answer: str | None = None) -> Result:
        result = CliRunner().invoke(cli, list(arguments), input=answer, prog_name="reconfigure")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    yield run
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def spawn(environment: pytest.MonkeyPatch) -> Spawn:  # noqa: ARG001  (only its effect is needed)
    def spawn(*arguments: str, powerless: bool = False, **options: Any) -> subprocess.CompletedProcess[str]:
        # Without capabilities, the modes of files mean to root what they mean to anyone.
        prefix = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if powerless and os.geteuid() == 0 else []
        command = [*prefix, sys.executable, "-m", "reconfigure", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return spawn


@pytest.fixture
def live(world: World, run: Run) -> World:
    """A world that one pass has made live."""
    result = run("once")
    assert result.exit_code == 0, result.output
    return world


@pytest.fixture
def changed(live: World, run: Run) -> World:
    """A world with two generations: in the second, an address came, one went and one was suspended."""
    live.put("new@acme.example.com", "carol")
    live.delete("orders@acme.example.com")
    live.put("shop@acme.example.com", "alice", suspended=True)
    result = run("once")
    assert result.exit_code == 0, result.output
    return live


@pytest.fixture
def held(live: World, run: Run) -> World:
    """A world of which too much went: the second generation is held."""
    live.delete("seeds@garden.example.org", "bees@garden.example.org", "carol@example.com", "bob@example.com")
    result = run("once")
    assert result.exit_code == 1, result.output
    return live


@pytest.fixture
def generations(state: Path) -> Callable[[], list[str]]:
    """The ids of the generations on disk, oldest first."""
    return lambda: sorted(path.name for path in (state / "generations").iterdir())


@pytest.fixture
def active(state: Path) -> Callable[[], str]:
    """The id of the active generation."""
    return lambda: (state / "current").readlink().name


@pytest.fixture
def supervise(folder: Path) -> Iterator[Callable[[str], Supervisor]]:
    """Runs a real supervisord where the settings look for it: with a program opendkim, and what is given."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(more: str = "") -> Supervisor:
        (folder / "daemon.py").write_text(DAEMON)
        configuration = folder / "supervisord.conf"
        configuration.write_text(SUPERVISORD.format(folder=folder, python=sys.executable, more=more))
        command = [str(Path(sys.executable).with_name("supervisord")), "-c", str(configuration)]
        processes.append(subprocess.Popen(command, env=os.environ | {"PYTHONWARNINGS": ""}))
        supervisor = Supervisor(folder / "s")
        deadline = time.monotonic() + 30
        while True:
            try:
                settled = {program.state for program in supervisor.programs()} <= {"RUNNING", "FATAL", "EXITED"}
            except ReloadError:
                settled = False
            if settled:
                return supervisor
            assert time.monotonic() < deadline, "supervisord did not come up within 30 s"
            time.sleep(0.02)

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            process.kill()
            process.wait()
