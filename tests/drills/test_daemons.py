"""A daemon is down: the signer, which must keep mail from leaving unsigned, and sendmail itself."""

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.drills.breaking import keep_from_starting
from tests.drills.conftest import Read
from tests.system.dialogue import NotTakenError
from tests.system.letters import Letter
from tests.system.mail import Mail

SIGNER = "mail:opendkim"


def letter() -> Letter:
    return Letter.to("friend@world.test", sender="alice@example.com")


def test_drill_13_the_signer_was_given_up(world: World, mail: Mail, read: Read) -> None:
    keep_from_starting(world, Tier.SMTP_OUT, SIGNER)
    page = read(13, "A program was given up", tier=Tier.SMTP_OUT)

    page.confirms()
    unsent = letter()
    with pytest.raises(NotTakenError, match=r"454 4\.7\.0"):
        mail.submit(unsent, "alice")
    page.mends()
    page.verifies()

    sent = letter()
    assert mail.submit(sent, "alice").good
    assert b"DKIM-Signature:" in mail.sent(sent).data
    assert not mail.on_the_internet(unsent.ident)


def test_drill_13_sendmail_was_stopped(world: World, mail: Mail, read: Read) -> None:
    world.exec(Tier.SMTP_IN, "supervisorctl", "stop", "mail:sendmail")
    page = read(13, "A program was stopped", tier=Tier.SMTP_IN)

    page.confirms()
    page.mends()
    page.verifies()

    kept = Letter.to("alice@example.com")
    assert mail.arrive(kept).good
    mail.delivered(kept, "alice")
