"""Nobody notices a reconfiguration: mail at a steady rate while addresses, domains and users change, all counted."""

import json
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from reconfigure.settings import Tier
from stack.world import STATE, World
from tests.system.changes import Changes
from tests.system.figures import Figure
from tests.system.ledger import INTERNET, Account, Ledger
from tests.system.letters import ident_of
from tests.system.load import Load
from tests.system.mail import Mail
from tests.system.patience import until_running
from tests.system.signatures import signatures

SECONDS = float(os.environ.get("E2E_SECONDS", "180"))
STAND_IN_SECONDS = 25.0
ADDRESS_CHANGES = 100
DOMAINS = USERS = 5
EMPTY_PASSES = 3
SETTLE_SECONDS = 150.0  # two runs of the queue, for a letter that the delivery tier put off

_USERS = ("alice", "bob", "carol", "dave", "erin", "heidi")


def test_mail_flows_on_without_a_fault_while_everything_changes(world: World, mail: Mail, figure: Figure) -> None:
    world.sink.clear()
    for tier in Tier:
        until_running(world, tier, "reconfigure")
    before = _pids(world)
    generations = {tier: world.generation(tier) for tier in Tier}
    ledger = Ledger()
    load = Load(mail, ledger)
    run = secrets.randbelow(5_000)  # another one than that of the run before, in a world that was kept
    changes = Changes(world, mail, load, word=f"flow{run}", first_osid=10_000 + 10 * run)

    with load.running():
        began = time.monotonic()
        _make(changes, seconds=SECONDS)
        quiet = _empty_passes(world, changes)
        took = time.monotonic() - began

    account = _settled(mail, ledger, users=(*_USERS, *changes.users))
    figure(f"no interruption, {took:.0f} s, {changes.made} address changes", account)
    figure("  change → seen by the next SMTP session (seconds)", _spread(changes.waits))
    figure("  pids changed", _pids_changed(before, _pids(world)))
    assert changes.late == []
    assert (changes.made, changes.domains, len(changes.users)) == (ADDRESS_CHANGES, DOMAINS, USERS)
    assert quiet, "passes with nothing to change made a generation"
    assert all(world.generation(tier) != generations[tier] for tier in Tier)
    assert account.faults == 0, str(account)
    assert _pids_changed(before, _pids(world)) == []


def test_the_same_load_sees_the_faults_of_killing_and_restarting_on_each_change(
    world: World, mail: Mail, figure: Figure
) -> None:
    world.sink.clear()
    ledger = Ledger()
    load = Load(mail, ledger)

    with load.running(), _each_few_seconds(lambda: _kill_and_restart(world)):
        threading.Event().wait(STAND_IN_SECONDS)

    account = _settled(mail, ledger, users=_USERS)
    figure(f"kill and restart on each change, {STAND_IN_SECONDS:.0f} s", account)
    assert account.refused


def _make(changes: Changes, *, seconds: float) -> None:
    """Spread the changes evenly over the time."""
    step = changes.address_changes()
    began = time.monotonic()
    for number in range(ADDRESS_CHANGES):
        next(step)
        if number % (ADDRESS_CHANGES // DOMAINS) == DOMAINS:
            changes.new_domain()
        if number % (ADDRESS_CHANGES // USERS) == 2 * USERS:
            changes.new_user()
        _until(began + seconds * (number + 1) / ADDRESS_CHANGES)


def _empty_passes(world: World, changes: Changes) -> bool:
    """Have every tier look at everything anew, three times; return whether they left everything as it is."""
    before = {tier: world.generation(tier) for tier in Tier}
    for _ in range(EMPTY_PASSES):
        passes = {tier: _last_pass(world, tier)["id"] for tier in Tier}
        changes.nothing()
        deadline = time.monotonic() + 20
        while any(_last_pass(world, tier)["id"] == passes[tier] for tier in Tier):
            assert time.monotonic() < deadline, "a tier did not make the pass that it was asked for"
            time.sleep(0.5)
        assert {tier: _last_pass(world, tier)["outcome"] for tier in Tier} == dict.fromkeys(Tier, "unchanged")
    return before == {tier: world.generation(tier) for tier in Tier}


def _last_pass(world: World, tier: Tier) -> dict[str, str]:
    last: dict[str, str] = json.loads(world.exec(tier, "cat", str(STATE / "status.json")))["pass"]
    return last


def _settled(mail: Mail, ledger: Ledger, *, users: tuple[str, ...]) -> Account:
    """Wait until all that was promised is there, or the time for it is over, and close the ledger."""
    deadline = time.monotonic() + SETTLE_SECONDS
    found = _found(mail, users)
    while ledger.missing(found) and time.monotonic() < deadline:
        time.sleep(1)
        found = _found(mail, users)
    unsigned = [
        ident
        for message in mail.world.sink.messages()
        if (ident := ident_of(message.data)) and not _signed(mail, message.data, message.sender)
    ]
    return ledger.account(found, unsigned=unsigned)


def _found(mail: Mail, users: tuple[str, ...]) -> dict[str, Counter[str]]:
    internet = Counter(filter(None, (ident_of(message.data) for message in mail.world.sink.messages())))
    return {INTERNET: internet} | {user: mail.inbox(user) for user in users}


def _signed(mail: Mail, data: bytes, sender: str) -> bool:
    """Return whether there is one signature, valid, of the sender's own domain."""
    found = signatures(data, txt=mail.world.dns.txt)
    return [(each.domain, each.selector, each.valid) for each in found] == [
        (sender.rpartition("@")[2].lower(), "cabal", True)
    ]


def _pids(world: World) -> Mapping[str, int | None]:
    return {f"{tier} {name}": program.pid for tier in Tier for name, program in world.programs(tier).items()}


def _pids_changed(before: Mapping[str, int | None], after: Mapping[str, int | None]) -> list[str]:
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    return f"median {ordered[len(ordered) // 2]:.2f}, most {ordered[-1]:.2f}, of {len(ordered)}"


@contextmanager
def _each_few_seconds(action: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(3.0):
            action()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _kill_and_restart(world: World) -> None:
    """Do what a loop without generations does on a change: end the daemon, wait, start it; SIGHUP for the signer."""
    for tier in (Tier.SMTP_IN, Tier.SMTP_OUT):
        world.try_exec(
            tier,
            "sh",
            "-c",
            "supervisorctl stop mail:sendmail; supervisorctl signal HUP mail:opendkim; sleep 2;"
            " supervisorctl start mail:opendkim mail:sendmail",
        )


def _until(due: float) -> None:
    while (left := due - time.monotonic()) > 0:
        time.sleep(left)
