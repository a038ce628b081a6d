"""From a published message to the address in the live map of every tier, in an embedded world of its own.

It is brought up as `make up` does it, in another state folder, and filled to the size wanted. What the AWS double
costs is part of the figure: it runs on the same machine and answers three tiers at once.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Console
from rich.table import Table

from embedded import sample
from embedded.aws import Clients, World
from embedded.places import CHECKOUT, Places
from reconfigure import notify
from reconfigure.settings import Tier

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import WriteRequestTypeDef

GOAL_SECONDS = 0.5
_DEADLINE_SECONDS = 30.0
_LOOK_SECONDS = 0.005
_BATCH = 25  # items in one BatchWriteItem
_UP_SECONDS = 120


class _Took(NamedTuple):
    """What one message took: seconds until a tier's live map had the address, and its pass by phases."""

    tier: Tier
    seconds: float
    pass_seconds: float
    phases: dict[str, float]


def measure(folder: Path, *, size: int, runs: int, console: Console) -> dict[str, Any]:
    """Return the seconds from message to live of each tier, and what its passes spent."""
    places = Places(folder)
    _embedded(folder, "up")
    try:
        live = World.read(places.aws)
        aws = Clients(live.url)
        _fill(aws, live, size)
        took: list[_Took] = []
        with console.status("") as spinner:
            for run in range(-1, runs):  # the first brings the filled table and is not counted
                spinner.update(f"message to live: {max(run, 0)} of {runs} …")
                once = _message(places, aws, live, f"live-{run + 1}@{sample.APEXES[0]}")
                took += once if run >= 0 else []
    finally:
        _embedded(folder, "down")
    by_tier = {tier.value: _summary([one for one in took if one.tier is tier]) for tier in Tier}
    everywhere = [max(one.seconds for one in took[at : at + len(Tier)]) for at in range(0, len(took), len(Tier))]
    median = round(statistics.median([one.seconds for one in took]), 3)
    return {
        "size": size,
        "runs": runs,
        "median": median,
        "median_of_slowest_tier": round(statistics.median(everywhere), 3),
        "goal": GOAL_SECONDS,
        "tiers": by_tier,
    }


def _embedded(folder: Path, command: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "embedded", "--state", str(folder), command],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=_UP_SECONDS,
        check=True,
    )


def _fill(aws: Clients, live: World, size: int) -> None:
    """Bring the table to so many rows."""
    missing = size - len(sample.ADDRESSES)
    users = [user.name for user in sample.USERS]
    rows = [
        sample.row(sample.SampleAddress(f"bench-{n}@d{n % max(1, size // 20)}.example.com", users[n % 6]))
        for n in range(missing)
    ]
    for at in range(0, missing, _BATCH):
        batch: list[WriteRequestTypeDef] = [{"PutRequest": {"Item": row}} for row in rows[at : at + _BATCH]]
        aws.dynamodb.batch_write_item(RequestItems={live.table: batch})


def _message(places: Places, aws: Clients, live: World, address: str) -> list[_Took]:
    """Create an address, publish the change, and watch every tier's live access map for it."""
    row = sample.row(sample.SampleAddress(address, "alice"))
    aws.dynamodb.put_item(TableName=live.table, Item=row)
    began = time.monotonic()
    notify.publish([address], topic_arn=live.topic_arn, endpoint_url=live.url, session=aws.session)
    seen: dict[Tier, float] = {}
    looked: dict[Tier, Path] = {}
    while len(seen) < len(Tier):
        if time.monotonic() > began + _DEADLINE_SECONDS:
            raise TimeoutError(f"{address} was not live on every tier after {_DEADLINE_SECONDS:.0f} s")
        for tier in (each for each in Tier if each not in seen):
            generation = (places.tier(tier) / "current").resolve()
            if looked.get(tier) != generation:
                looked[tier] = generation
                if f"to:{address}\t" in (generation / "mail" / "access").read_text():
                    seen[tier] = time.monotonic() - began
        time.sleep(_LOOK_SECONDS)
    return [_took(places, tier, seconds) for tier, seconds in seen.items()]


def _took(places: Places, tier: Tier, seconds: float) -> _Took:
    """Add what the pass says of itself, once it has said it."""
    generation = (places.tier(tier) / "current").resolve().name
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while (document := json.loads(places.status(tier).read_text()))["generation"] != generation:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{tier} never said that {generation} is live")
        time.sleep(_LOOK_SECONDS)
    return _Took(tier, seconds, document["pass"]["seconds"], document["pass"]["phases"])


def _summary(took: Sequence[_Took]) -> dict[str, Any]:
    names = dict.fromkeys(name for one in took for name in one.phases)
    return {
        "median": round(statistics.median(one.seconds for one in took), 3),
        "worst": round(max(one.seconds for one in took), 3),
        "pass": round(statistics.median(one.pass_seconds for one in took), 3),
        "phases": {name: round(statistics.median(one.phases.get(name, 0.0) for one in took), 3) for name in names},
    }


def show(found: dict[str, Any], console: Console) -> None:
    """Print what was measured."""
    title = f"Message to live: {found['size']:,} addresses, three tiers at once, {found['runs']} messages (seconds)"
    table = Table("tier", "median", "worst", "of it the pass", "where the pass goes", title=title, title_justify="left")
    for name, one in found["tiers"].items():
        largest = sorted(one["phases"].items(), key=lambda item: -item[1])[:5]
        spent = ", ".join(f"{phase} {seconds:.3f}" for phase, seconds in largest)
        table.add_row(name, f"{one['median']:.3f}", f"{one['worst']:.3f}", f"{one['pass']:.3f}", spent)
    console.print(table)
    colour = "green" if found["median"] <= found["goal"] else "red"
    console.print(
        f"Median over the tiers [{colour}]{found['median']:.3f} s[/], of the slowest tier of each message "
        f"{found['median_of_slowest_tier']:.3f} s; goal ≤ {found['goal']} s",
        highlight=False,
    )
