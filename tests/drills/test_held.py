"""A change that takes away too much at once is held: by mistake, or on purpose."""

from embedded import sample
from reconfigure.settings import Tier
from stack.world import World
from tests.drills.breaking import becomes
from tests.drills.conftest import Read
from tests.system.mail import Mail
from tests.system.patience import until

ORDERS = "orders@acme.example.com"
KEPT = "alice@example.com"
TIER = Tier.SMTP_IN


def empty_the_table(world: World) -> None:
    for address in sample.ADDRESSES:
        if address.name != KEPT:
            world.admin.revoke(address.name, quietly=True)
    world.admin.tell(event="resync")
    until(lambda: world.status(TIER)["held"], f"{TIER} holds it")


def test_drill_09_it_is_wrong(world: World, mail: Mail, read: Read) -> None:
    empty_the_table(world)
    page = read(9, "It is wrong", tier=TIER)

    page.confirms()
    assert mail.ask(TIER, ORDERS).code == 250
    page.mends()
    for address in sample.ADDRESSES:
        world.admin.put(sample.row(address))
    page.verifies()

    assert mail.ask(TIER, ORDERS).code == 250


def test_drill_09_it_is_right(world: World, mail: Mail, read: Read) -> None:
    empty_the_table(world)
    page = read(9, "It is right", tier=TIER)

    page.confirms()
    page.mends()
    for other in Tier:
        if other is not TIER:
            until(lambda other=other: world.status(other)["held"], f"{other} holds it")  # type: ignore[misc]
            read(9, "It is right", tier=other).mends()
    assert mail.ask(TIER, ORDERS).verdict.startswith("550")
    assert mail.ask(TIER, KEPT).code == 250
    becomes(world, TIER, "ok")
    page.verifies()
