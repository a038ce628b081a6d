"""The command line of the embedded world, which `make up` and its launchers call: `python -m embedded up`."""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from embedded import board, changes, processes, tiers
from embedded.down import down
from embedded.places import CHECKOUT, Places
from embedded.up import PATIENCE_SECONDS, up
from reconfigure.settings import Tier


def main() -> int:
    """Do what the arguments say; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m embedded", description="An embedded world to try things in.")
    parser.add_argument("--state", type=Path, default=CHECKOUT / ".state", help="folder of all its state")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    waits = commands.add_parser("up", help="bring it up, or mend it")
    waits.add_argument("--patience", type=float, default=PATIENCE_SECONDS, help="seconds until it says what is wrong")
    commands.add_parser("down", help="end every process of it")
    commands.add_parser("status", help="show it")
    create = commands.add_parser("create", help="create an address and watch it go live")
    create.add_argument("address")
    create.add_argument("user", nargs="+")
    commands.add_parser("revoke", help="delete an address and watch it go").add_argument("address")
    commands.add_parser("shell", help="a shell with a tier's settings").add_argument(
        "tier", type=Tier, choices=list(Tier)
    )
    commands.add_parser("tier", help="(for supervisord)").add_argument("tier", type=Tier, choices=list(Tier))
    arguments = parser.parse_args()

    places = Places(arguments.state.resolve())
    console = Console(soft_wrap=True)
    match arguments.command:
        case "up":
            return up(places, console, patience=arguments.patience)
        case "down":
            return _down(places, console)
        case "tier":
            tiers.run(places, arguments.tier)
        case _ if not places.aws.exists():
            console.print("It is not up. [cyan]make up[/] brings it up.")
            return 1
        case "shell":
            tiers.run_shell(places, arguments.tier)
        case "status":
            board.show(places, console)
            return 0
    # What this shell says of AWS is meant for another one.
    for name in tiers.foreign(os.environ):
        del os.environ[name]
    os.environ |= {"NO_PROXY": tiers.LOOPBACK, "no_proxy": tiers.LOOPBACK}
    if arguments.command == "create":
        return changes.create(places, console, address=arguments.address, users=arguments.user)
    return changes.revoke(places, console, address=arguments.address)


def _down(places: Places, console: Console) -> int:
    try:
        return down(places, console)
    except processes.LeftOverError as error:
        console.print(f"[red]{error}[/]")
        return 1


if __name__ == "__main__":
    sys.exit(main())
