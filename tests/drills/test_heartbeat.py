"""Nobody hears of a tier that is well: its ping URL leads nowhere, or may not be read."""

from reconfigure.settings import Tier
from stack.world import World
from tests.drills.conftest import Read
from tests.system.patience import until

TIER = Tier.IMAP


def pinged(world: World) -> str:
    """Return when the check was pinged last."""
    return max((ping["time"] for ping in world.pings.of(TIER)), default="")


def heard_again(world: World, since: str) -> None:
    until(lambda: pinged(world) > since, f"the check of {TIER} hears of it again", seconds=60)


def test_drill_07_the_url_leads_nowhere(world: World, read: Read) -> None:
    parameter = world.ids.tiers[TIER].ping_param
    before = world.aws.ssm.get_parameter(Name=parameter)["Parameter"]["Value"]
    world.aws.ssm.put_parameter(Name=parameter, Value="http://aws:8001/5bf66975", Overwrite=True)
    world.exec(TIER, "supervisorctl", "restart", "reconfigure")
    since = pinged(world)
    page = read(7, "The URL leads nowhere", tier=TIER)

    page.confirms()
    world.aws.ssm.put_parameter(Name=parameter, Value=before, Overwrite=True)
    page.mends()
    page.verifies()

    heard_again(world, since)


def test_drill_07_the_parameter_cannot_be_read(world: World, read: Read) -> None:
    world.trouble.order("GetParameter", "denied", action="ssm:GetParameter")
    world.exec(TIER, "supervisorctl", "restart", "reconfigure")
    since = pinged(world)
    page = read(7, "The parameter cannot be read", tier=TIER)

    page.confirms()
    world.trouble.heal()
    page.mends()
    page.verifies()

    heard_again(world, since)
