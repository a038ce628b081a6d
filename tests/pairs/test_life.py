"""An address lives and ends on each of two tasks of a tier, within seconds, by one message; and so does a user."""

import json
import time
import uuid
from functools import partial

import pytest

from reconfigure.settings import Tier
from tests.pairs.conftest import TASKS, Pairs
from tests.system import mailbox
from tests.system.letters import Letter
from tests.system.mail import PASSWORD
from tests.system.patience import until

REFUSED = {Tier.SMTP_IN: "550 5.1.1", Tier.IMAP: "451 4.2.1", Tier.SMTP_OUT: "550 5.1.1"}
SUSPENDED = {Tier.SMTP_IN: "550 5.2.1", Tier.IMAP: "451 4.2.1", Tier.SMTP_OUT: "550 5.2.1"}


@pytest.fixture
def address() -> str:
    return f"pair-{uuid.uuid4().hex[:8]}@acme.example.com"


def test_an_address_is_created_suspended_and_revoked_on_every_task(world: Pairs, address: str) -> None:
    for task in TASKS:
        assert world.ask(task, address).verdict.startswith(REFUSED[TASKS[task]])
    world.admin.create(address, "alice")
    for task in TASKS:
        world.says(task, address, "250")
    world.admin.suspend(address)
    for task in TASKS:
        world.says(task, address, SUSPENDED[TASKS[task]])
    world.admin.resume(address)
    for task in TASKS:
        world.says(task, address, "250")
    world.admin.revoke(address)
    for task in TASKS:
        world.says(task, address, REFUSED[TASKS[task]])


def test_mail_comes_in_by_either_task_and_is_read_at_either(world: Pairs) -> None:
    letters = {task: Letter.to("bank@example.com") for task in ("smtp-in", "smtp-in-2")}
    for task, letter in letters.items():
        assert world.send(task, letter).good
    for task in ("imap", "imap-2"):
        for letter in letters.values():
            until(
                lambda task=task, letter=letter: mailbox.inbox(world.box(task), "alice", PASSWORD)[letter.ident] == 1,  # type: ignore[misc]
                f"the letter is in alice's mailbox at {task}, once",
                seconds=100,
                every=0.5,
            )


@pytest.mark.parametrize("task", ["smtp-out", "smtp-out-2"])
def test_mail_goes_out_signed_by_either_task(world: Pairs, task: str) -> None:
    letter = Letter.to("friend@world.test", sender="alice@example.com")
    assert world.send(task, letter).good
    until(
        lambda: any(
            letter.ident.encode() in one.data and b"DKIM-Signature:" in one.data for one in world.sink.messages()
        ),
        "it is at the sink, signed",
        seconds=100,
    )


def test_every_task_is_on_the_last_change_and_any_task_says_so(world: Pairs, address: str) -> None:
    world.admin.create(address, "bob")
    for task in TASKS:
        world.says(task, address, "250")
    for asked in TASKS:
        tasks = until(partial(_all_on_the_last, world, asked), f"{asked} sees all", seconds=90)
        assert {(one["tier"], one["task"]) for one in tasks} == {
            (tier.value, world.name(task)) for task, tier in TASKS.items()
        }
    digests = {tier: {one["digest"] for one in tasks if one["tier"] == tier} for tier in Tier}
    assert all(len(found) == 1 for found in digests.values()), digests
    world.admin.revoke(address)


def _all_on_the_last(world: Pairs, task: str) -> list[dict[str, object]]:
    """Return every task as one of them sees it, once all are well and on the last change; else nothing."""
    done = world.try_exec(task, "reconfigure", "fleet", "--json")
    tasks: list[dict[str, object]] = json.loads(done.stdout)["tasks"]
    is_so = done.returncode == 0 and len(tasks) == len(TASKS) and not any(one["missing"] for one in tasks)
    return tasks if is_so else []


def test_no_task_waits_for_the_timer(world: Pairs, address: str) -> None:
    took = []
    for _ in range(3):
        world.admin.create(address, "alice")
        began = time.monotonic()
        for task in TASKS:
            world.says(task, address, "250")
        took.append(time.monotonic() - began)
        world.admin.revoke(address)
        for task in TASKS:
            world.says(task, address, REFUSED[TASKS[task]])
    assert max(took) < 30  # the timer's passes are a quarter of an hour apart
