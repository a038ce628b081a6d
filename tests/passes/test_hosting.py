"""No row takes mail that is another's: neither a full pass nor a message hosts a domain that is not ours."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]
Until = Callable[..., None]

OWN = ["root@imap.mail.example.com", "root@smtp-in.mail.example.com", "root@smtp-out.mail.example.com"]


def test_the_services_own_host_names_are_hosted_by_no_row(run: Run, world: "World") -> None:
    world.put("shop@acme.example.com", "ceo@world.test", "root@relay.internal", *OWN)
    daemon = run(IMAP_INTERNAL_HOST="relay.internal")
    daemon.wait("pass_finished", outcome="changed")
    assert set(daemon.served()) == {"shop@acme.example.com", "ceo@world.test"}
    status = daemon.status_when(lambda status: status["state"] == "ok")
    assert status["quarantine"]["by_reason"] == {"domain-own-host": 4}


def test_a_domain_that_is_not_ours_is_hosted_neither_at_the_start_nor_by_a_message(
    run: Run, world: "World", until: Until
) -> None:
    world.put("shop@acme.example.com", "ceo@world.test")
    daemon = run(MAIL_DOMAINS="example.com example.org")
    daemon.wait("pass_finished", outcome="changed")
    assert set(daemon.served()) == {"shop@acme.example.com"}
    world.put("cfo@world.test", "new@example.org")
    world.send({"event": "address_changed", "addresses": ["cfo@world.test", "new@example.org"]})
    daemon.wait("pass_finished", outcome="changed", count=2)
    until(world.is_drained)
    assert set(daemon.served()) == {"shop@acme.example.com", "new@example.org"}
    status = daemon.status_when(lambda status: status["quarantine"]["total"] == 2)
    assert status["quarantine"]["by_reason"] == {"domain-not-ours": 2}


def test_a_foreign_domain_that_was_live_goes_with_the_setting(run: Run, world: "World") -> None:
    world.put("shop@acme.example.com", "ceo@world.test")
    before = run()
    before.wait("pass_finished", outcome="changed")
    assert "ceo@world.test" in before.served()
    before.stop()
    after = run(MAIL_DOMAINS="example.com")
    after.wait("pass_finished", outcome="changed")
    assert set(after.served()) == {"shop@acme.example.com"}
