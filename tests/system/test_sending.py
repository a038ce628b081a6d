"""What one account sends, in a container with the rights that it has: counted, limited, held, thrown away."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system import dialogue
from tests.system.dialogue import Door, Reply
from tests.system.letters import Letter
from tests.system.mail import PASSWORD
from tests.system.patience import until
from tests.system.tiers import PORT, Beside, beside

SETTINGS = {
    "RECONFIGURE_SENDING_MESSAGES_DAY": "2",
    "IMAP_INTERNAL_HOST": "127.0.0.9",  # nobody is there: what goes to a hosted address stays in the queue
}
LIMITED = "451 4.7.1"


class Submission:
    """A tier of its own, and what users send through it."""

    def __init__(self, container: Beside, door: Door) -> None:
        self.container = container
        self._door = door

    def sends(self, user: str) -> Reply:
        letter = Letter.to("carol@example.com", sender=f"{user}@example.com")
        [reply] = dialogue.send(self._door, [letter], user=user, password=PASSWORD)
        return reply

    def operator(self, *words: str) -> dict[str, Any]:
        code, said = self.container.run("reconfigure", "sending", *words, "--json")
        assert code == 0, said
        found: dict[str, Any]
        found, _ = json.JSONDecoder().raw_decode(said[said.index("{") :])  # the rest is for people, on standard error
        return found

    def account(self, user: str) -> dict[str, Any]:
        return next((each for each in self.operator("show")["accounts"] if each["user"] == user), {})


@pytest.fixture(scope="module")
def submission(world: World) -> Iterator[Submission]:
    tier = Tier.SMTP_OUT
    with beside(world, tier, environment=SETTINGS) as container:
        assert container.ready(60), container.logs()
        name = world.name(tier)
        yield Submission(
            container,
            Door(host=container.host, port=PORT[tier], name=name, tls="starttls", authorities=str(world.ca)),
        )


def test_an_account_is_counted_across_a_restart_of_what_counts_and_named_when_it_has_sent_enough(
    submission: Submission,
) -> None:
    assert [submission.sends("alice").verdict for _ in range(2)] == ["250 2.0.0"] * 2
    until(lambda: submission.account("alice").get("messages") == 2, "the counts are written")
    code, said = submission.container.run("supervisorctl", "restart", "mail:login")
    assert code == 0, said
    assert submission.sends("alice").verdict == LIMITED
    assert submission.account("alice")["state"] == "limited"
    assert '"event": "sending_limited"' in submission.container.logs()


def test_an_account_that_is_held_sends_nothing_and_what_it_has_sent_stays_until_it_is_released_or_thrown_away(
    submission: Submission,
) -> None:
    def queued(user: str) -> tuple[int, int]:
        found = submission.account(user)
        return found["queued"], found["quarantined"]

    assert submission.sends("bob").verdict == "250 2.0.0"
    until(lambda: queued("bob") == (1, 0), "the letter is in the queue")
    held = submission.operator("hold", "bob", "--reason", "a test")
    assert (held["held"], held["not_held"], held["served"]) == (1, 0, True)
    assert submission.sends("bob").verdict == LIMITED
    assert queued("bob") == (0, 1)
    assert submission.operator("release", "bob")["released"] == 1
    assert submission.sends("bob").verdict == "250 2.0.0"
    until(lambda: queued("bob") == (2, 0), "both letters are in the queue")
    assert submission.operator("hold", "bob", "--drop", "--yes", "bob")["dropped"] == 2
    assert queued("bob") == (0, 0)
    left = submission.container.run("find", "/var/spool/mqueue", "-type", "f", "-name", "df*", privileged=True)[1]
    assert len(left.split()) == 2, "alice's letters are no concern of this"
