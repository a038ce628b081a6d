"""What one client may do to the others: the real listener, and two clients, each with an address of its own."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.sendmail.configured import SETTINGS, configure
from tests.sendmail.listening import Listener, listening

ONE, OTHER = "127.0.0.2", "127.0.0.3"
ALLOWED = 20
MANY = 60  # more than sendmail serves at once


@pytest.fixture(scope="module", params=["smtp-in", "smtp-out"])
def listener(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    tier = configure(request.param, tmp_path_factory.mktemp("clients"), connection_rate="100000")
    assert SETTINGS["connections_per_client"] == ALLOWED
    with listening(tier) as listener:
        yield listener


def test_one_client_with_many_idle_connections_shuts_nobody_else_out(listener: Listener) -> None:
    with ExitStack() as stack:
        greetings = [stack.enter_context(listener.talk(ONE)).greeting for _ in range(MANY)]
        with listener.talk(OTHER) as talk:
            assert talk.greeting.startswith("220 ")
            assert talk.say("MAIL FROM:<>").startswith("250 ")
    assert [greeting[:3] for greeting in greetings] == ["220"] * ALLOWED + ["421"] * (MANY - ALLOWED)
