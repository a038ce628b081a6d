"""Passes on a small disk of their own that is full, out of inodes or read-only.

    python -m tests.chaos.full_disk SCENARIO FOLDER

Runs in a mount namespace of its own (unshare(1)), so the disk goes with the process. Prints one JSON document: what
each level came to, and every failure.
"""

import json
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

from reconfigure.errors import ReconfigureError
from tests.chaos.worlds import OLD, Tier, directory_of

LARGE = directory_of([*(f"shop{n}@acme.example.com" for n in range(6)), *(f"n{n}@example.com" for n in range(1500))])
REASONS = ("No space left on device", "Read-only file system", "look at 'df -h'")
FREE_KIB = (0, 4, 16, 64, 128, 192, 256, 320, 384, 448, 512, 640, 800)
FREE_INODES = (0, 1, 2, 3, 5, 8, 12, 13, 14, 15, 16, 20, 24, 32)


def mount(folder: Path, options: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], check=True, timeout=30)  # noqa: S607


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder)], check=True, timeout=30)  # noqa: S607


def fill(filler: Path, *, free_kib: int) -> None:
    """Take all the room, and give some back."""
    block = b"x" * 4096
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(block)
        except OSError:
            file.truncate(max(file.tell() - free_kib * 1024, 0))


def fill_inodes(folder: Path, *, free: int) -> None:
    folder.mkdir()
    made: list[Path] = []
    try:
        while True:
            made.append(folder / str(len(made)))
            made[-1].touch()
    except OSError:
        made.pop()
    for path in made[:free]:
        path.unlink()


def old_world_stands(tier: Tier, outcome: str) -> None:
    """The pass failed and said why; what was live still is, and nothing is left beside it."""
    assert outcome.startswith("failed: "), outcome
    assert any(reason in outcome for reason in REASONS), outcome
    assert tier.live() == tier.digest(OLD)
    assert tier.leftovers() == []


def goes_on(tier: Tier) -> None:
    """With room again, the next pass brings the new world."""
    outcome = tier.pass_(LARGE)
    assert outcome == "changed", outcome
    assert tier.live() == tier.digest(LARGE)
    assert tier.leftovers() == []


def full(folder: Path, free: int) -> str:
    tier = Tier(folder, OLD, kind="smtp-in")
    mount(tier.state, "size=2m,mode=0755")
    try:
        assert tier.pass_() == "changed"
        filler = tier.state / "status.json"  # a name that belongs there
        fill(filler, free_kib=free)
        assert tier.pass_(OLD) == "unchanged"
        outcome = tier.pass_(LARGE)
        if outcome != "changed":
            old_world_stands(tier, outcome)
            assert tier.pass_(OLD) == "unchanged"
        filler.unlink()
        if outcome != "changed":
            goes_on(tier)
        assert tier.live() == tier.digest(LARGE)
        return outcome
    finally:
        unmount(tier.state)


def inodes(folder: Path, free: int) -> str:
    tier = Tier(folder, OLD, kind="smtp-in")
    mount(tier.state, "size=16m,nr_inodes=200,mode=0755")
    try:
        assert tier.pass_() == "changed"
        filler = tier.state / "history.jsonl"  # as above
        fill_inodes(filler, free=free)
        assert tier.pass_(OLD) == "unchanged"
        outcome = tier.pass_(LARGE)
        if outcome != "changed":
            old_world_stands(tier, outcome)
        shutil.rmtree(filler)
        if outcome != "changed":
            goes_on(tier)
        assert tier.live() == tier.digest(LARGE)
        return outcome
    finally:
        unmount(tier.state)


def own(folder: Path, _: int) -> str:
    """Old generations are all that is in the way: no pass fails for want of room."""
    tier = Tier(folder, OLD, kind="smtp-in", RECONFIGURE_KEEP_GENERATIONS="100")
    mount(tier.state, "size=2m,mode=0755")
    try:
        for number in range(30):
            world = directory_of([*(f"n{n}@example.com" for n in range(1500)), f"last{number}@example.com"])
            outcome = tier.pass_(world)
            assert outcome == "changed", f"pass {number}: {outcome}"
            assert tier.live() == tier.digest(world)
        kept = len(list((tier.state / "generations").iterdir()))
        assert tier.leftovers() == []
        return f"changed, {kept} left of 30"
    finally:
        unmount(tier.state)


def read_only(folder: Path, _: int) -> str:
    tier = Tier(folder, OLD, kind="smtp-in")
    mount(tier.state, "size=16m,mode=0755")
    try:
        assert tier.pass_() == "changed"
        subprocess.run(["mount", "-o", "remount,ro", str(tier.state)], check=True, timeout=30)  # noqa: S607
        outcome = tier.pass_(LARGE)
        old_world_stands(tier, outcome)
        assert str(tier.state) in outcome
        subprocess.run(["mount", "-o", "remount,rw", str(tier.state)], check=True, timeout=30)  # noqa: S607
        goes_on(tier)
        return outcome
    finally:
        unmount(tier.state)


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    scenario, levels = {
        "full": (full, FREE_KIB),
        "inodes": (inodes, FREE_INODES),
        "own": (own, (0,)),
        "read-only": (read_only, (0,)),
    }[name]
    outcomes, failures = {}, []
    for level in levels:
        try:
            outcomes[level] = scenario(folder / str(level), level)
        except (AssertionError, OSError, ReconfigureError, subprocess.SubprocessError):
            failures.append(f"{level} free:\n{traceback.format_exc()}")
    sys.stdout.write(json.dumps({"outcomes": outcomes, "failures": failures}))


if __name__ == "__main__":
    main()
