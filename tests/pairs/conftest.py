"""Two tasks of each tier, which share its queue and are one fleet, in a world of their own."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system import dialogue
from tests.system.dialogue import Door, Reply
from tests.system.letters import Letter
from tests.system.mail import PASSWORD, Mail
from tests.system.mailbox import Box
from tests.system.patience import until
from tests.system.running import running

OVERRIDE = Path(__file__).with_name("world.yaml")
TASKS: Mapping[str, Tier] = {f"{tier}{second}": tier for tier in Tier for second in ("", "-2")}
SECONDS: Mapping[str, int] = {"imap-2": 21, "smtp-in-2": 22, "smtp-out-2": 23}


class Pairs(World):
    """The world of pairs."""

    def door(self, task: str) -> Door:
        """Return where a task takes mail; its certificate is its tier's."""
        tier = TASKS[task]
        submission, delivery = tier is Tier.SMTP_OUT, tier is Tier.IMAP
        return Door(
            host=self.ip(task),
            port=587 if submission else 25,
            name=self.name(tier),
            tls="starttls" if submission or delivery else "none",
            authorities=str(self.ca),
            shown=str(self.tier) if delivery else None,
        )

    def box(self, task: str) -> Box:
        """Return where a task of imap shows mailboxes."""
        return Box(host=self.ip(task), name=self.name(Tier.IMAP), authorities=str(self.ca))

    def ask(self, task: str, recipient: str, *, user: str = "alice") -> Reply:
        """Return what a task says to a recipient, on smtp-out to a user who has logged in."""
        if TASKS[task] is Tier.SMTP_OUT:
            sender = f"{user}@example.com"
            return dialogue.ask(self.door(task), recipient, sender=sender, user=user, password=PASSWORD)
        return dialogue.ask(self.door(task), recipient, sender="someone@elsewhere.test")

    def says(self, task: str, recipient: str, verdict: str, *, seconds: float = 30.0) -> None:
        """Wait until a task says this to a recipient."""
        until(lambda: self.ask(task, recipient).verdict.startswith(verdict), f"{task} says {verdict}", seconds=seconds)

    def send(self, task: str, letter: Letter, *, user: str = "alice") -> Reply:
        """Bring a letter to a task: from the internet, or as a user."""
        login = {"user": user, "password": PASSWORD} if TASKS[task] is Tier.SMTP_OUT else {}
        return dialogue.send(self.door(task), [letter], **login)[0]

    def is_well(self, *tasks: str) -> bool:
        """Return whether tasks say that they are ok."""
        return all(self.health(task)["status"] == "ok" for task in tasks or tuple(TASKS))


@pytest.fixture(scope="session")
def world() -> Iterator[Pairs]:
    pairs = Pairs("pairs", "10.80.0", overrides=[OVERRIDE], more=SECONDS)
    with running(pairs) as world:
        assert isinstance(world, Pairs)
        # Either task of imap takes what the smtp tiers relay.
        world.dns.set(world.name(Tier.IMAP), "A", world.ip("imap"), world.ip("imap-2"))
        until(world.is_well, "all six tasks are well", seconds=180, every=1.0)
        yield world


@pytest.fixture(scope="session")
def mail(world: Pairs) -> Mail:
    return Mail(world)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the world, so that it runs where there are containers and nowhere else."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "world" in getattr(item, "fixturenames", ()):
            item.add_marker("containers")
