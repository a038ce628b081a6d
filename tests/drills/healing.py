"""What makes a world well again whatever a drill has done to it, and what tells whether it is."""

from collections.abc import Iterator

from embedded import sample
from reconfigure.settings import Tier
from stack.world import World
from tests.system.letters import Letter
from tests.system.mail import Mail
from tests.system.patience import until

SECONDS = 90.0
LEFT_OFF = ("prepare", "verify:opendkim", "verify:opendmarc")
FILLER = "/var/lib/reconfigure/filler"

# All in one go: each command that is typed in a container by itself costs half a second.
_RESTORE = (
    f"rm -f {FILLER}; reconfigure resume >/dev/null; kill -CONT $(supervisorctl pid reconfigure) 2>/dev/null; "
    "supervisorctl start mail:* reconfigure >/dev/null; true"
)


def heal(world: World) -> None:
    """Bring everything back to how the world began, and wait until every tier says so.

    Raises:
        AssertionError: one does not.
    """
    world.aws_up()
    world.trouble.heal()
    world.dns.forget()
    world.sink.behave("accept")
    _restore_sources(world)
    for tier in Tier:
        world.exec(tier, "sh", "-c", _RESTORE)
    world.admin.tell(event="resync")
    until(lambda: not left_broken(world), "every tier is well", seconds=SECONDS, every=1.0)


def _restore_sources(world: World) -> None:
    rows = {address.name: sample.row(address) for address in sample.ADDRESSES}
    table = world.ids.table
    found = world.aws.dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
    there = {item["address"]["S"]: item for item in found}
    for name in there.keys() - rows.keys():
        world.aws.dynamodb.delete_item(TableName=table, Key={"address": {"S": name}})
    for name, row in rows.items():
        if there.get(name) != row:
            world.admin.put(row)
    served = set(world.admin.served_users())
    for user in sample.USERS:
        if user.confirmed and user.enabled and user.name not in served:
            world.admin.enable(user.name, quietly=True)
    for tier in Tier:
        param = world.ids.tiers[tier].ping_param
        url = f"http://aws:8000/{tier}"
        if world.aws.ssm.get_parameter(Name=param)["Parameter"]["Value"] != url:
            world.aws.ssm.put_parameter(Name=param, Value=url, Overwrite=True)
        _drain(world, world.ids.tiers[tier].dlq_url)  # the other queue is the loop's to empty


def _drain(world: World, url: str) -> None:
    """Delete what is visible, one by one: SQS purges a queue once a minute at most."""
    while found := world.aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            world.aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def left_broken(world: World) -> list[str]:
    """Return what is not well, a line each; nothing when all is."""
    return [line for tier in Tier for line in _of_tier(world, tier)]


def _of_tier(world: World, tier: Tier) -> Iterator[str]:
    said = world.status(tier)
    if said["health"]["status"] != "ok":
        yield f"{tier} is {said['health']['status']}: {said['health'].get('problems')}"
    for order in ("paused", "pinned", "held"):
        if said[order]:
            yield f"{tier} is {order}: {said[order]}"
    for program in said["supervisor"]["programs"] or ():
        if program["state"] != "RUNNING" and program["name"] not in LEFT_OFF:
            yield f"{tier}: {program['name']} is {program['state']}"


def is_well(world: World, mail: Mail) -> None:
    """See from outside that mail comes in, and goes out signed.

    Raises:
        AssertionError: it does not.
    """
    del world
    inbound = Letter.to("alice@example.com")
    outbound = Letter.to("friend@world.test", sender="alice@example.com")
    said = mail.arrive(inbound), mail.submit(outbound, "alice")
    assert all(reply.good for reply in said), said
    mail.delivered(inbound, "alice")
    assert b"DKIM-Signature:" in mail.sent(outbound).data
