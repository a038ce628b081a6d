"""Kills a process at every step of a pass, and looks from outside at what is left.

    python -m tests.chaos.killed_pass SCENARIO FOLDER

A step is an audit event (PEP 578) that is about to touch the state folder or to start a program. The parent is warm:
for each step it restores the world, forks, and the child kills itself (SIGKILL) when it gets there. What is live must
then be the old world or the new one, whole, and the next pass must bring the desired state and clear up. Prints one
JSON document: how many steps there were, and every failure.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path
from typing import Any, NamedTuple

from reconfigure.report import Reporter
from tests.chaos.worlds import LOSS, NEW, OLD, Tier

WATCHED = {
    "open": 1,
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    "os.remove": 1,
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.truncate": 1,
    "shutil.rmtree": 1,
}  # event → how many of its arguments are paths
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ROUNDS = 60  # of kills at random


class Scenario(NamedTuple):
    """Something that may be killed.

    Attributes:
        before: makes the world that it starts from.
        act: what is killed.
        after: checks what is live after the kill, and what the passes after it come to.
    """

    before: Callable[[Tier], None]
    act: Callable[[Tier], None]
    after: Callable[[Tier], None]


def reported_pass(tier: Tier) -> None:
    """Make a pass and report it, as `once` does."""
    Reporter(tier.settings, None).finish(tier.reconciler.reconcile("operator"))


def settles(tier: Tier, *outcomes: str) -> None:
    """The next passes come to these, word by word up to the colon, and leave nothing behind."""
    found = [tier.pass_() for _ in outcomes]
    assert [text.partition(":")[0] for text in found] == list(outcomes), found
    tier.live()
    assert tier.leftovers() == []
    status = tier.state / "status.json"
    if status.exists():
        json.loads(status.read_bytes())


def goes_from(old: Any, new: Any) -> Callable[[Tier], None]:
    """What is live is the old world or the new; the next pass makes it the new one."""

    def after(tier: Tier) -> None:
        live = tier.live()
        assert live in {tier.digest(old) if old else None, tier.digest(new)}
        settles(tier, "unchanged" if live == tier.digest(new) else "changed", "unchanged")
        assert tier.live() == tier.digest(new)

    return after


def live(tier: Tier, *worlds: Any) -> None:
    for says in worlds:
        outcome = tier.pass_(says)
        assert outcome == "changed", outcome


def is_held(tier: Tier) -> None:
    assert tier.live() == tier.digest(OLD)
    settles(tier, "held", "held")
    held = tier.store.held()
    assert held is not None
    assert held.input_digest == tier.digest(LOSS)
    assert tier.live() == tier.digest(OLD)


def hold(tier: Tier) -> None:
    live(tier, OLD)
    assert tier.pass_(LOSS).startswith("held")


def is_approved_or_still_held(tier: Tier) -> None:
    if tier.live() == tier.digest(OLD):
        settles(tier, "held")
        tier.reconciler.approve()
    assert tier.live() == tier.digest(LOSS)
    settles(tier, "unchanged")
    assert tier.store.held() is None


def is_rolled_back_or_not(tier: Tier) -> None:
    if tier.reconciler.orders.pin() is None:
        assert tier.live() == tier.digest(NEW)
        settles(tier, "unchanged")
        return
    settles(tier, "pinned")  # ended between pin and flip, the pass flips
    assert tier.live() == tier.digest(OLD)
    assert tier.reconciler.orders.lift_pin()
    settles(tier, "changed", "unchanged")
    assert tier.live() == tier.digest(NEW)


def many(tier: Tier) -> None:
    for says in (OLD, NEW, OLD, NEW):
        live(tier, says)


def is_pruned(tier: Tier) -> None:
    assert tier.live() == tier.digest(NEW)
    settles(tier, "unchanged")
    assert len(tier.store.all()) == 2


SCENARIOS = {
    "first": Scenario(lambda _: None, reported_pass, goes_from(None, NEW)),
    "change": Scenario(lambda tier: live(tier, OLD), reported_pass, goes_from(OLD, NEW)),
    "held": Scenario(lambda tier: live(tier, OLD), reported_pass, is_held),
    "approve": Scenario(hold, lambda tier: [tier.reconciler.approve()].clear(), is_approved_or_still_held),
    "rollback": Scenario(
        lambda tier: live(tier, OLD, NEW),
        lambda tier: [tier.reconciler.rollback(by="operator")].clear(),
        is_rolled_back_or_not,
    ),
    "prune": Scenario(many, reported_pass, is_pruned),
}
SAYS = {"held": LOSS, "approve": LOSS}


def run_killed(act: Callable[[Tier], None], tier: Tier, *, step: int) -> bool:
    """Do it in a child that kills itself before the given step; return whether it got that far."""
    child = os.fork()
    if child == 0:
        try:
            _watch(str(tier.state.parent), step)
            act(tier)
        except BaseException:  # noqa: BLE001 - the child must end here, whatever it met
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed by itself"
    return False


def _copy(saved: Path, work: Path) -> None:
    """Copy a world as it is: with its links, hard ones too, and its times."""
    subprocess.run(["cp", "-a", str(saved), str(work)], check=True, timeout=30)  # noqa: S607


def _watch(root: str, last: int) -> None:
    steps = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event == "subprocess.Popen":
            steps += 1
        elif event in WATCHED:
            paths = [str(path) for path in arguments[: WATCHED[event]] if isinstance(path, str | os.PathLike)]
            # Below a folder that is being removed, names are relative to an open folder.
            within = any(path.startswith(root) or not path.startswith("/") for path in paths)
            if not within or (event == "open" and not (arguments[2] or 0) & WRITING):
                return
            steps += 1
        else:
            return
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def every_step(name: str, folder: Path) -> tuple[int, list[str]]:
    scenario = SCENARIOS[name]
    says = SAYS.get(name, NEW)
    keep = {"RECONFIGURE_KEEP_GENERATIONS": "2"} if name == "prune" else {}
    work, saved = folder / "work", folder / "saved"
    work.mkdir(parents=True)
    scenario.before(Tier(work, says))
    work.rename(saved)
    failures = []
    for step in count(1):
        shutil.rmtree(work, ignore_errors=True)
        _copy(saved, work)
        tier = Tier(work, says, **keep)
        killed = run_killed(scenario.act, tier, step=step)
        try:
            scenario.after(tier)
        except Exception:  # noqa: BLE001 - all steps are looked at, then all failures told
            failures.append(f"killed before step {step}:\n{traceback.format_exc()}")
        if not killed:
            return step - 1, failures
    raise AssertionError


def at_random(folder: Path) -> tuple[int, list[str]]:
    """Kill a child that makes changing passes without end, at moments that nobody chose."""
    seed = time.time_ns()
    moments = random.Random(seed)  # noqa: S311 - not for secrets
    tier = Tier(folder, OLD)
    live(tier, OLD)
    failures = []
    for number in range(ROUNDS):
        child = os.fork()
        if child == 0:
            for says in cycle((NEW, OLD)):
                tier.says = says
                reported_pass(tier)
        time.sleep(moments.uniform(0, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        try:
            found = tier.live()
            assert found in {tier.digest(OLD), tier.digest(NEW)}
            settles(tier, "changed" if found != tier.digest(tier.says) else "unchanged")
        except Exception:  # noqa: BLE001 - as above
            failures.append(f"round {number} of seed {seed}:\n{traceback.format_exc()}")
    return ROUNDS, failures


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    steps, failures = at_random(folder) if name == "random" else every_step(name, folder)
    sys.stdout.write(json.dumps({"steps": steps, "failures": failures}))


if __name__ == "__main__":
    main()
