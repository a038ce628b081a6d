"""What operators order: a pause, an end of it, a rollback with its pin; and the forgotten ones."""

from embedded import sample
from reconfigure.settings import Tier
from stack.world import World
from tests.drills.breaking import becomes
from tests.drills.conftest import Read
from tests.system.mail import Mail
from tests.system.patience import until

WAITING = "waiting@acme.example.com"
ORDERS = "orders@acme.example.com"


def test_drill_14_changes_are_stopped(world: World, mail: Mail, read: Read) -> None:
    page = read(14, "Changes must be stopped", tier=Tier.SMTP_IN)

    page.confirms()
    page.mends()
    world.admin.revoke(ORDERS)
    mail.says(Tier.IMAP, ORDERS, "451")  # a tier that nobody paused has heard of it
    page.verifies()

    assert mail.ask(Tier.SMTP_IN, ORDERS).code == 250
    assert (
        world.aws.sqs.get_queue_attributes(
            QueueUrl=world.ids.tiers[Tier.SMTP_IN].queue_url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]["ApproximateNumberOfMessages"]
        != "0"
    )
    world.exec(Tier.SMTP_IN, "reconfigure", "resume")
    mail.says(Tier.SMTP_IN, ORDERS, "550 5.1.1")


def test_drill_14_a_forgotten_pause(world: World, mail: Mail, read: Read) -> None:
    world.exec(Tier.IMAP, "reconfigure", "pause", "--for", "24h", "--reason", "moving the table")
    world.admin.create(WAITING, "alice")
    mail.says(Tier.SMTP_IN, WAITING, "250")
    becomes(world, Tier.IMAP, "degraded")
    page = read(14, "A pause that lasts too long", tier=Tier.IMAP)

    page.confirms()
    page.mends()
    page.verifies()

    mail.says(Tier.IMAP, WAITING, "250")


def test_drill_10_rollback(world: World, mail: Mail, read: Read) -> None:
    world.admin.revoke(ORDERS)
    mail.says(Tier.SMTP_IN, ORDERS, "550 5.1.1")
    page = read(10, "Roll back", tier=Tier.SMTP_IN)

    page.confirms()
    page.mends()
    assert mail.ask(Tier.SMTP_IN, ORDERS).code == 250
    page.verifies()

    world.admin.put(next(sample.row(each) for each in sample.ADDRESSES if each.name == ORDERS))
    world.exec(Tier.SMTP_IN, "reconfigure", "resume")
    becomes(world, Tier.SMTP_IN, "ok")
    assert mail.ask(Tier.SMTP_IN, ORDERS).code == 250


def test_drill_10_a_forgotten_pin(world: World, mail: Mail, read: Read) -> None:
    world.admin.create(WAITING, "alice")
    mail.says(Tier.SMTP_IN, WAITING, "250")
    world.exec(Tier.SMTP_IN, "reconfigure", "rollback", "--yes", "--reason", "half of acme is gone")
    mail.says(Tier.SMTP_IN, WAITING, "550")
    world.admin.tell(WAITING)
    becomes(world, Tier.SMTP_IN, "degraded")
    page = read(10, "Pinned too long", tier=Tier.SMTP_IN)

    page.confirms()
    page.mends()
    page.verifies()

    mail.says(Tier.SMTP_IN, WAITING, "250")


def test_drill_10_rows_that_do_not_validate(world: World, mail: Mail, read: Read) -> None:
    wrong = sample.row(sample.SampleAddress("jane doe@acme.example.com", "alice"))
    world.admin.put(wrong)
    world.admin.tell(event="resync")
    until(lambda: world.status(Tier.IMAP)["report"]["quarantine"]["total"] > 1, "a pass has read it")
    page = read(10, "Rows that do not validate", tier=Tier.IMAP)

    page.confirms()
    page.mends()
    world.admin.revoke("jane doe@acme.example.com")
    world.admin.create("jane.doe@acme.example.com", "alice")  # what the admin app's people do with the list
    page.verifies()

    mail.says(Tier.IMAP, "jane.doe@acme.example.com", "250")
