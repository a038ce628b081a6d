"""What the files say of topic, queues and tables does what the tiers count on, in an AWS double over HTTP."""

import json
from typing import Any

import pytest

from embedded.aws import Clients
from reconfigure import notify
from reconfigure.settings import Tier
from reconfigure.sources.messages import parse
from tests.terraform.deployed import queue_url
from tests.terraform.module import REGION, Module

each_tier = pytest.mark.parametrize("tier", list(Tier))


def urls(module: Module, aws: Clients, tier: Tier) -> tuple[str, str]:
    """Return the URLs of a tier's queue and of its dead-letter queue."""
    return (
        queue_url(aws, module.output("queue_urls")[tier]),
        queue_url(aws, module.output("dead_letter_queue_urls")[tier]),
    )


def attributes(aws: Clients, url: str) -> dict[str, str]:
    found = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {str(name): value for name, value in found.items()}


def publish(module: Module, aws: Clients, address: str) -> None:
    notify.publish(
        [address], topic_arn=module.output("topic_arn"), region=REGION, endpoint_url=aws.url, session=aws.session
    )


def receive(aws: Clients, url: str) -> list[Any]:
    return aws.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=0).get("Messages", [])


def drain(aws: Clients, url: str) -> None:
    while found := receive(aws, url):
        for message in found:
            aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@each_tier
def test_what_is_published_to_the_topic_reaches_the_tiers_queue(module: Module, aws: Clients, tier: Tier) -> None:
    queue, _ = urls(module, aws, tier)
    drain(aws, queue)
    publish(module, aws, "shop@acme.example.com")
    (message,) = receive(aws, queue)
    assert parse(message["Body"]).addresses == ("shop@acme.example.com",)


@each_tier
def test_a_message_that_five_receives_did_not_end_is_a_dead_letter(module: Module, aws: Clients, tier: Tier) -> None:
    queue, dead = urls(module, aws, tier)
    drain(aws, queue)
    publish(module, aws, "dead@acme.example.com")
    for _ in range(5):
        assert len(receive(aws, queue)) == 1
        assert not receive(aws, dead)
    assert not receive(aws, queue)
    (message,) = receive(aws, dead)
    assert "dead@acme.example.com" in message["Body"]


@each_tier
def test_queues_poll_long_are_encrypted_and_hold_a_dead_letter_longer(module: Module, aws: Clients, tier: Tier) -> None:
    queue, dead = (attributes(aws, url) for url in urls(module, aws, tier))
    for each in (queue, dead):
        assert each["ReceiveMessageWaitTimeSeconds"] == "20"
        assert each["SqsManagedSseEnabled"] == "true"
    assert int(dead["MessageRetentionPeriod"]) > int(queue["MessageRetentionPeriod"])
    # A pass is given two minutes by the alarm on slow ones, and renews this itself; the sixth receive must not be near.
    assert int(queue["VisibilityTimeout"]) == 60


@each_tier
def test_only_the_topic_may_send_to_a_queue(module: Module, aws: Clients, tier: Tier) -> None:
    queue, _ = urls(module, aws, tier)
    found = attributes(aws, queue)
    (statement,) = json.loads(found["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": ["sns.amazonaws.com"]}
    assert statement["Action"] == ["sqs:SendMessage"]
    assert statement["Resource"] == [found["QueueArn"]]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": [module.output("topic_arn")]}}


def test_the_address_table_is_the_one_of_the_contract(module: Module, aws: Clients) -> None:
    table = aws.dynamodb.describe_table(TableName=module.output("addresses_table_name"))["Table"]
    assert table["KeySchema"] == [{"AttributeName": "address", "KeyType": "HASH"}]
    assert table["AttributeDefinitions"] == [{"AttributeName": "address", "AttributeType": "S"}]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_fleet_rows_are_by_tier_and_task_and_expire(module: Module, aws: Clients) -> None:
    name = module.output("fleet_table_name")
    table = aws.dynamodb.describe_table(TableName=name)["Table"]
    assert table["KeySchema"] == [
        {"AttributeName": "tier", "KeyType": "HASH"},
        {"AttributeName": "task", "KeyType": "RANGE"},
    ]
    told = aws.dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert told == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


def test_tables_can_be_brought_back_to_any_second(module: Module, aws: Clients) -> None:
    for table in module.all("aws_dynamodb_table"):
        found = aws.dynamodb.describe_continuous_backups(TableName=table.get("name"))["ContinuousBackupsDescription"]
        assert found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_the_address_table_is_left_alone_unless_asked_for() -> None:
    tables = [table.get("name") for table in Module().all("aws_dynamodb_table")]
    assert tables == ["reconfigure-fleet"]


@each_tier
def test_a_ping_url_is_kept_secret_and_once_written_is_never_overwritten(
    module: Module, aws: Clients, tier: Tier
) -> None:
    name = module.output("heartbeat_parameters")[tier]
    assert aws.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Type"] == "SecureString"
    (lifecycle,) = module.blocks["aws_ssm_parameter.heartbeat"].body["lifecycle"]
    assert lifecycle["ignore_changes"] == ["value"]
