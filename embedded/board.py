"""What a person sees of an embedded world: the table of its tiers, where things are, three lines to try.

Reads the tiers' status documents as any operator's tool would; asks no process.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from embedded import tiers
from embedded.aws import World
from embedded.places import Places
from reconfigure.settings import Tier

_COLOURS = {"ok": "green", "held": "yellow", "degraded": "yellow", "failed": "red"}
_COUNTS = ("addresses", "active", "suspended", "dangling", "domains", "users")
_MINUTE, _HOUR = 60, 3600


def show(places: Places, console: Console, *, now: datetime | None = None) -> None:
    """Print the whole: table, places, and what to try."""
    console.print(table(places, now=now or datetime.now(UTC)))
    console.print(f"  AWS double    {World.read(places.aws).url}" if places.aws.exists() else "  AWS double    is down")
    console.print(f"  health checks {pings_url(places)}")
    for tier in Tier:
        console.print(f"  {tier:<13} http://127.0.0.1:{tiers.http_port(places, tier)}/")
    console.print(f"  logs          {shown(places.logs)}/", highlight=False)
    console.print("\nTry:", style="bold")
    for line, about in (
        (f"{shown(places.launchers / 'create')} shop2@acme.example.com alice", "watch an address go live"),
        (f"{shown(places.launchers / Tier.IMAP)} diff", "what that changed"),
        (f"{shown(places.launchers / Tier.SMTP_IN)} status", "how a tier is"),
    ):
        console.print(f"  [cyan]{line:<52}[/] [dim]{about}[/]", highlight=False)


def table(places: Places, *, now: datetime) -> Table:
    """Return the tiers side by side."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("")
    documents: dict[Tier, Mapping[str, Any]] = {tier: tiers.status_document(places, tier) or {} for tier in Tier}
    for tier in Tier:
        made.add_column(tier, overflow="fold")
    made.add_row("state", *(_state(document) for document in documents.values()))
    made.add_row("generation", *(_generation(document) for document in documents.values()))
    for name in _COUNTS:
        made.add_row(name, *(_count(document, name) for document in documents.values()))
    made.add_row("quarantined", *(_quarantined(document) for document in documents.values()))
    made.add_row("last success", *(_ago(document.get("last_success"), now) for document in documents.values()))
    return made


def pings_url(places: Places) -> str:
    """Return where the health checks are to be looked at."""
    port = places.state / "healthchecks.port"
    return f"http://127.0.0.1:{port.read_text().strip()}/" if port.exists() else "are down"


def shown(path: Path) -> str:
    """Return a path as it is shortest to type from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _state(document: Mapping[str, Any]) -> Text:
    state = str(document.get("state", "absent"))
    return Text(state, style=_COLOURS.get(state, "red"))


def _generation(document: Mapping[str, Any]) -> Text:
    # Three whole ids side by side are wider than a terminal; the end tells them apart.
    return Text(str(document.get("generation") or "none").rpartition("-")[2])


def _count(document: Mapping[str, Any], name: str) -> str:
    return str(document.get("counts", {}).get(name, "-"))


def _quarantined(document: Mapping[str, Any]) -> Text:
    quarantine = document.get("quarantine", {})
    total = quarantine.get("total", "-")
    return Text(str(total), style="yellow" if total else "")


def _ago(stamp: str | None, now: datetime) -> str:
    if stamp is None:
        return "never"
    seconds = (now - datetime.fromisoformat(stamp)).total_seconds()
    if seconds < _MINUTE:
        return f"{seconds:.0f} s ago"
    return f"{seconds / _MINUTE:.0f} min ago" if seconds < _HOUR else f"{seconds / _HOUR:.1f} h ago"
