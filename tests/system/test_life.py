"""The life of an address and of a user, on each tier, as the contract's table says it; seen from outside."""

import imaplib
import smtplib
from collections import Counter

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system import dialogue, mailbox
from tests.system.dialogue import NotTakenError
from tests.system.figures import Figure
from tests.system.letters import STRANGER, Letter, new_ident
from tests.system.mail import PASSWORD, Mail
from tests.system.patience import until

# Of the sample world. What is said on: smtp-in, imap, smtp-out (to a user who has logged in).
CASES = {
    "active": ("bank@example.com", "250", "250", "250"),
    "active in a subdomain": ("shop@acme.example.com", "250", "250", "250"),
    "tagged": ("bank+2026-11@example.com", "250", "250", "250"),
    "upper case": ("BANK@Example.COM", "250", "250", "250"),
    "shared": ("team@acme.example.com", "250", "250", "250"),
    "shared, partly served": ("family@example.net", "250", "250", "250"),
    "unknown": ("nobody@example.com", "550 5.1.1", "451 4.2.1", "550 5.1.1"),
    "unknown, tagged": ("nobody+tag@example.com", "550 5.1.1", "451 4.2.1", "550 5.1.1"),
    "name of a user, and no address": ("alice@acme.example.com", "550 5.1.1", "451 4.2.1", "550 5.1.1"),
    "suspended": ("newsletter@acme.example.com", "550 5.2.1", "451 4.2.1", "550 5.2.1"),
    "suspended, tagged": ("newsletter+x@acme.example.com", "550 5.2.1", "451 4.2.1", "550 5.2.1"),
    "dangling": ("club@garden.example.org", "450 4.2.1", "451 4.2.1", "450 4.2.1"),
    "not hosted": ("friend@world.test", "550 5.7.1", "550 5.7.1", "250"),
    "not hosted, below a hosted one": ("friend@deep.acme.example.com", "550 5.7.1", "550 5.7.1", "250"),
}
TIERS = (Tier.SMTP_IN, Tier.IMAP, Tier.SMTP_OUT)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("case", CASES)
def test_recipient_is_answered_as_the_contract_says(mail: Mail, tier: Tier, case: str) -> None:
    address, *verdicts = CASES[case]

    said = mail.ask(tier, address)

    assert said.verdict.startswith(verdicts[TIERS.index(tier)]), said


@pytest.mark.parametrize(
    ("address", "users"),
    [
        ("bank@example.com", ("alice",)),
        ("Bank+Holiday@EXAMPLE.com", ("alice",)),
        ("team@acme.example.com", ("alice", "bob")),
        ("family+2026@example.net", ("dave", "erin")),
    ],
)
@pytest.mark.parametrize("way", ["from the internet", "submitted"])
def test_letter_reaches_every_user_of_an_address_once_and_nobody_else(
    mail: Mail, address: str, users: tuple[str, ...], way: str
) -> None:
    letter = Letter.to(address, sender=STRANGER if way == "from the internet" else "carol@example.com")

    said = mail.arrive(letter) if way == "from the internet" else mail.submit(letter, "carol")

    assert said.good, said
    mail.delivered(letter, *users)
    for bystander in {"alice", "bob", "carol", "dave", "erin", "heidi"} - set(users):
        assert mail.inbox(bystander)[letter.ident] == 0, f"{bystander} has it too"


def test_tagged_letter_lies_in_the_inbox_and_makes_no_folder(mail: Mail) -> None:
    before = set(mailbox.everywhere(mail.box, "heidi", PASSWORD))
    letter = Letter.to("travel+Archive@example.net")

    assert mail.arrive(letter).good

    mail.delivered(letter, "heidi")
    found = mailbox.everywhere(mail.box, "heidi", PASSWORD)
    assert set(found) == before
    assert [name for name, letters in found.items() if letters[letter.ident]] == ["INBOX"]


