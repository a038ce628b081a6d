"""The loop is gone: killed, given up by supervisord, stopped by somebody who forgot it; or it hangs."""

from reconfigure.settings import Tier
from stack.world import World
from tests.drills.breaking import applies_changes, becomes, keep_from_starting
from tests.drills.conftest import Read
from tests.system.mail import Mail
from tests.system.patience import until, until_running

LOOP = "reconfigure"


def test_drill_01_loop_killed(world: World, mail: Mail, read: Read) -> None:
    pid = until_running(world, Tier.SMTP_IN, LOOP)
    world.exec(Tier.SMTP_IN, "kill", "-KILL", str(pid))
    until(lambda: world.programs(Tier.SMTP_IN)[LOOP].pid not in {None, pid}, "it runs again")
    page = read(1, "The loop was killed", tier=Tier.SMTP_IN)

    page.confirms()
    page.mends()
    page.verifies()

    applies_changes(world, mail, Tier.SMTP_IN)


def test_drill_01_loop_given_up(world: World, mail: Mail, read: Read) -> None:
    keep_from_starting(world, Tier.SMTP_OUT, LOOP)
    page = read(1, "The loop was given up", tier=Tier.SMTP_OUT)

    page.confirms()
    page.mends()
    page.verifies()

    applies_changes(world, mail, Tier.SMTP_OUT)


def test_drill_01_loop_stopped(world: World, mail: Mail, read: Read) -> None:
    world.exec(Tier.IMAP, "supervisorctl", "stop", LOOP)
    becomes(world, Tier.IMAP, "degraded")
    page = read(1, "The loop was stopped", tier=Tier.IMAP)

    page.confirms()
    page.mends()
    page.verifies()

    applies_changes(world, mail, Tier.IMAP)


def test_drill_02_loop_hangs(world: World, mail: Mail, read: Read) -> None:
    world.exec(Tier.SMTP_IN, "kill", "-STOP", str(until_running(world, Tier.SMTP_IN, LOOP)))
    becomes(world, Tier.SMTP_IN, "failing", seconds=150)
    page = read(2, "The loop hangs", tier=Tier.SMTP_IN)

    page.confirms()
    silent = world.pings.of(Tier.SMTP_IN)[0]
    assert f"tier: {Tier.SMTP_IN}\ntask: {world.name(Tier.SMTP_IN)}\n" in silent["body"]
    for other in (Tier.IMAP, Tier.SMTP_OUT):
        until(
            lambda other=other: world.pings.of(other)[0]["time"] > silent["time"],  # type: ignore[misc]
            f"the check of {other} still hears of it",
        )
    page.mends()
    page.verifies()

    applies_changes(world, mail, Tier.SMTP_IN)
