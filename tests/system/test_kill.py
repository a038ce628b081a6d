"""Whatever ends comes back: each program of each tier killed in the middle of its work, and mail goes on."""

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system.letters import STRANGER, Letter
from tests.system.load import BROKEN
from tests.system.mail import Mail
from tests.system.patience import until

pytestmark = pytest.mark.quiet

PROGRAMS = [
    (Tier.IMAP, "mail:sendmail"),
    (Tier.IMAP, "mail:dovecot"),
    (Tier.IMAP, "mail:login"),
    (Tier.IMAP, "reconfigure"),
    (Tier.SMTP_IN, "mail:sendmail"),
    (Tier.SMTP_IN, "mail:milter"),
    (Tier.SMTP_IN, "reconfigure"),
    (Tier.SMTP_OUT, "mail:sendmail"),
    (Tier.SMTP_OUT, "mail:opendkim"),
    (Tier.SMTP_OUT, "mail:login"),
    (Tier.SMTP_OUT, "mail:milter"),
    (Tier.SMTP_OUT, "reconfigure"),
]
SHUT = {(Tier.SMTP_IN, "mail:sendmail"), (Tier.SMTP_IN, "mail:milter")}  # no mail comes in while they are away


@pytest.mark.parametrize(("tier", "program"), PROGRAMS)
def test_killed_program_comes_back_and_mail_taken_meanwhile_arrives(
    world: World, mail: Mail, tier: Tier, program: str
) -> None:
    pid = _pid(world, tier, program)
    assert pid is not None
    coming, going = Letter.to("bank@example.com"), Letter.to("friend@world.test", sender="alice@example.com")

    world.exec(tier, "kill", "-KILL", str(pid))
    shut = (tier, program) in SHUT
    if not shut:
        until(lambda: mail.arrive(coming).good, "smtp-in takes mail")

    until(lambda: _pid(world, tier, program) not in {None, pid}, f"{program} runs again on {tier}")
    if shut:
        until(lambda: _taken(mail, coming), "smtp-in takes mail again")
    until(lambda: _submitted(mail, going), "smtp-out takes mail")
    mail.delivered(coming, "alice")
    assert mail.sent(going).sender == going.sender
    until(lambda: world.health(tier)["status"] == "ok", f"{tier} is healthy")


def test_delivery_tier_that_was_away_gets_what_was_taken_meanwhile(world: World, mail: Mail) -> None:
    letter = Letter.to("bank@example.com", sender=STRANGER)
    world.exec("imap", "supervisorctl", "stop", "mail:sendmail", "mail:dovecot")
    try:
        assert mail.arrive(letter).good
    finally:
        world.exec("imap", "supervisorctl", "start", "mail:dovecot", "mail:sendmail")

    mail.delivered(letter, "alice", seconds=150)


def test_mail_that_the_mailboxes_cannot_take_waits_on_the_delivery_tier(world: World, mail: Mail) -> None:
    letter = Letter.to("bank@example.com", sender=STRANGER)
    world.exec("imap", "supervisorctl", "stop", "mail:dovecot")
    try:
        assert mail.arrive(letter).good
    finally:
        world.exec("imap", "supervisorctl", "start", "mail:dovecot")

    mail.delivered(letter, "alice", seconds=150)


def test_changes_made_while_the_loop_was_dead_are_applied_when_it_is_back(world: World, mail: Mail) -> None:
    for tier in Tier:
        world.exec(tier, "supervisorctl", "stop", "reconfigure")
    try:
        world.admin.create("meanwhile@example.com", "bob")
        assert mail.ask(Tier.SMTP_IN, "meanwhile@example.com").verdict == "550 5.1.1"
        letter = Letter.to("bank@example.com")
        assert mail.arrive(letter).good
        mail.delivered(letter, "alice")
    finally:
        for tier in Tier:
            world.exec(tier, "supervisorctl", "start", "reconfigure")

    for tier in Tier:
        mail.says(tier, "meanwhile@example.com", "250")


def _pid(world: World, tier: Tier, program: str) -> int | None:
    return world.programs(tier)[program].pid


def _taken(mail: Mail, letter: Letter) -> bool:
    try:
        return mail.arrive(letter).good
    except BROKEN:
        return False


def _submitted(mail: Mail, letter: Letter) -> bool:
    try:
        return mail.submit(letter, "alice").good
    except BROKEN:
        return False
