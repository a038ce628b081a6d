"""A UID is one user's: to copy it takes nothing from whoever is served with it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]
Until = Callable[..., None]


def accounts(daemon: "Daemon") -> set[str]:
    lines = (daemon.state / "current/passwd/passwd").read_text().splitlines()
    return {line.split(":")[0] for line in lines if line and not line.startswith("#")}


def test_a_user_who_copies_a_uid_does_not_put_its_holder_out_of_service(
    run: Run, world: "World", until: Until, with_users: Mapping[str, str]
) -> None:
    world.put("alice@example.com")
    daemon = run(**with_users)
    daemon.wait("pass_finished", outcome="changed")
    world.copy_uid("bob", "2001")  # alice's
    world.send({"event": "user_changed"})
    daemon.wait("pass_finished", outcome="changed", count=2)
    until(world.is_drained)
    assert accounts(daemon) == {"alice"}
    assert (daemon.state / "current/directory/addresses").read_text() == "alice@example.com\tactive\talice\n"
    status = daemon.status_when(lambda status: status["quarantine"]["total"] == 1)
    assert status["quarantine"]["by_reason"] == {"osid-taken": 1}


def test_a_newcomer_with_a_uid_of_somebody_live_changes_nothing(
    run: Run, world: "World", with_users: Mapping[str, str]
) -> None:
    world.put("alice@example.com")
    daemon = run(**with_users)
    daemon.wait("pass_finished", outcome="changed")
    world.add_users("mallory")  # the first number again, which is alice's
    world.send({"event": "user_changed"})
    daemon.wait("pass_finished", outcome="unchanged")
    assert accounts(daemon) == {"alice", "bob"}


def test_where_nobody_is_live_neither_is_served(run: Run, world: "World", with_users: Mapping[str, str]) -> None:
    world.put("alice@example.com")
    world.copy_uid("bob", "2001")
    world.add_users("carol", "dave")
    world.copy_uid("carol", "2005")
    daemon = run(**with_users)
    daemon.wait("pass_finished", outcome="changed")
    assert accounts(daemon) == {"carol", "dave"}
