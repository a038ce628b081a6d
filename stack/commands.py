"""What the command line does, told to a person at a terminal."""

import argparse
import imaplib
import shlex
import smtplib
import subprocess
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from stack import board, mail
from stack.engine import CHECKOUT, TOOL
from stack.watch import NotLiveError
from stack.world import NotReadyError, World


def up(world: World, console: Console, *, build: bool, patience: float) -> int:
    """Build the images, bring everything up and say what can be done with it."""
    began = time.monotonic()
    if build and subprocess.run([TOOL, "build"], cwd=CHECKOUT, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        return 1  # it has said why
    try:
        with console.status("Starting the containers …") as spinner:
            world.up()
            world.wait_ready(patience=patience, tell=lambda behind: spinner.update(f"Waiting for {behind} …"))
    except NotReadyError as error:
        console.print(f"{error}\n", markup=False)
        console.print(
            "[red]Not up.[/] Mend the cause and run [cyan]make mail[/] again; [cyan]make mail-down[/] stops it."
        )
        return 1
    console.print(f"\n[green]Up in {time.monotonic() - began:.1f} s.[/] Stop it with [cyan]make mail-down[/].")
    board.show(world, console)
    board.suggest(world, console)
    return 0


def down(world: World, console: Console, *, volumes: bool) -> int:
    """Remove it."""
    world.down(volumes=volumes)
    kept = (
        "" if volumes else f" Mail, queues and keys are kept; [cyan]{board.COMMAND} down --volumes[/] drops them too."
    )
    console.print(f"Nothing runs any more.{kept}")
    return 0


def environment(world: World) -> int:
    """Print shell lines that export what the compose file needs, for who calls compose by hand."""
    for name, value in world.environ().items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0


def logs(world: World, service: str) -> int:
    """Print what a container said."""
    sys.stdout.write(world.logs(service))
    return 0


def send(world: World, console: Console, wanted: argparse.Namespace) -> int:
    """Send one message: as a user when the sender is hosted (or a user is named), else from outside."""
    sender, to, user = wanted.sender, wanted.to, wanted.user
    message = mail.compose(sender, to, subject=wanted.subject, body=wanted.body)
    try:
        if user is None and not mail.is_hosted(sender):
            said = f"From outside to smtp-in: {mail.send_in(world, message, sender=sender, to=to)}"
        else:
            user = user or world.admin.owners(sender)[0]
            answer = mail.send_out(world, message, sender=sender, to=to, user=user, password=wanted.password)
            said = f"Submitted by {user}: {answer}"
    except LookupError as error:
        console.print(f"{error}", style="red", markup=False)
        return 1
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode(errors="replace")
        console.print(f"Refused: {error.smtp_code} {text}", style="red", markup=False)
        return 1
    except (smtplib.SMTPException, OSError) as error:
        console.print(f"Not sent: {error}", style="red", markup=False)
        return 1
    console.print(said, markup=False)
    return 0


def read(world: World, console: Console, *, user: str | None, password: str, last: int) -> int:
    """Print a user's newest messages, or what the internet received."""
    if user is None:
        for each in world.sink.messages()[-last:]:
            console.rule(f"{each.sender or '<>'} → {', '.join(each.recipients)}")
            console.print(each.data.decode(errors="replace"), markup=False)
        return 0
    try:
        found = mail.read(world, user=user, password=password, last=last)
    except imaplib.IMAP4.error as error:
        console.print(f"{user} may not log in: {error}", style="red", markup=False)
        return 1
    for received in found:
        console.rule(received.subject)
        console.print(f"From {received.sender} to {received.to}, {received.date}\n\n{received.text}", markup=False)
    if not found:
        console.print(f"{user} has no mail yet.")
    return 0


def create(world: World, console: Console, *, address: str, users: Sequence[str]) -> int:
    """Create an address and print how soon it was live on each tier."""
    served = world.admin.served_users()
    if unserved := [user for user in users if user not in served]:
        console.print(f"[red]Not a confirmed, enabled user: {', '.join(unserved)}.[/] There are {', '.join(served)}.")
        return 1
    if world.admin.has(address):
        console.print(f"[red]{address} exists already.[/] Revoke it first, or take another.")
        return 1
    return _watched(world, console, address=address, users=users)


def revoke(world: World, console: Console, *, address: str) -> int:
    """Delete an address and print how soon it was gone on each tier."""
    if not world.admin.has(address):
        console.print(f"[red]There is no {address} in the table.[/]")
        return 1
    return _watched(world, console, address=address, users=())


def _watched(world: World, console: Console, *, address: str, users: Sequence[str]) -> int:
    try:
        with world.watch(address, present=bool(users)) as seen:
            if users:
                world.admin.create(address, *users)
            else:
                world.admin.revoke(address)
            for tier, seconds in seen.seconds().items():
                console.print(f"  {tier:<10}{'live' if users else 'gone'} after [bold]{seconds:.2f} s[/]")
    except NotLiveError as error:
        console.print(f"{error}", style="red", markup=False)
        return 1
    return 0
