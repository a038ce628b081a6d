"""What it costs to read one page of Scan, 1 MB of JSON: botocore's own way, ours, and decoding the JSON alone."""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import server, world
from bench.processes import CREDENTIALS, REGION
from reconfigure.sources.answers import keep_rows_raw
from reconfigure.sources.aws import Clients

_SIZE = 12_000  # addresses: more than one page


def measure(folder: Path, *, runs: int, patch: Callable[[str, str], object]) -> dict[str, Any]:
    """Return the median CPU milliseconds for one page by each way.

    Args:
        folder: for the world.
        runs: of each way.
        patch: sets a variable of this process's environment.
    """
    for name, text in (*CREDENTIALS.items(), ("NO_PROXY", "127.0.0.1"), ("no_proxy", "127.0.0.1")):
        patch(name, text)
    world.write(folder / "world", _SIZE)
    page = (folder / "world" / "scan-0.json").read_bytes()
    with server.serving(folder / "world") as url:
        theirs, ours = Clients(REGION, url).dynamodb, Clients(REGION, url).dynamodb
        ours.meta.events.register("before-parse.dynamodb.Scan", keep_rows_raw)
        ways: dict[str, Callable[[], object]] = {
            "botocore": lambda: theirs.scan(TableName="bench"),
            "ours": lambda: ours.scan(TableName="bench"),
            "json": lambda: json.loads(page),
        }
        found = {name: _median_ms(way, runs) for name, way in ways.items()}
    return {"bytes": len(page), "rows": len(json.loads(page)["Items"]), "cpu_ms": found}


def _median_ms(way: Callable[[], object], runs: int) -> float:
    way()  # connection and imports
    spent = []
    for _ in range(runs):
        began = time.process_time()
        way()
        spent.append(time.process_time() - began)
    return round(1000 * statistics.median(spent), 2)


def show(found: dict[str, Any], console: Console) -> None:
    """Print what was measured."""
    title = f"One page of Scan over HTTP: {found['bytes'] / 1e6:.2f} MB, {found['rows']:,} rows"
    table = Table("way", "CPU ms", "x json alone", title=title, title_justify="left")
    labels = {"botocore": "botocore's own parser", "ours": "rows handed past it", "json": "json.loads alone, no HTTP"}
    for name, spent in found["cpu_ms"].items():
        table.add_row(labels[name], f"{spent:.1f}", f"{spent / found['cpu_ms']['json']:.1f}")
    console.print(table)
