"""With the rendered policies the reconciler's own code works, and without any one action something says its name.

The double enforces IAM over HTTP, but by the action alone. So it gets the policies with `*` for resources, and what
was asked of which resource is recorded at the client and held against the policies as they are.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from embedded.aws import Clients as Admin
from embedded.aws import Server
from reconfigure import notify
from reconfigure.assembly import fleet_table
from reconfigure.checkup.aws import checks
from reconfigure.checkup.finding import Absent, Harm
from reconfigure.errors import ReconfigureError
from reconfigure.fleet.roll import Row
from reconfigure.settings import Settings, Tier, load
from reconfigure.sources import addresses, named, users
from reconfigure.sources.aws import Clients
from reconfigure.sources.parameters import Parameter
from reconfigure.sources.peek import peek
from reconfigure.sources.queue import Queue
from reconfigure.sources.queue_facts import facts
from reconfigure.sources.redrive import one_by_one
from reconfigure.sources.retry import Source, aws_errors, failure
from tests.terraform.deployed import deploy, queue_url
from tests.terraform.module import GIVEN, REGION, Module
from tests.terraform.test_policies import statements

ACTIONS = [
    "cognito-idp:DescribeUserPoolClient",
    "cognito-idp:ListUsers",
    "dynamodb:BatchGetItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "sns:Publish",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:PurgeQueue",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "ssm:GetParameter",
]
UNKNOWN_TO_THE_DOUBLE = {"sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks"}
# AWS asks for the action of the single request where the request is a batch; the double asks for the batch's own name.
BATCHES = {
    "sqs:DeleteMessage": "sqs:DeleteMessageBatch",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
}
each_tier = pytest.mark.parametrize("tier", list(Tier))


@dataclass
class Cloud:
    """The double with the module in it, and a user whose policy is what a test says."""

    module: Module
    admin: Admin
    key: Mapping[str, str]
    asked: set[tuple[str, str]] = field(default_factory=set)

    def enforce(self, *, enforced: bool) -> None:
        """Have the double ask for permissions, or not."""
        after = "0" if enforced else "inf"  # requests that are let through before it asks
        requests.post(f"{self.admin.url}/moto-api/reset-auth", data=after, timeout=10).raise_for_status()

    def settings(self, tier: Tier) -> dict[str, str]:
        """Return the settings that a task of the tier gets, with queues where the double has them."""
        found: dict[str, str] = dict(self.module.local("environment")[tier])
        for name in ("SQS_QUEUE_URL", "SQS_DLQ_URL"):
            found[name] = queue_url(self.admin, found[name])
        return found | {"AWS_ENDPOINT_URL": self.admin.url}

    @contextmanager
    def allowed(self, actions: set[str]) -> Iterator[Clients]:
        """Give the reconciler's clients, which may do just that."""
        iam = self.admin.session.client("iam", endpoint_url=self.admin.url)
        named_so = sorted(actions | {BATCHES[action] for action in actions & BATCHES.keys()})
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": named_so, "Resource": "*"}]}
        iam.put_user_policy(UserName="task", PolicyName="tier", PolicyDocument=json.dumps(policy))
        clients = Clients(REGION, self.admin.url, 1)
        for service in ("dynamodb", "fleet", "cognito", "sqs", "ssm"):
            getattr(clients, service).meta.events.register("provide-client-params", self._note)
        self.enforce(enforced=True)
        try:
            yield clients
        finally:
            self.enforce(enforced=False)
            clients.close()

    def _note(self, params: Any, model: Any, **_: Any) -> None:
        action = f"{model.service_model.signing_name}:{model.name.removesuffix('Batch')}"
        for name in ("TableName", "UserPoolId", "QueueUrl", "Name"):
            if name in params:
                self.asked.add((action, params[name].rpartition("/")[2] if name == "QueueUrl" else params[name]))
        for table in params.get("RequestItems", ()):
            self.asked.add((action, table))


@pytest.fixture(scope="module")
def cloud() -> Iterator[Cloud]:
    with Server() as server, pytest.MonkeyPatch.context() as patch:
        admin = Admin(server.url)
        pool = admin.cognito.create_user_pool(PoolName="tf-contract")["UserPool"]["Id"]
        given = {"name": "tf-contract", "user_pool_id": pool, "addresses_table_name": "tf-contract-addresses"}
        module = Module(given={**GIVEN, **given, "create_addresses_table": True})
        assert not list(module.refusals())
        deploy(module, admin)
        iam = admin.session.client("iam", endpoint_url=server.url)
        iam.create_user(UserName="task")
        key = iam.create_access_key(UserName="task")["AccessKey"]
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        patch.delenv("AWS_PROFILE", raising=False)
        yield Cloud(module, admin, {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]})


def take(clients: Clients, url: str) -> None:
    queue = Queue(clients.sqs, url, poll_seconds=0)
    received = queue.receive()
    assert received, "nothing was on the queue"
    queue.delay(received, 30)
    queue.acknowledge(received)


def take_part(clients: Clients, settings: Settings) -> None:
    """Do once what a task does in the fleet."""
    table = fleet_table(settings, clients)
    assert table is not None
    tier = settings.tier.value
    table.append(tier, table.log(tier), ["a@example.com"], task="one")
    table.put(Row(tier=tier, task="one", version="1", state="ok"))
    assert [row.task for row in table.tiers([tier])[tier].rows] == ["one"]
    table.remove(tier, "one")


