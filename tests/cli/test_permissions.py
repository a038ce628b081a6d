"""The page of permissions names every action that the code asks for, and its policy is one."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/permissions.md").read_text(encoding="utf-8")
ACTION = r"(?:dynamodb|cognito-idp|sqs|ssm|sns):[A-Z][A-Za-z]+"


def test_the_page_names_every_action_that_an_error_message_can_name() -> None:
    asked = set()
    for path in (ROOT / "reconfigure").rglob("*.py"):
        asked |= set(re.findall(rf'"({ACTION})"', path.read_text(encoding="utf-8")))
    assert len(asked) > 8, "the code names its actions otherwise now, so this finds nothing"
    assert asked <= set(re.findall(ACTION, PAGE))


def test_the_policy_is_json_and_allows_only_what_the_table_explains() -> None:
    table, _, rest = PAGE.partition("```json\n")
    policy = json.loads(rest.partition("```")[0])
    allowed = set()
    for statement in policy["Statement"]:
        allowed |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    assert allowed
    assert allowed <= set(re.findall(ACTION, table))