def test_one_letter_to_several_addresses_of_one_user_and_a_shared_one_is_lost_to_nobody(mail: Mail) -> None:
    letter = Letter.to("orders@acme.example.com", "team@acme.example.com", "jobs@acme.example.com")

    assert mail.arrive(letter).good

    mail.delivered(letter, "alice", "carol")
    counted = mail.inbox("bob")[letter.ident]
    assert 1 <= counted <= 2, counted


def test_created_address_receives_and_is_refused_in_the_next_session_once_revoked(
    world: World, mail: Mail, figure: Figure
) -> None:
    address = f"{new_ident('a')[:20]}@acme.example.com"
    assert mail.ask(Tier.SMTP_IN, address).verdict == "550 5.1.1"
    with world.watch(address) as watch:
        world.admin.create(address, "carol")
        figure("address created → live", watch.seconds())
    letter = Letter.to(address)
    assert mail.arrive(letter).good
    mail.delivered(letter, "carol")
    assert mail.submit(Letter.to("friend@world.test", sender=address), "carol").good

    with world.watch(address, present=False) as watch:
        world.admin.revoke(address)
        figure("address revoked → gone", watch.seconds())

    assert mail.ask(Tier.SMTP_IN, address).verdict == "550 5.1.1"
    assert mail.ask(Tier.IMAP, address).verdict == "451 4.2.1"
    assert mail.ask(Tier.SMTP_OUT, address).verdict == "550 5.1.1"
    assert mail.submit(Letter.to("friend@world.test", sender=address), "carol").verdict == "550 5.7.1"


def test_session_that_is_open_goes_on_and_the_next_one_knows_the_new_world(world: World, mail: Mail) -> None:
    address = f"{new_ident('b')[:20]}@example.com"
    with dialogue.session(mail.doors[Tier.SMTP_IN]) as talk:
        assert talk.mail(STRANGER).good
        assert talk.rcpt("bank@example.com").good
        with world.watch(address) as watch:
            world.admin.create(address, "alice")
            watch.seconds()

        assert talk.data(Letter.to("bank@example.com").text).good

    assert mail.ask(Tier.SMTP_IN, address).good


def test_suspended_address_refuses_and_is_served_again_once_resumed(world: World, mail: Mail) -> None:
    address = f"{new_ident('s')[:20]}@example.net"
    world.admin.create(address, "dave")
    mail.says(Tier.SMTP_IN, address, "250")

    world.admin.suspend(address)

    mail.says(Tier.SMTP_IN, address, "550 5.2.1")
    mail.says(Tier.IMAP, address, "451 4.2.1")
    mail.says(Tier.SMTP_OUT, address, "550 5.2.1")
    world.admin.resume(address)
    mail.says(Tier.SMTP_IN, address, "250")
    letter = Letter.to(address)
    assert mail.arrive(letter).good
    mail.delivered(letter, "dave")


def test_address_given_to_another_user_is_delivered_to_that_one_only(world: World, mail: Mail) -> None:
    address = f"{new_ident('m')[:20]}@example.com"
    world.admin.create(address, "bob")
    mail.says(Tier.IMAP, address, "250")
    before = world.generation(Tier.IMAP)
    world.admin.create(address, "carol")
    _until_other_generation(world, before)
    letter = Letter.to(address)

    mail.says(Tier.SMTP_IN, address, "250")
    assert mail.arrive(letter).good

    mail.delivered(letter, "carol")
    assert mail.inbox("bob")[letter.ident] == 0


def test_new_domain_receives_and_sends(world: World, mail: Mail) -> None:
    address = f"hello@{new_ident('d')[:20]}.example.net"
    assert mail.ask(Tier.SMTP_IN, address).verdict == "550 5.7.1"

    with world.watch(address) as watch:
        world.admin.create(address, "erin")
        watch.seconds()

    letter = Letter.to(address)
    assert mail.arrive(letter).good
    mail.delivered(letter, "erin")
    outgoing = Letter.to("friend@world.test", sender=address)
    assert mail.submit(outgoing, "erin").good
    mail.sent(outgoing)


