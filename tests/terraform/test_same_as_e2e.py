"""What the containers are tested against is made as the module makes it, but for names."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from embedded.aws import Clients, World
from reconfigure.settings import Tier
from tests.stack.processes import service
from tests.terraform.deployed import queue_url
from tests.terraform.module import Module

each_tier = pytest.mark.parametrize("tier", list(Tier))


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The double as the containers get it, in a process of its own."""
    file = tmp_path_factory.mktemp("seeded") / "aws.json"
    with service("embedded.aws", "--file", str(file), environ={}):
        yield World.read(file)


def shape(clients: Clients, table: str) -> dict[str, Any]:
    """Return what readers and writers of a table rely on."""
    described: Any = clients.dynamodb.describe_table(TableName=table)["Table"]
    expires: Any = clients.dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    return {
        "keys": described["KeySchema"],
        "attributes": sorted(described["AttributeDefinitions"], key=lambda each: str(each["AttributeName"])),
        "billing": described["BillingModeSummary"]["BillingMode"],
        "expires": expires.get("AttributeName"),
    }


def test_tables(module: Module, aws: Clients, seeded: World) -> None:
    theirs = Clients(seeded.url)
    assert shape(theirs, seeded.table) == shape(aws, module.output("addresses_table_name"))
    assert shape(theirs, seeded.fleet_table) == shape(aws, module.output("fleet_table_name"))


@each_tier
def test_queues(module: Module, aws: Clients, seeded: World, tier: Tier) -> None:
    def relied_on(clients: Clients, url: str) -> dict[str, Any]:
        found = clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        redrive = json.loads(found["RedrivePolicy"])
        dead = redrive["deadLetterTargetArn"].rpartition(":")[2]
        return {
            "hidden": found["VisibilityTimeout"],
            "receives": redrive["maxReceiveCount"],
            "dead letters go to": dead.removeprefix("tf-messages").removeprefix("reconfigure"),
        }

    ours = relied_on(aws, queue_url(aws, module.output("queue_urls")[tier]))
    assert relied_on(Clients(seeded.url), seeded.tiers[tier].queue_url) == ours


def test_every_queue_is_told_in_the_envelope_of_the_topic(module: Module, aws: Clients, seeded: World) -> None:
    def told(clients: Clients, topic: str) -> list[tuple[str, str, str]]:
        found = clients.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return sorted(
            (
                each["Protocol"],
                next(tier for tier in ("smtp-out", "smtp-in", "imap") if each["Endpoint"].endswith(f"-{tier}")),
                clients.sns.get_subscription_attributes(SubscriptionArn=each["SubscriptionArn"])["Attributes"].get(
                    "RawMessageDelivery", "false"
                ),
            )
            for each in found
        )

    ours = told(aws, module.output("topic_arn"))
    assert len(ours) == len(Tier)
    assert told(Clients(seeded.url), seeded.topic_arn) == ours


@each_tier
def test_the_parameters_of_the_heartbeats(module: Module, seeded: World, tier: Tier) -> None:
    assert seeded.tiers[tier].ping_param == module.output("heartbeat_parameters")[tier].replace(
        "tf-messages", "reconfigure"
    )
