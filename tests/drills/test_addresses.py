"""One address does not do what its row says: a new one that gets no mail, a revoked one that still does."""

from collections.abc import Callable

import pytest

from embedded import sample
from reconfigure.settings import Tier
from stack.admin import AdminApp
from stack.world import World
from tests.drills.breaking import right_after_a_pass
from tests.drills.conftest import Read
from tests.system.mail import Mail
from tests.system.patience import until

TIER = Tier.SMTP_IN
NEW = "new@acme.example.com"
ORDERS = "orders@acme.example.com"
REASON = "moving the table"

Do = Callable[[AdminApp], None]

# Cause → what makes it, what the people of the admin app do about it, what the tier says meanwhile.
NO_MAIL: dict[str, tuple[Do, Do, str]] = {
    "Nobody told the tier": (
        lambda admin: admin.create(NEW, "alice", quietly=True),
        lambda _: None,
        "550 5.1.1",
    ),
    "The row does not validate": (
        lambda admin: admin.put({**sample.row(sample.SampleAddress(NEW, "alice")), "username": {"S": "newer"}}),
        lambda admin: admin.create(NEW, "alice"),
        "550 5.1.1",
    ),
    "It has no user who is served": (
        lambda admin: admin.create(NEW, "newcomer"),
        lambda admin: admin.create(NEW, "alice"),
        "450 4.2.1",
    ),
    "It is suspended": (
        lambda admin: admin.create(NEW, "alice", suspended=True),
        lambda admin: admin.resume(NEW),
        "550 5.2.1",
    ),
    "Nothing is applied": (
        lambda admin: admin.create(NEW, "alice"),
        lambda _: None,
        "550 5.1.1",
    ),
}


@pytest.mark.parametrize("cause", NO_MAIL)
def test_drill_11_a_new_address_gets_no_mail(world: World, mail: Mail, read: Read, cause: str) -> None:
    breaks, mends, verdict = NO_MAIL[cause]
    if cause == "Nothing is applied":
        world.exec(TIER, "reconfigure", "pause", "--reason", REASON)
    if cause == "Nobody told the tier":
        right_after_a_pass(world, TIER)
    breaks(world.admin)
    if cause == "The row does not validate":
        world.admin.tell(NEW)
    if cause != "Nobody told the tier":
        mail.says(TIER, NEW, verdict)
    page = read(11, cause, tier=TIER)

    page.confirms()
    assert mail.ask(TIER, NEW).verdict.startswith(verdict)
    mends(world.admin)
    page.mends()
    page.verifies()

    assert mail.ask(TIER, NEW).code == 250


def test_drill_12_no_message_came(world: World, mail: Mail, read: Read) -> None:
    right_after_a_pass(world, TIER)
    world.admin.revoke(ORDERS, quietly=True)
    page = read(12, "No message came", tier=TIER)

    page.confirms()
    assert mail.ask(TIER, ORDERS).code == 250
    page.mends()
    page.verifies()

    assert mail.ask(TIER, ORDERS).verdict.startswith("550 5.1.1")


def test_drill_12_nothing_is_applied(world: World, mail: Mail, read: Read) -> None:
    world.exec(TIER, "reconfigure", "pause", "--reason", REASON)
    until(lambda: world.status(TIER)["paused"], "it is paused")
    world.admin.revoke(ORDERS)
    page = read(12, "Nothing is applied", tier=TIER)

    page.confirms()
    assert mail.ask(TIER, ORDERS).code == 250
    page.mends()
    page.verifies()

    assert mail.ask(TIER, ORDERS).verdict.startswith("550 5.1.1")


def test_drill_12_the_row_is_still_there(world: World, mail: Mail, read: Read) -> None:
    page = read(12, "The row is still there", tier=TIER)

    page.confirms()
    page.mends()
    world.admin.revoke(ORDERS)
    page.verifies()

    assert mail.ask(TIER, ORDERS).verdict.startswith("550 5.1.1")
