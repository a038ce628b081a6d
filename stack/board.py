"""What a person sees of a world: its containers side by side, and lines to try."""

from rich import box
from rich.console import Console
from rich.table import Table

from embedded import sample
from reconfigure.settings import Tier
from stack.engine import CHECKOUT
from stack.lab.zone import HOSTS
from stack.world import World

COMMAND = ".venv/bin/python -m stack"  # as it is typed in the checkout, where no venv is active
_OUTSIDE = "someone@elsewhere.test"
_FIRST = "shop@acme.example.com"
_FRIEND = "friend@world.test"
_COLOURS = {"ok": "green", "degraded": "yellow", "starting": "yellow"}
_WRONG = {"FATAL", "BACKOFF", "UNKNOWN"}


def show(world: World, console: Console) -> bool:
    """Show every container and what the tiers say of themselves; return whether all is well."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "state", "generation", "address", "programs"):
        table.add_column(column)
    well = True
    for service in HOSTS:
        runs = world.running(service)
        if service not in set(Tier) or not runs:
            table.add_row(service, "[green]runs[/]" if runs else "[red]absent[/]", "", world.ip(service), "")
            well = well and runs
            continue
        health = world.health(service)
        said = str(health["status"])
        well = well and said == "ok"
        state = f"[{_COLOURS.get(said, 'red')}]{said}[/]"
        table.add_row(service, state, world.generation(service), world.ip(service), _programs(world, service))
        for problem in health.get("problems", ()):
            table.add_row("", f"[red]{problem}[/]")
    console.print(table)
    return well


def _programs(world: World, tier: str) -> str:
    programs = world.programs(tier)
    wrong = [f"{name} {program.state}" for name, program in programs.items() if program.state in _WRONG]
    return ", ".join(wrong) or f"{sum(each.state == 'RUNNING' for each in programs.values())} run"


def suggest(world: World, console: Console) -> None:
    """Print lines to try, all of which work as they stand."""
    own = COMMAND if world.project == "mail" else f"{COMMAND} --project {world.project}"
    ca = world.ca.relative_to(CHECKOUT)
    at = {port: ":".join(map(str, world.at(tier, port))) for tier, port in _PORTS}
    imap, out = world.name(Tier.IMAP), world.name(Tier.SMTP_OUT)
    login = f"alice:{sample.PASSWORD}"
    curl_in = f"curl --cacert {ca} --connect-to {imap}:993:{at[993]} --user {login}"
    curl_out = f"curl --cacert {ca} --connect-to {out}:465:{at[465]} --user {login}"
    swaks_out = f"swaks --server {at[465]} --tls-on-connect --auth-user alice --auth-password {sample.PASSWORD}"
    sections = {
        "Send a first message and read it:": (
            f"{own} send --from {_OUTSIDE} --to {_FIRST}",
            f"{own} read alice",
            f"{own} send --from {_FIRST} --to {_FRIEND}",
            f"{own} read",
            f"{own} create new@fresh.example.net alice bob",
        ),
        "The same with swaks and curl:": (
            f"swaks --server {at[25]} --tls --from {_OUTSIDE} --to {_FIRST}",
            f"{curl_in} 'imaps://{imap}/INBOX;MAILINDEX=1'",
            f"{swaks_out} --from {_FIRST} --to {_FRIEND}",
            f"echo 'From: {_FIRST}' | {curl_out} --mail-from {_FIRST} --mail-rcpt {_FRIEND} --crlf -T - smtps://{out}",
            f"curl {world.sink.url}/",
        ),
        "Look inside:": (
            f"tools/containers run exec -it {world.container(Tier.IMAP)} sh",
            f"tools/containers run exec {world.container(Tier.SMTP_IN)} reconfigure status",
            f"tools/containers run exec {world.container(Tier.SMTP_OUT)} supervisorctl status",
        ),
    }
    for title, lines in sections.items():
        console.print(f"\n{title}", style="bold")
        for line in lines:
            console.print(f"  {line}", style="cyan", markup=False)


_PORTS = ((Tier.SMTP_IN, 25), (Tier.IMAP, 993), (Tier.SMTP_OUT, 465))