def purge(clients: Clients, url: str) -> None:
    try:
        clients.sqs.purge_queue(QueueUrl=url)
    except clients.sqs.exceptions.PurgeQueueInProgress:
        pass  # once a minute is all that SQS does; it was allowed
    except aws_errors() as error:
        source = Source(where=url, action="sqs:PurgeQueue", settings="SQS_QUEUE_URL")
        raise failure(error, "the answer to PurgeQueue", source=source) from error


def redrive(clients: Clients, dead: str, queue: str) -> None:
    ends = facts(clients.sqs, dead), facts(clients.sqs, queue)
    moved = one_by_one(clients.sqs, *ends, limit=None, everything=True, progress=lambda _: None)
    if moved.error is not None:
        raise ReconfigureError(moved.error)
    assert moved.moved >= 1
    assert moved.copies == 0


def examine(settings: Settings, clients: Clients) -> None:
    """Fail with what the doctor says must be allowed; what else ails the double does not matter."""
    found = []
    for check in checks(settings, clients).values():
        try:
            check()
        except Harm as harm:
            found += [f"{harm}; {harm.fix}"]
        except Absent as absent:
            found += [str(absent)]
    found = [said for said in found if "allow" in said or "is not authorized" in said]
    if found:
        raise ReconfigureError("; ".join(found))


def attempts(cloud: Cloud, told: Mapping[str, str], clients: Clients) -> dict[str, Callable[[], object]]:
    """Return what a tier and its operators do at AWS, by the code that does it."""
    settings = load(told)
    assert settings.sqs_queue_url is not None
    assert settings.sqs_dlq_url is not None
    table, queue_at, dead_at = settings.addresses_table, settings.sqs_queue_url, settings.sqs_dlq_url

    session = boto3.Session(cloud.key["id"], cloud.key["secret"], region_name=REGION)
    return {
        "scan": lambda: list(addresses.scan(clients.dynamodb, table, attempts=1, checkpoint=lambda: None)),
        "by key": lambda: named.get(clients.dynamodb, table, ["a@example.com"], attempts=1, checkpoint=lambda: None),
        "users": lambda: users.read(
            clients.cognito, str(settings.cognito_pool_id), attempts=1, checkpoint=lambda: None
        ),
        "fleet": lambda: take_part(clients, settings),
        "depth": lambda: (facts(clients.sqs, queue_at), facts(clients.sqs, dead_at)),
        "messages": lambda: take(clients, queue_at),
        "ping URL": Parameter(lambda: clients.ssm, str(settings.healthcheck_ping_param)).value,
        "doctor": lambda: examine(settings, clients),
        "purge": lambda: purge(clients, queue_at),
        "notify": lambda: notify.publish(
            topic_arn=settings.topic_arn, endpoint_url=cloud.admin.url, region=REGION, session=session
        ),
        # Last, since each waits a second for messages that do not come.
        "peek": lambda: peek(clients.sqs, facts(clients.sqs, dead_at), limit=10),
        "redrive": lambda: redrive(clients, dead_at, queue_at),
    }


def refusals(cloud: Cloud, tier: Tier, actions: set[str], *, until: str | None = None) -> dict[str, str]:
    """Return what did not work with just these actions, and what it said; no further than to a word looked for."""
    told = cloud.settings(tier)
    for name in ("SQS_QUEUE_URL", "SQS_DLQ_URL"):
        cloud.admin.sqs.send_message(QueueUrl=told[name], MessageBody='{"event": "resync"}')
    said: dict[str, str] = {}
    with cloud.allowed(actions) as clients:
        for name, attempt in attempts(cloud, told, clients).items():
            with capture_logs() as logs:
                try:
                    attempt()
                except (ReconfigureError, ClientError) as error:
                    said[name] = str(error)
                except AssertionError:
                    if actions == allowed(tier):
                        raise
            failed = [str(log["error"]) for log in logs if log["log_level"] == "warning"]
            if failed:
                said[name] = said.get(name, "") + " ".join(failed)
            if until is not None and until in said.get(name, ""):
                break
    return said


def allowed(tier: Tier) -> set[str]:
    both = (*statements("tier", tier), *statements("operators", tier))
    return {action for statement in both for action in statement["Action"]}


@each_tier
def test_the_rendered_policies_are_enough(cloud: Cloud, tier: Tier) -> None:
    assert refusals(cloud, tier, allowed(tier)) == {}


@each_tier
@pytest.mark.parametrize("action", ACTIONS)
def test_without_one_action_something_says_its_name(cloud: Cloud, tier: Tier, action: str) -> None:
    said = refusals(cloud, tier, allowed(tier) - {action}, until=action)
    assert [text for text in said.values() if action in text], said


@each_tier
def test_every_action_of_the_policies_was_taken_away_once(tier: Tier) -> None:
    assert set(ACTIONS) == allowed(tier) - UNKNOWN_TO_THE_DOUBLE


@each_tier
def test_each_request_is_about_a_resource_that_the_policies_name(cloud: Cloud, tier: Tier) -> None:
    cloud.asked.clear()
    refusals(cloud, tier, allowed(tier))
    both = (*statements("tier", tier, cloud.module), *statements("operators", tier, cloud.module))
    assert len(cloud.asked) > 10
    for action, name in cloud.asked:
        resources = [each for statement in both if action in statement["Action"] for each in statement["Resource"]]
        assert [each for each in resources if each.endswith((f":{name}", f"/{name}", f"parameter{name}"))], (
            action,
            name,
        )
