"""One task of two is killed, another hangs: mail goes on, the heartbeat names who it is, and the page mends it."""

from collections.abc import Iterator

import pytest

from reconfigure.settings import Tier
from tests.drills.operator import Operator
from tests.pairs.conftest import Pairs
from tests.system.letters import Letter
from tests.system.mail import Mail
from tests.system.patience import until, until_running

KILLED, BESIDE_KILLED = "smtp-in", "smtp-in-2"
HANGS, BESIDE_HANGING = "imap-2", "imap"
SILENT_SECONDS = 240.0  # 90 until a task is called silent, and up to a minute each for its last sign and for a look


@pytest.fixture(scope="module")
def fallen(world: Pairs) -> Iterator[Pairs]:
    """A task that was killed, and one whose loop hangs; both are back afterwards."""
    loop = until_running(world, HANGS, "reconfigure")
    world.kill(KILLED)
    try:
        world.exec(HANGS, "kill", "-STOP", str(loop))
        yield world
    finally:
        world.start_again(KILLED)
        world.try_exec(HANGS, "kill", "-CONT", str(loop))
    until(world.is_well, "all six tasks are well", seconds=240, every=1.0)


def test_mail_goes_on(fallen: Pairs, mail: Mail) -> None:
    assert not fallen.running(KILLED)
    letter = Letter.to("bank@example.com")
    assert fallen.send(BESIDE_KILLED, letter).good
    mail.delivered(letter, "alice")


def test_the_heartbeat_of_the_tier_fails_and_names_the_task(fallen: Pairs) -> None:
    for tier, task, beside in (
        (Tier.SMTP_IN, KILLED, BESIDE_KILLED),
        (Tier.IMAP, HANGS, BESIDE_HANGING),
    ):
        _is_down(fallen, tier)
        body = fallen.pings.of(tier)[0]["body"]
        assert f"reason: {tier} task {fallen.name(task)} is silent for" in body
        assert f"task: {fallen.name(beside)}\n" in body
    assert fallen.pings.status(Tier.SMTP_OUT) == "up"


def _is_down(world: Pairs, tier: Tier) -> None:
    until(lambda: world.pings.status(tier) == "down", f"{tier} is down", seconds=SILENT_SECONDS, every=1.0)


def test_drill_17_task_silent(fallen: Pairs, mail: Mail) -> None:
    fallen.start_again(KILLED)  # a task that is there again, under its name
    until(lambda: fallen.is_well(BESIDE_KILLED), "its sibling sees it", seconds=SILENT_SECONDS, every=1.0)
    page = Operator(fallen, mail, number=17, cause="A task is silent", tier=BESIDE_HANGING)

    page.confirms()
    Operator(fallen, mail, number=17, cause="A task is silent", tier=HANGS).mends()
    page.verifies()

    until(lambda: fallen.pings.status(Tier.IMAP) == "up", "the heartbeat is well again", seconds=120, every=1.0)


def test_drill_17_fleet_table(world: Pairs, mail: Mail) -> None:
    until(world.is_well, "all six tasks are well", seconds=240, every=1.0)
    page = Operator(world, mail, number=17, cause="The fleet table cannot be used", tier="smtp-out")
    for action in ("GetItem", "Query"):
        world.trouble.order(f"20120810.{action}", "denied", action=f"dynamodb:{action}")
    try:
        page.confirms()
        world.admin.create("alone@acme.example.com", "alice")  # everything else works without it
        until(
            lambda: any(world.ask(task, "alone@acme.example.com").code == 250 for task in ("smtp-in", "smtp-in-2")),
            "a task has it",
        )
    finally:
        world.trouble.heal()
    page.mends()
    page.verifies()
    for task in ("smtp-in", "smtp-in-2"):
        world.says(task, "alone@acme.example.com", "250", seconds=60)
    world.admin.revoke("alone@acme.example.com")
