"""AWS refuses what a pass reads: permissions taken away, capacity used up, a table that is gone."""

from typing import Any

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.drills.breaking import applies_changes, becomes
from tests.drills.conftest import Read
from tests.system.mail import Mail

Trouble = tuple[str, dict[str, Any]]
"""A kind of trouble, and how: see `stack.lab.trouble`."""

IN_DYNAMODB: dict[str, Trouble] = {
    "Denied": ("denied", {"action": "dynamodb:Scan"}),
    "Throttled": ("throttled", {}),
    "The table is not there": (
        "error",
        {"status": 400, "code": "ResourceNotFoundException", "message": "Requested resource not found"},
    ),
}
IN_COGNITO: dict[str, Trouble] = {
    "Denied": ("denied", {"action": "cognito-idp:ListUsers"}),
    "Throttled": ("throttled", {"code": "TooManyRequestsException"}),
}


def come_back(world: World) -> None:
    """See that the tiers where nobody typed anything mend themselves, by their own next try."""
    for tier in Tier:
        becomes(world, tier, "ok")


@pytest.mark.parametrize("cause", IN_DYNAMODB)
def test_drill_05_dynamodb(world: World, mail: Mail, read: Read, cause: str) -> None:
    kind, how = IN_DYNAMODB[cause]
    world.trouble.order("DynamoDB_20120810.Scan", kind, **how)
    becomes(world, Tier.SMTP_IN, "degraded")
    page = read(5, cause, tier=Tier.SMTP_IN)

    page.confirms()
    world.trouble.heal()
    page.mends()
    page.verifies()

    come_back(world)
    applies_changes(world, mail, Tier.SMTP_IN)


@pytest.mark.parametrize("cause", IN_COGNITO)
def test_drill_06_cognito(world: World, mail: Mail, read: Read, cause: str) -> None:
    kind, how = IN_COGNITO[cause]
    world.trouble.order("ListUsers", kind, **how)
    becomes(world, Tier.IMAP, "degraded")
    page = read(6, cause, tier=Tier.IMAP)

    page.confirms()
    world.trouble.heal()
    page.mends()
    page.verifies()

    come_back(world)
    applies_changes(world, mail, Tier.IMAP)
