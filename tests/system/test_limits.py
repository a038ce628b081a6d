"""What one stranger may take of a tier, and that what was accepted is delivered rather than returned to another."""

import socket
from contextlib import ExitStack

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system import dialogue
from tests.system.letters import Letter, new_ident
from tests.system.mail import Mail
from tests.system.patience import until

MANY = 70  # more connections than a tier of this world serves at once
GREETED = 'exec 3<>/dev/tcp/127.0.0.1/{port} && IFS= read -r -t 20 line <&3 && printf %s "$line"'
HOP = "Received: from a.elsewhere.test by b.elsewhere.test with ESMTP; Mon, 23 Nov 2026 08:00:00 +0000"


@pytest.mark.parametrize("tier", [Tier.SMTP_IN, Tier.SMTP_OUT])
def test_one_client_with_many_idle_connections_shuts_nobody_else_out(world: World, mail: Mail, tier: Tier) -> None:
    door = mail.doors[tier]
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection((door.host, door.port), 30)) for _ in range(MANY)]
        greetings = [line.recv(3) for line in lines]
        assert set(greetings) == {b"220", b"421"}
        assert 40 < greetings.count(b"220") <= 50  # world.yaml; sessions of a moment ago may still count
        # The container itself is another client, and its own health check one more.
        assert world.exec(tier, "bash", "-c", GREETED.format(port=door.port)).startswith("220")
        assert world.health(tier)["status"] in {"ok", "degraded"}
    until(lambda: is_served(mail, tier), "the client is served again")


# Opens all sessions that are left and asks while it has them.
TAKE = """
for n in {{1..{many}}}; do exec {{line}}<>/dev/tcp/127.0.0.1/{port} || break; read -r -u $line; done
reconfigure health
"""


def test_a_tier_that_is_full_is_not_restarted(world: World, mail: Mail) -> None:
    door = mail.doors[Tier.SMTP_IN]
    with ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection((door.host, door.port), 30)).recv(3)

        said = world.exec(Tier.SMTP_IN, "bash", "-c", TAKE.format(many=40, port=door.port))

    assert '"degraded"' in said
    assert "turns clients away from port 25" in said
    # sendmail looks again every 15 seconds.
    until(lambda: is_served(mail, Tier.SMTP_IN), "clients are served again", seconds=60)


def is_served(mail: Mail, tier: Tier) -> bool:
    try:
        return mail.ask(tier, "alice@example.com").good
    except (ConnectionRefusedError, dialogue.NotTakenError):
        return False


@pytest.mark.parametrize(
    "headers",
    [[HOP] * 100, [f"X-Filler: {'x' * 980}"] * 63],
    ids=["hops", "headers"],
)
def test_mail_at_the_limits_of_the_relay_is_delivered(mail: Mail, headers: list[str]) -> None:
    letter = Letter(recipients=["alice@example.com"], ident=new_ident("limit"), headers=headers)

    assert mail.arrive(letter).good

    mail.delivered(letter, "alice")


@pytest.mark.parametrize(
    "sender",
    [
        "some.one+tag=x@elsewhere.test",
        "SRS0=a/b=c=elsewhere.test=some!one@elsewhere.test",
        '"some one"@elsewhere.test',
        '"some:one;<x@y>,"@elsewhere.test',
    ],
)
def test_a_sender_that_the_relay_takes_the_delivery_tier_takes(mail: Mail, sender: str) -> None:
    letter = Letter(recipients=["bob@example.com"], sender=sender, header_from="<someone@elsewhere.test>")

    assert mail.arrive(letter).good

    mail.delivered(letter, "bob")


@pytest.mark.parametrize(
    "sender", ["some\\one@elsewhere.test", "some\x01one@elsewhere.test", '"some\tone"@elsewhere.test']
)
def test_a_sender_that_the_delivery_tier_could_not_read_is_refused_in_the_session(mail: Mail, sender: str) -> None:
    with dialogue.session(mail.doors[Tier.SMTP_IN]) as talk:
        assert talk.mail(sender).code // 100 == 5
