import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import pytest

from embedded import sample
from embedded.aws import Clients, World, _InOrder
from reconfigure import notify
from reconfigure.settings import Tier


def rows(aws: Clients, world: World) -> dict[str, dict[str, object]]:
    pages = aws.dynamodb.get_paginator("scan").paginate(TableName=world.table, ConsistentRead=True)
    return {item["address"]["S"]: dict(item) for page in pages for item in page["Items"]}


def test_the_table_holds_the_sample_as_the_admin_app_writes_it(aws: Clients, world: World) -> None:
    held = rows(aws, world)
    assert set(held) == {address.name for address in sample.ADDRESSES}
    assert (
        held["shop@acme.example.com"].items()
        >= {
            "username": {"S": "shop"},
            "subdomain": {"S": "acme"},
            "tld": {"S": "example.com"},
            "user": {"S": "alice"},
        }.items()
    )
    assert "subdomain" not in held["bank@example.com"]
    assert held["newsletter@acme.example.com"]["suspended"] == {"BOOL": True}


def test_of_writers_at_once_under_one_condition_one_writes(aws: Clients, world: World) -> None:
    """As with DynamoDB: a lost change in the fleet's log would be the double's doing else."""
    for number in range(20):
        item = {"address": {"S": f"once{number}@example.com"}}

        def write(item: Any = item) -> bool:
            try:
                aws.dynamodb.put_item(
                    TableName=world.table, Item=item, ConditionExpression="attribute_not_exists(address)"
                )
            except aws.dynamodb.exceptions.ConditionalCheckFailedException:
                return False
            return True

        with ThreadPoolExecutor(6) as pool:
            written = [each.result() for each in [pool.submit(write) for _ in range(6)]]
        aws.dynamodb.delete_item(TableName=world.table, Key=item)
        assert sum(written) == 1


@pytest.mark.parametrize(("target", "most"), [("DynamoDB_20120810.PutItem", 1), ("AmazonSQS.SendMessage", 8)])
def test_requests_to_dynamodb_alone_are_answered_one_after_the_other(target: str, most: int) -> None:
    """What the test above can only meet with by chance: no request is between the two steps of another."""
    inside, seen = list[None](), set[int]()
    all_in = threading.Barrier(most)

    def application(_environ: Any, _start_response: Any) -> list[bytes]:
        inside.append(None)
        all_in.wait(30)  # of whom all may come in at once, each waits for the others
        for _ in range(100):
            time.sleep(0)  # lets another thread go on
            seen.add(len(inside))
        all_in.wait(30)
        inside.pop()
        return [b""]

    answer, unused = _InOrder(application), cast("Any", None)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(answer, {"HTTP_X_AMZ_TARGET": target}, unused) for _ in range(40)]
        assert [each.result() for each in asked] == [[b""]] * 40
    assert max(seen) == most


def test_users_may_not_write_their_own_uid(aws: Clients, world: World) -> None:
    client = aws.cognito.describe_user_pool_client(UserPoolId=world.pool_id, ClientId=world.client_id)
    assert client["UserPoolClient"]["WriteAttributes"] == ["email"]


def test_every_domain_is_reserved_for_examples() -> None:
    apexes = {".".join(address.name.rpartition("@")[2].split(".")[-2:]) for address in sample.ADDRESSES}
    assert apexes == {"example.com", "example.net", "example.org"}


def test_the_sample_has_each_case_worth_looking_at() -> None:
    served = {user.name for user in sample.USERS if user.confirmed and user.enabled}
    hostile = [address for address in sample.ADDRESSES if not address.name.isprintable()]
    assert len(hostile) == 1
    users = {address.name: address.users.split("/") for address in sample.ADDRESSES if address not in hostile}
    assert sum(len(names) > 1 for names in users.values()) == 2  # shared
    assert sum(address.suspended for address in sample.ADDRESSES) == 1
    assert [name for name, names in users.items() if not served & set(names)] == ["club@garden.example.org"]


def test_the_pool_holds_confirmed_unconfirmed_and_disabled_users(aws: Clients, world: World) -> None:
    pages = aws.cognito.get_paginator("list_users").paginate(UserPoolId=world.pool_id)
    users = {user["Username"]: user for page in pages for user in page["Users"]}
    assert set(users) == {user.name for user in sample.USERS}
    assert {"Name": "custom:osid", "Value": "2001"} in users["alice"]["Attributes"]
    said = {name: (user["UserStatus"], user["Enabled"]) for name, user in users.items()}
    assert said["alice"] == ("CONFIRMED", True)
    assert said["frank"] == ("UNCONFIRMED", True)
    assert said["grace"] == ("CONFIRMED", False)


def test_a_sample_user_can_log_in(aws: Clients, world: World) -> None:
    answer = aws.cognito.initiate_auth(
        AuthFlow="USER_PASSWORD_AUTH",
        ClientId=world.client_id,
        AuthParameters={"USERNAME": "alice", "PASSWORD": sample.PASSWORD},
    )
    assert answer["AuthenticationResult"]["AccessToken"]


@pytest.mark.parametrize("tier", list(Tier))
def test_a_notification_reaches_every_tiers_queue_in_its_envelope(aws: Clients, world: World, tier: Tier) -> None:
    notify.publish(["shop@acme.example.com"], topic_arn=world.topic_arn, endpoint_url=world.url, session=aws.session)
    answer = aws.sqs.receive_message(QueueUrl=world.tiers[tier].queue_url, WaitTimeSeconds=5)
    body = json.loads(answer["Messages"][0]["Body"])
    assert body["Type"] == "Notification"
    assert json.loads(body["Message"])["addresses"] == ["shop@acme.example.com"]


@pytest.mark.parametrize("tier", list(Tier))
def test_a_tiers_queue_gives_messages_up_to_its_own_dead_letter_queue(aws: Clients, world: World, tier: Tier) -> None:
    queues = world.tiers[tier]
    attributes = aws.sqs.get_queue_attributes(QueueUrl=queues.queue_url, AttributeNames=["All"])["Attributes"]
    dead = aws.sqs.get_queue_attributes(QueueUrl=queues.dlq_url, AttributeNames=["QueueArn"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "60"
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"] == dead["QueueArn"]


@pytest.mark.parametrize("tier", list(Tier))
def test_a_tiers_parameter_holds_its_ping_url(aws: Clients, world: World, tier: Tier) -> None:
    value = aws.ssm.get_parameter(Name=world.tiers[tier].ping_param)["Parameter"]["Value"]
    assert value == f"http://127.0.0.1:9/{tier}"


def test_a_restarted_server_answers_to_the_same_ids_and_its_file_goes_with_it(
    serve_aws: Callable[..., AbstractContextManager[World]], tmp_path: Path
) -> None:
    with serve_aws(tmp_path) as first:
        port = int(first.url.rpartition(":")[2])
    assert not (tmp_path / "aws.json").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with serve_aws(tmp_path, port=port) as second:
        assert second == first