def test_new_user_logs_in_receives_and_sends_until_disabled_and_again_once_enabled(world: World, mail: Mail) -> None:
    address = "zoe@example.com"
    world.admin.create_user("zoe", 3001)
    world.admin.create(address, "zoe")
    mail.says(Tier.SMTP_IN, address, "250")
    mail.says(Tier.IMAP, address, "250")
    letter = Letter.to(address)
    assert mail.arrive(letter).good
    mail.delivered(letter, "zoe")
    mail.says(Tier.SMTP_OUT, address, "250")
    assert mail.submit(Letter.to("alice@example.com", sender=address), "zoe").good

    world.admin.disable("zoe")

    mail.says(Tier.SMTP_IN, address, "450 4.2.1")
    mail.says(Tier.IMAP, address, "451 4.2.1")
    mail.says(Tier.SMTP_OUT, address, "450 4.2.1")
    with pytest.raises(imaplib.IMAP4.error):
        mail.inbox("zoe")
    with pytest.raises(NotTakenError) as refused:
        mail.submit(Letter.to("alice@example.com", sender=address), "zoe")
    assert refused.value.reply.verdict.startswith("535"), refused.value.reply
    world.admin.enable("zoe")
    mail.says(Tier.SMTP_IN, address, "250")
    mail.says(Tier.IMAP, address, "250")
    mail.delivered(letter, "zoe")


def test_removed_user_has_no_login_and_mail_is_put_off_while_the_mailbox_stays(world: World, mail: Mail) -> None:
    address = "yann@example.com"
    world.admin.create_user("yann", 3002)
    world.admin.create(address, "yann")
    mail.says(Tier.SMTP_IN, address, "250")
    mail.says(Tier.IMAP, address, "250")
    letter = Letter.to(address)
    assert mail.arrive(letter).good
    mail.delivered(letter, "yann")

    world.admin.remove_user("yann")

    mail.says(Tier.SMTP_IN, address, "450 4.2.1")
    mail.says(Tier.IMAP, address, "451 4.2.1")
    with pytest.raises(imaplib.IMAP4.error):
        mail.inbox("yann")
    assert world.exec("imap", "stat", "-c", "%u:%g", "/home/yann").strip() == "3002:3002"


@pytest.mark.parametrize(
    "user", ["frank", "grace", "nobody-of-that-name", "root", "alice@example.com", "", "alice*bob"]
)
def test_user_who_is_not_served_cannot_log_in_anywhere(mail: Mail, user: str) -> None:
    with pytest.raises(imaplib.IMAP4.error):
        mail.inbox(user)
    with pytest.raises((NotTakenError, smtplib.SMTPException)):
        mail.submit(Letter.to("bob@example.com", sender="alice@example.com"), user)


def test_wrong_password_is_refused_and_the_right_one_still_counts(mail: Mail) -> None:
    with pytest.raises(imaplib.IMAP4.error), mailbox.reading(mail.box, "heidi", "not the password"):
        pass
    with pytest.raises(NotTakenError) as refused:
        mail.submit(Letter.to("bob@example.com", sender="heidi@example.net"), "heidi", password="wrong")
    assert refused.value.reply.verdict.startswith("535"), refused.value.reply

    assert isinstance(mail.inbox("heidi"), Counter)


def test_mailbox_is_not_opened_before_tls(mail: Mail) -> None:
    with mailbox.starting_tls(mail.box) as client:
        assert "LOGINDISABLED" in client.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            client.login("alice", PASSWORD)

        client.starttls(mail.box.context())
        client.login("alice", PASSWORD)

        assert client.select("INBOX", readonly=True)[0] == "OK"


def _until_other_generation(world: World, before: str) -> None:
    until(lambda: world.generation(Tier.IMAP) != before, "imap has another generation")
