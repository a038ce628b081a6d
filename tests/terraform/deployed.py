"""Topic, queues, tables and parameters of the module, created in an AWS double as the files say them."""

from collections.abc import Mapping
from typing import Any

from embedded.aws import Clients
from tests.terraform.module import Instance, Module

_QUEUE_ATTRIBUTES = {
    "message_retention_seconds": "MessageRetentionPeriod",
    "receive_wait_time_seconds": "ReceiveMessageWaitTimeSeconds",
    "visibility_timeout_seconds": "VisibilityTimeout",
    "sqs_managed_sse_enabled": "SqsManagedSseEnabled",
    "redrive_policy": "RedrivePolicy",
}


def deploy(module: Module, aws: Clients) -> None:
    """Create them, in the order in which one names another."""
    for topic in module.all("aws_sns_topic"):
        aws.sns.create_topic(Name=topic.get("name"), Attributes={"KmsMasterKeyId": topic.get("kms_master_key_id")})
    # What names no dead-letter queue comes first.
    for queue in sorted(module.all("aws_sqs_queue"), key=lambda queue: queue.get("redrive_policy") is not None):
        attributes: Any = {
            theirs: str(value).lower() if isinstance(value, bool) else str(value)
            for ours, theirs in _QUEUE_ATTRIBUTES.items()
            if (value := queue.get(ours)) is not None
        }
        aws.sqs.create_queue(QueueName=queue.get("name"), Attributes=attributes)
    for policy in module.all("aws_sqs_queue_policy"):
        attributes = {"Policy": policy.get("policy")}
        aws.sqs.set_queue_attributes(QueueUrl=queue_url(aws, policy.get("queue_url")), Attributes=attributes)
    for subscription in module.all("aws_sns_topic_subscription"):
        aws.sns.subscribe(
            TopicArn=subscription.get("topic_arn"),
            Protocol=subscription.get("protocol"),
            Endpoint=subscription.get("endpoint"),
        )
    for table in module.all("aws_dynamodb_table"):
        _create_table(table, aws)
    for parameter in module.all("aws_ssm_parameter"):
        aws.ssm.put_parameter(Name=parameter.get("name"), Value=parameter.get("value"), Type=parameter.get("type"))


def queue_url(aws: Clients, url: str) -> str:
    """Return the double's URL of a queue."""
    return aws.sqs.get_queue_url(QueueName=url.rpartition("/")[2])["QueueUrl"]


def _create_table(table: Instance, aws: Clients) -> None:
    name = table.get("name")
    keys = [{"AttributeName": table.get("hash_key"), "KeyType": "HASH"}]
    if table.get("range_key") is not None:
        keys.append({"AttributeName": table.get("range_key"), "KeyType": "RANGE"})
    request: dict[str, Any] = {
        "TableName": name,
        "BillingMode": table.get("billing_mode"),
        "KeySchema": keys,
        "AttributeDefinitions": [
            {"AttributeName": each["name"], "AttributeType": each["type"]} for each in table.get("attribute")
        ],
        "SSESpecification": {"Enabled": table.get("server_side_encryption")[0]["enabled"]},
    }
    if table.get("stream_enabled"):
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": table.get("stream_view_type")}
    aws.dynamodb.create_table(**request)
    backups: Mapping[str, Any] = table.get("point_in_time_recovery")[0]
    aws.dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": backups["enabled"]}
    )
    for ttl in table.get("ttl") or ():
        aws.dynamodb.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": ttl["enabled"], "AttributeName": ttl["attribute_name"]},
        )
