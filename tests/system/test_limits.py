"""What one stranger may take of a tier."""

import socket
from contextlib import ExitStack

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system.mail import Mail
from tests.system.patience import until

MANY = 70  # more connections than a tier of this world serves at once
GREETED = 'exec 3<>/dev/tcp/127.0.0.1/{port} && IFS= read -r -t 20 line <&3 && printf %s "$line"'


@pytest.mark.parametrize("tier", [Tier.SMTP_IN, Tier.SMTP_OUT])
def test_one_client_with_many_idle_connections_shuts_nobody_else_out(world: World, mail: Mail, tier: Tier) -> None:
    door = mail.doors[tier]
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection((door.host, door.port), 30)) for _ in range(MANY)]
        greetings = [line.recv(3) for line in lines]
        assert set(greetings) == {b"220", b"421"}
        assert greetings.count(b"220") == 50  # world.yaml
        # The container itself is another client, and its own health check one more.
        assert world.exec(tier, "bash", "-c", GREETED.format(port=door.port)).startswith("220")
        assert world.health(tier)["status"] in {"ok", "degraded"}
    until(lambda: mail.ask(tier, "alice@example.com").good, "the client is served again")
