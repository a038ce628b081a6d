"""Create and revoke an address as the admin app would, then watch the tiers' live maps until each shows it.

The row is written, the topic is told, and from then on nothing is asked of the tiers: what counts is when the map that
their mail daemons read says so.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from embedded import sample
from embedded.aws import Clients, World
from embedded.places import Places
from reconfigure import notify
from reconfigure.settings import Tier

_MAPS: Mapping[Tier, str] = {
    Tier.IMAP: "mail/virtusertable",
    Tier.SMTP_IN: "mail/access",
    Tier.SMTP_OUT: "mail/access",
}
_DEADLINE_SECONDS = 20.0
_LOOK_SECONDS = 0.005


def create(places: Places, console: Console, *, address: str, users: Sequence[str]) -> int:
    """Create an address for one user or several; return 0 once it is live on every tier, else 1."""
    world = World.read(places.aws)
    aws = Clients(world.url)
    known = _served(aws, world)
    unserved = [user for user in users if not known.get(user)]
    if unserved:
        served = ", ".join(sorted(name for name, is_served in known.items() if is_served))
        console.print(f"[red]Not a confirmed, enabled user: {', '.join(unserved)}.[/] There are {served}.")
        return 1
    if "Item" in aws.dynamodb.get_item(TableName=world.table, Key={"address": {"S": address}}):
        console.print(f"[red]{address} exists already.[/] Revoke it first, or take another.", highlight=False)
        return 1
    began = time.monotonic()
    aws.dynamodb.put_item(TableName=world.table, Item=sample.row(sample.SampleAddress(address, "/".join(users))))
    _tell(aws, world, address)
    console.print(f"{address} → {', '.join(users)}: in the table, topic told.", highlight=False)
    return _watch(places, console, address=address, present=True, began=began)


def revoke(places: Places, console: Console, *, address: str) -> int:
    """Delete an address; return 0 once no tier knows it any more, else 1."""
    world = World.read(places.aws)
    aws = Clients(world.url)
    if "Item" not in aws.dynamodb.get_item(TableName=world.table, Key={"address": {"S": address}}):
        console.print(f"[red]There is no {address} in the table.[/]", highlight=False)
        return 1
    began = time.monotonic()
    aws.dynamodb.delete_item(TableName=world.table, Key={"address": {"S": address}})
    _tell(aws, world, address)
    console.print(f"{address}: gone from the table, topic told.", highlight=False)
    return _watch(places, console, address=address, present=False, began=began)


def _served(aws: Clients, world: World) -> Mapping[str, bool]:
    """Return user → whether the tiers serve that user."""
    pages = aws.cognito.get_paginator("list_users").paginate(UserPoolId=world.pool_id)
    users = (user for page in pages for user in page["Users"])
    return {user["Username"]: user["UserStatus"] == "CONFIRMED" and user["Enabled"] for user in users}


def _tell(aws: Clients, world: World, address: str) -> None:
    notify.publish([address], topic_arn=world.topic_arn, endpoint_url=world.url, session=aws.session)


def _watch(places: Places, console: Console, *, address: str, present: bool, began: float) -> int:
    """Print for each tier when its live map says what is wanted; return 0 if all do before the time is over."""
    key = re.compile(rf"^(to:)?{re.escape(address.lower())}[ \t]", re.MULTILINE)
    said = "live after" if present else "gone after"
    behind = list(Tier)
    seen: dict[Tier, Path] = {}
    with console.status("Watching the live maps …"):
        while behind and time.monotonic() < began + _DEADLINE_SECONDS:
            for tier in list(behind):
                generation = (places.tier(tier) / "current").resolve()
                if seen.get(tier) == generation:
                    continue  # looked into it already; generations never change
                seen[tier] = generation
                if bool(key.search((generation / _MAPS[tier]).read_text())) is present:
                    console.print(f"  {tier:<10}{said} [bold]{time.monotonic() - began:.2f} s[/]", highlight=False)
                    behind.remove(tier)
            time.sleep(_LOOK_SECONDS)
    for tier in behind:
        launcher = places.launchers / tier
        console.print(f"  {tier:<10}[red]not after {_DEADLINE_SECONDS:.0f} s[/]; {launcher} status says how it is")
    return 1 if behind else 0
