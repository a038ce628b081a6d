"""Each policy allows what docs/reference/permissions.md lists, on what is named, and no more."""

import re
from typing import Any

import pytest

from reconfigure.settings import Tier
from tests.cli.test_permissions import ACTION, PAGE
from tests.terraform.module import ACCOUNT, GIVEN, REGION, Instance, Module
from tests.terraform.test_containers import SERVICES
from tests.terraform.test_files import NETWORK

MODULE = Module(
    given={
        **GIVEN,
        **NETWORK,
        "services": SERVICES,
        "create_addresses_table": True,
        "stream_package": "publish.zip",
        "secrets_kms_key_arns": [f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"],
    }
)
NOT_SIGNED = "cognito-idp:InitiateAuth"
ONLY_WITHOUT_DLQ_URL = "sqs:GetQueueUrl"
# Actions that know no resource, by the Service Authorization Reference.
NO_RESOURCE = {
    "ecr:GetAuthorizationToken",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
each_tier = pytest.mark.parametrize("tier", list(Tier))


def documents(module: Module) -> list[Instance]:
    """Return every policy document, those that say who may take a role too."""
    found = [module.instances(b.address) for b in module.blocks.values() if b.type == "aws_iam_policy_document"]
    return [each for one in found for each in (one.values() if isinstance(one, dict) else [one])]


def statements(which: str, tier: Tier, module: Module = MODULE) -> list[dict[str, Any]]:
    found: Instance = module.instances(f"data.aws_iam_policy_document.{which}")[tier]
    return list(found.policy()["Statement"])


def actions(which: str, tier: Tier) -> list[str]:
    return [action for statement in statements(which, tier) for action in statement["Action"]]


def listed() -> set[str]:
    """Return the actions of the page's table."""
    return set(re.findall(ACTION, PAGE.partition("```json")[0]))


@each_tier
def test_a_tier_and_its_operators_may_do_what_the_page_lists_and_no_more(tier: Tier) -> None:
    allowed = {*actions("tier", tier), *actions("operators", tier)}
    assert allowed == listed() - {NOT_SIGNED, ONLY_WITHOUT_DLQ_URL}


@each_tier
def test_the_url_is_set_that_spares_a_permission(tier: Tier) -> None:
    assert MODULE.local("environment")[tier]["SQS_DLQ_URL"]


@each_tier
def test_what_only_operators_do_is_not_in_the_tiers_policy(tier: Tier) -> None:
    changing = {"sqs:SendMessage", "sqs:PurgeQueue", "sqs:StartMessageMoveTask", "sns:Publish"}
    assert not changing & set(actions("tier", tier))
    theirs = MODULE.instances("aws_iam_role_policy_attachment.operators")
    assert set(theirs) == set(Tier)
    without = Module(given={**MODULE.given, "operators_in_tasks": False})
    assert not without.instances("aws_iam_role_policy_attachment.operators")
    assert "RECONFIGURE_TOPIC_ARN" not in without.local("environment")[tier]


@each_tier
def test_a_tier_touches_no_queue_or_parameter_of_another(tier: Tier) -> None:
    others = [f"reconfigure-{other}" for other in Tier if other is not tier]
    for statement in (*statements("tier", tier), *statements("operators", tier)):
        for resource in statement["Resource"]:
            assert resource.startswith("arn:aws:")
            assert "*" not in resource
            name = re.split("[:/]", resource)
            assert not {*name} & {*others, *(f"{other}-dead" for other in others)}
            assert "parameter" not in resource or f"/{tier}/" in resource


def test_no_action_is_a_wildcard_and_no_resource_but_where_aws_knows_none() -> None:
    found = documents(MODULE)
    assert len(found) > 12
    wild = set()
    for document in found:
        for statement in document.policy()["Statement"]:
            assert statement["Effect"] == "Allow"
            assert not [action for action in statement["Action"] if "*" in action]
            if "*" in statement.get("Resource", ()):
                wild |= set(statement["Action"])
            assert statement.get("Principal", {}).get("Service", [""]) != ["*"]
    assert wild <= NO_RESOURCE
    assert "ssmmessages:OpenDataChannel" in wild


def test_what_starts_a_container_reads_its_secrets_and_no_other() -> None:
    secret = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:tls-AbCdEf"
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/tls-ca"
    secrets = {"TLS_CA_BUNDLE": parameter, "TLS_CERT": f"{secret}:cert::", "TLS_KEY": f"{secret}:key::"}
    module = Module(given={**GIVEN, **NETWORK, "services": {"smtp-in": {"image": "mail", "secrets": secrets}}})
    found = {each["Sid"]: each for each in statements("execution", Tier.SMTP_IN, module)}
    assert found["ReadSecretParameters"]["Resource"] == [parameter]
    assert found["ReadSecrets"]["Resource"] == [secret]
    assert set(found) == {"ReadSecretParameters", "ReadSecrets", "WriteLog"}


def test_only_ecs_tasks_of_this_account_take_the_roles() -> None:
    (statement,) = MODULE.instances("data.aws_iam_policy_document.tasks_assume").policy()["Statement"]
    assert statement["Principal"] == {"Service": ["ecs-tasks.amazonaws.com"]}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": [ACCOUNT]}}
