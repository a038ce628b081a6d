import time
from contextlib import ExitStack

import pytest

from tests.dovecot.clients import Tier, letter
from tests.system.patience import until

IDLE_KIB = 16 * 1024  # of all of Dovecot's processes together; what they map from files is shared and not counted


def test_it_listens_on_imap_alone(imap: Tier) -> None:
    listening = imap.shell("cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"0A\" {print $2}'").split()
    ports = {int(each.rpartition(":")[2], 16) for each in listening if not each.startswith("0100007F")}
    assert ports == {25, 143, 993}


@pytest.mark.unproved("not yet run: a hundred and twenty sessions need the machine to themselves")
def test_one_user_has_a_hundred_sessions_from_an_address_and_others_are_served_beside_them(imap: Tier) -> None:
    """More than the hundred processes that a service of Dovecot's has by itself, and the ten connections of a user."""
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(imap.session("alice"))
        assert "mail_max_userip_connections" in imap.refusal("alice")
        for _ in range(20):
            stack.enter_context(imap.session("bob"))


def test_a_killed_dovecot_is_back_within_seconds_though_sessions_were_open(imap: Tier) -> None:
    before = imap.world.programs("imap")["mail:dovecot"].pid
    with imap.session("alice"):
        imap.shell(f"kill -9 {before}")
        until(lambda: imap.world.programs("imap")["mail:dovecot"].pid not in {before, None}, "started again")
        until(lambda: "250" in imap.deliver("alice", text=letter("after"))["alice"], "delivers", seconds=20)
        assert imap.refusal("alice") == ""


def test_it_is_small_when_idle(imap: Tier) -> None:
    found = imap.shell("for p in $(pgrep -f 'dovecot'); do awk '/^RssAnon:/ {print $2}' /proc/$p/status; done")
    assert 0 < sum(map(int, found.split())) < IDLE_KIB, found


def test_the_container_stops_in_time_with_sessions_open(second: Tier) -> None:
    with second.session("alice") as one, second.session("bob"):
        begun = time.monotonic()
        second.world.stop("imap-2", seconds=30)
        assert time.monotonic() - begun < 25
        one.shutdown()
    second.world.start_again("imap-2")
    until(lambda: second.world.health("imap-2")["status"] == "ok", "healthy again", seconds=60)
    until(lambda: "yes" in second.shell("test ! -S /run/dovecot/lmtp || echo yes"), "takes mail again", seconds=30)
