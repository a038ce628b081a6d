"""The queue of changes: dead letters, messages that come back, messages that wait."""

from reconfigure.settings import Tier
from stack.world import World
from tests.drills.conftest import Read
from tests.system.mail import Mail
from tests.system.patience import until

SHOP = "shop@acme.example.com"
NEW = "announced@acme.example.com"


def test_drill_08_dead_letters(world: World, mail: Mail, read: Read) -> None:
    dead = world.ids.tiers[Tier.IMAP].dlq_url
    world.aws.sqs.send_message(QueueUrl=dead, MessageBody="shop@acme.example.com changed")
    hint = '{"event": "address_changed", "addresses": ["shop@acme.example.com"]}'
    world.aws.sqs.send_message(QueueUrl=dead, MessageBody=hint)
    page = read(8, tier=Tier.IMAP)

    page.confirms()
    page.mends()
    page.verifies()

    until(lambda: world.status(Tier.IMAP)["report"]["pass"]["trigger"] == "message", "the moved one led to a pass")
    assert mail.ask(Tier.IMAP, "shop@acme.example.com").code == 250


def test_drill_03_passes_are_slow(world: World, read: Read) -> None:
    for request in ("DynamoDB_20120810.Scan", "BatchGetItem"):
        world.trouble.order(request, "delayed", seconds=3)  # a request is given up after four
    for _ in range(35):
        world.admin.tell(SHOP)
    page = read(3, "Passes are slow", tier=Tier.IMAP)

    page.confirms()
    until(lambda: world.status(Tier.IMAP)["report"]["pass"]["seconds"] > 2.5, "a slow pass has ended")
    world.trouble.heal()
    page.mends()
    page.verifies()


def test_drill_03_receiving_is_denied(world: World, mail: Mail, read: Read) -> None:
    world.trouble.order("ReceiveMessage", "denied", action="sqs:ReceiveMessage")
    page = read(3, "Receiving is denied", tier=Tier.SMTP_IN)

    page.confirms()
    world.admin.create(NEW, "alice")
    world.trouble.heal()
    page.mends()
    page.verifies()

    assert mail.ask(Tier.SMTP_IN, NEW).code == 250


def test_drill_04_messages_stuck_in_flight(world: World, mail: Mail, read: Read) -> None:
    for request in ("Scan", "BatchGetItem"):
        world.trouble.order(f"DynamoDB_20120810.{request}", "denied", action=f"dynamodb:{request}")
    world.admin.create(NEW, "alice")
    page = read(4, tier=Tier.SMTP_IN)

    page.confirms()
    world.trouble.heal()
    page.mends()
    assert mail.ask(Tier.SMTP_IN, NEW).code == 250
    page.verifies()
