"""`reconfigure doctor`: tries everything that this tier depends on, and says what to do about what fails."""

import sys
from typing import TYPE_CHECKING

import click

from reconfigure.cli import json_option, log_to_stderr, settings_of, tables
from reconfigure.settings import Settings

if TYPE_CHECKING:
    from reconfigure.checkup.finding import Check, Finding

LIMIT = 12.0  # seconds for all checks together

KEYS = {
    "state": "the worst of all: `ok`, `warning` or `failed`",
    "findings": "each with `check`, `state` (`ok`, `warning`, `failed`, `skipped`), `seen`, `means` (for mail), `fix`, "
    "`seconds` and `runbook` (number of the page that helps, or null)",
}
STYLES = {"ok": tables.GOOD, "warning": tables.ODD, "failed": tables.BAD, "skipped": tables.DIM}


@click.command("doctor")
@click.option("--only", metavar="CHECK", multiple=True, help="Run this check alone; may be given more than once.")
@click.option("--resolver", metavar="HOST[:PORT]", help="Name server to ask, not the system's.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, only: tuple[str, ...], resolver: str | None, as_json: bool) -> None:
    """Try each dependency and permission by one real call, and say what fails, what it means, and the fix.

    Nothing is changed and no message is received. What is not here (a laptop has no mail daemons) is skipped. Takes 12
    seconds at most. Ends with 0 when nothing failed, warnings or not, with 1 otherwise. Ask as root to see all.

    \b
    Examples:
      reconfigure doctor
      reconfigure doctor --only dynamodb --only cognito
      reconfigure doctor --json | jq '.findings[] | select(.state == "failed")'
    """  # noqa: D301
    settings = settings_of(ctx)
    log_to_stderr(settings, least="error")
    checks = _checks(settings, resolver)
    unknown = [name for name in only if name not in checks]
    if unknown:
        raise click.BadParameter(
            f"there is no check {unknown[0]!r}; there are {', '.join(checks)}", param_hint="--only"
        )
    from reconfigure.checkup.finding import run  # noqa: PLC0415 - nothing that --help needs

    if sys.stderr.isatty():
        click.echo(f"trying {len(only or checks)} things ...", err=True)
    found = run({name: checks[name] for name in only or checks}, seconds=LIMIT)
    states = {one.state for one in found}
    worst = next((state for state in ("failed", "warning") if state in states), "ok")
    if as_json:
        tables.emit({"state": worst, "findings": [one.document() for one in found]})
    else:
        _show(found, worst)
    sys.stdout.flush()
    sys.exit(1 if worst == "failed" else 0)


def _checks(settings: Settings, resolver: str | None) -> dict[str, "Check"]:
    from reconfigure.checkup import aws, configuration, domains, keys, task  # noqa: PLC0415
    from reconfigure.sources.aws import Clients  # noqa: PLC0415

    # One request each, and not long: what is slow is as bad as what fails.
    clients = Clients(
        settings.aws_region,
        settings.aws_endpoint_url,
        attempts=1,
        connect_timeout=aws.PATIENCE,
        read_timeout=aws.PATIENCE,
        long_poll=0,
    )
    return {
        **aws.checks(settings, clients),
        **task.checks(settings),
        **configuration.checks(settings),
        **keys.checks(settings, resolver=resolver),
        **domains.checks(settings, resolver=resolver),
    }


def _show(found: "list[Finding]", worst: str) -> None:
    console = tables.console()
    counts = {state: sum(one.state == state for one in found) for state in STYLES}
    said = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    console.print(tables.note(f"{worst}: {said}", STYLES[worst], indent=0))
    for one in sorted(found, key=lambda one: ["failed", "warning", "ok", "skipped"].index(one.state)):
        console.print(tables.note(f"{one.check}: {one.state}", STYLES[one.state], indent=2))
        console.print(tables.note(one.seen, indent=4))
        if one.means:
            console.print(tables.note(f"means: {one.means}", indent=4))
        if one.fix:
            console.print(tables.note(f"fix:   {one.fix}", indent=4))
        if one.runbook is not None:
            console.print(tables.note(f"more:  {one.runbook.command}", indent=4))
