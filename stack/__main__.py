"""The command line of the world of containers, which `make mail` calls: `python -m stack up`."""

import argparse
import os
import sys
from collections.abc import Callable

from rich.console import Console

from embedded import sample
from stack import board, commands
from stack.engine import CommandError
from stack.lab.zone import HOSTS
from stack.project import PREFIX
from stack.world import PATIENCE_SECONDS, World

_NAME = "mail"


def main() -> int:
    """Do what the arguments say; return the exit code."""
    arguments = _parser().parse_args()
    console = Console(soft_wrap=True, highlight=False)
    world = World(arguments.project, arguments.prefix, publish=True)
    if arguments.needs_all and not world.running("aws"):
        console.print("It is not up. [cyan]make mail[/] brings it up.")
        return 1
    # A proxy of this machine's leads nowhere near the containers.
    os.environ |= {"NO_PROXY": "*", "no_proxy": "*"}
    act: Callable[[World, Console, argparse.Namespace], int] = arguments.act
    try:
        return act(world, console, arguments)
    except CommandError as error:
        console.print(f"{error}", style="red", markup=False)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=board.COMMAND, description="Three mail tiers as containers.")
    parser.add_argument("--project", default=_NAME, help="name of the compose project")
    parser.add_argument("--prefix", default=PREFIX, help="first three numbers of its addresses")
    chosen = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = chosen.add_parser("up", help="build the images and bring everything up")
    up.add_argument("--no-build", action="store_true", help="take the images as they are")
    up.add_argument("--patience", type=float, default=PATIENCE_SECONDS, help="seconds until it says what is wrong")
    up.set_defaults(needs_all=False, act=lambda w, c, a: commands.up(w, c, build=not a.no_build, patience=a.patience))

    down = chosen.add_parser("down", help="remove the containers and their network")
    down.add_argument("--volumes", action="store_true", help="mail, queues, generations and keys as well")
    down.set_defaults(needs_all=False, act=lambda w, c, a: commands.down(w, c, volumes=a.volumes))

    status = chosen.add_parser("status", help="show it")
    status.set_defaults(needs_all=True, act=lambda w, c, _: 0 if board.show(w, c) else 1)

    logs = chosen.add_parser("logs", help="what a container said")
    logs.add_argument("service", choices=list(HOSTS))
    logs.set_defaults(needs_all=False, act=lambda w, _, a: commands.logs(w, a.service))

    environment = chosen.add_parser("environment", help="print what docker/compose.yaml reads, for a shell to export")
    environment.set_defaults(needs_all=False, act=lambda w, _, __: commands.environment(w))

    _add_mail(chosen)
    _add_changes(chosen)
    return parser


def _add_mail(chosen: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    send = chosen.add_parser("send", help="send a message, in from outside or out as a user")
    send.add_argument("--from", dest="sender", default="someone@elsewhere.test")
    send.add_argument("--to", required=True)
    send.add_argument("--subject", default="A first message")
    send.add_argument("--body", default="Hello from the test world.\n")
    send.add_argument("--as", dest="user", help="the user who submits it; without, the first owner of a hosted sender")
    send.add_argument("--password", default=sample.PASSWORD)
    send.set_defaults(needs_all=True, act=commands.send)

    read = chosen.add_parser("read", help="a user's newest messages; without a user, what left for the internet")
    read.add_argument("user", nargs="?")
    read.add_argument("--last", type=int, default=3)
    read.add_argument("--password", default=sample.PASSWORD)
    read.set_defaults(
        needs_all=True,
        act=lambda w, c, a: commands.read(w, c, user=a.user, password=a.password, last=a.last),
    )


def _add_changes(chosen: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    create = chosen.add_parser("create", help="create an address and watch it go live")
    create.add_argument("address")
    create.add_argument("user", nargs="+")
    create.set_defaults(needs_all=True, act=lambda w, c, a: commands.create(w, c, address=a.address, users=a.user))
    revoke = chosen.add_parser("revoke", help="delete an address and watch it go")
    revoke.add_argument("address")
    revoke.set_defaults(needs_all=True, act=lambda w, c, a: commands.revoke(w, c, address=a.address))


if __name__ == "__main__":
    sys.exit(main())
