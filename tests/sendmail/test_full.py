"""A sendmail with all its sessions shuts its port, and `health` does not take it for one that hangs."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reconfigure.daemons import Program
from reconfigure.settings import Tier, load
from reconfigure.standing.ports import PORTS, Silence, silences
from tests.sendmail.configured import configure
from tests.sendmail.listening import SECONDS, Listener, listening

MOST = 4
SETTINGS = {
    "TIER": "smtp-in",
    "CERT_DOMAIN": "control.example",
    "AWS_REGION": "eu-west-1",
    "RECONFIGURE_CONNECTIONS_LIMIT": str(MOST),
}


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    most = str(MOST)
    tier = configure("smtp-in", tmp_path, connections_limit=most, connections_per_client="50", connection_rate="1000")
    with listening(tier) as found:
        yield found


def looked_at(listener: Listener) -> list[Silence]:
    pid = int((listener.folder / "pid").read_text().split()[0])
    [port] = PORTS[Tier.SMTP_IN]
    programs = [Program("mail:sendmail", "RUNNING", pid, None, "")]
    return list(silences(load(SETTINGS), programs, [port._replace(number=listener.port)], patience=SECONDS))


def test_sendmail_says_that_it_is_full_and_that_it_has_been(listener: Listener) -> None:
    assert looked_at(listener) == []
    with ExitStack() as stack:
        for _ in range(MOST):
            stack.enter_context(listener.talk())
        [full] = looked_at(listener)
        assert full.busy == f"{MOST} sessions of {MOST}"

    # Nobody is inside any more, and for some seconds nobody gets in.
    deadline = time.monotonic() + SECONDS
    said = set()
    while found := looked_at(listener):
        said |= {each.busy for each in found}
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert said
    assert "" not in said, said
