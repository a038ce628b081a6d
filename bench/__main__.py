"""The command line of the benchmarks: `python -m bench`, and `rest`, `live`, `parse` for what one figure is about."""

import argparse
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import commands, fleet, full, live, parse, rest
from reconfigure.settings import Tier

RESULTS = Path(__file__).resolve().parent / "results" / "latest.json"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
REST_SIZES = (1_000, 100_000)
LIVE_SIZE = 1_000
_WIDTH = 150


def _numbers(text: str) -> list[int]:
    return [int(part.replace("_", "")) for part in text.split(",")]


def _tiers(text: str) -> list[Tier]:
    return [Tier(part) for part in text.split(",")]


def main() -> int:
    """Measure what the arguments say, print it, and write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure passes against the goals.")
    parser.add_argument(
        "what",
        nargs="?",
        default="full",
        choices=("full", "rest", "live", "parse", "fleet", "commands"),
        help="full: passes by size and tier (default); rest: the daemon's memory; live: message to live; parse: a page;"
        " fleet: a change to many tasks; commands: CPU of those that ask no AWS",
    )
    parser.add_argument("--sizes", type=_numbers, help="addresses, as 1000,1_000_000")
    parser.add_argument("--tiers", type=_tiers, default=list(Tier), help="as imap,smtp-in")
    parser.add_argument(
        "--runs", type=int, help="of each; the median is shown (full: 3, at 1,000,000 1; live: 11; parse: 15)"
    )
    parser.add_argument("--json", type=Path, default=RESULTS, help="where the figures go (default: %(default)s)")
    parser.add_argument("--tasks", type=int, default=20, help="fleet: real tasks (default: %(default)s)")
    parser.add_argument("--light", type=int, default=200, help="fleet: light tasks (default: %(default)s)")
    parser.add_argument("--changes", type=int, default=100, help="fleet: how many (default: %(default)s)")
    parser.add_argument("--every", type=float, default=3.0, help="fleet: seconds between two (default: %(default)s)")
    arguments = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # Debian's PATH for users lacks them; makemap lies there

    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        found: Any
        match arguments.what:
            case "full":
                sizes = arguments.sizes or SIZES
                found = full.measure(
                    folder,
                    sizes=sizes,
                    tiers=arguments.tiers,
                    runs=arguments.runs,
                    console=console,
                    keep=lambda so_far: _write(arguments.json, "full", so_far),
                )
                full.show(found, console)
            case "rest":
                sizes = arguments.sizes or REST_SIZES
                found = rest.measure(folder / "rest", sizes=sizes, tiers=arguments.tiers, console=console)
                rest.show(found, console)
            case "live":
                size = (arguments.sizes or [LIVE_SIZE])[0]
                found = live.measure(folder / "live", size=size, runs=arguments.runs or 11, console=console)
                live.show(found, console)
            case "commands":
                size = (arguments.sizes or [LIVE_SIZE])[0]
                found = commands.measure(folder, size=size, runs=arguments.runs or 7, console=console)
                commands.show(found, console)
            case "fleet":
                found = fleet.run(
                    tasks=arguments.tasks,
                    followers=arguments.light,
                    changes=arguments.changes,
                    every=arguments.every,
                    console=console,
                )
                fleet.show(found, console)
            case _:
                found = parse.measure(folder, runs=arguments.runs or 15, patch=os.environ.__setitem__)
                parse.show(found, console)
    _write(arguments.json, arguments.what, found)
    return 0


def _write(path: Path, what: str, found: Any) -> None:
    """Put the figures beside those of the other measurements."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    document[what] = {"measured": datetime.now(UTC).isoformat(timespec="seconds"), "results": found}
    document["machine"] = {"cores": os.cpu_count(), "python": sys.version.split()[0]}
    path.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
