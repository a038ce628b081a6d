"""Hosted mail goes to the delivery tier over verified TLS, or it waits."""

import dataclasses
from collections.abc import Iterator

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system import dialogue
from tests.system.letters import Letter
from tests.system.mail import Mail
from tests.system.patience import until

AUTHORITIES = "/run/reconfigure/secrets/ca-bundle.pem"
OTHERS = "/etc/ssl/certs/ca-certificates.crt"  # the world's, which know nothing of this private network


@pytest.fixture
def mistrusting(world: World) -> Iterator[World]:
    """Let smtp-in trust other authorities than the one that vouches for the delivery tier."""
    world.exec(Tier.SMTP_IN, "cp", AUTHORITIES, "/tmp/authorities")
    world.exec(Tier.SMTP_IN, "cp", OTHERS, AUTHORITIES)
    world.exec(Tier.SMTP_IN, "supervisorctl", "restart", "mail:sendmail")
    yield world
    world.exec(Tier.SMTP_IN, "cp", "/tmp/authorities", AUTHORITIES)
    world.exec(Tier.SMTP_IN, "supervisorctl", "restart", "mail:sendmail")


def test_mail_waits_where_the_delivery_tier_cannot_be_verified(mistrusting: World, mail: Mail) -> None:
    letter = Letter.to("alice@example.com")
    until(lambda: mail.arrive(letter).good, "smtp-in takes it", seconds=20)
    until(
        lambda: "not verified by TLS" in mistrusting.exec(Tier.SMTP_IN, "mailq"),
        "the letter is in the queue, with the reason",
        seconds=30,
    )
    assert not mail.inbox("alice")[letter.ident]


@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_a_neighbour_that_is_no_relay_delivers_nothing(mail: Mail, tls: str) -> None:
    door = dataclasses.replace(mail.doors[Tier.IMAP], tls=tls, shown=None)

    assert dialogue.send(door, [Letter.to("alice@example.com")])[0].verdict == "451 4.7.1"
    assert mail.ask(Tier.IMAP, "alice@example.com").good
