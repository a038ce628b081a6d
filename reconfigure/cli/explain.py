"""`reconfigure explain`: what becomes of an address, a user or a domain, and which link of the chain is behind."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import click

from reconfigure.cli import json_option, log_to_stderr, settings_of, tables
from reconfigure.runbooks import OF_CAUSES, OF_CHECKS, Runbook, of_failure
from reconfigure.standing import LOOP, Standing, look

if TYPE_CHECKING:
    from reconfigure.explaining.chain import Explanation
    from reconfigure.reconcile import Reconciler

LONGEST = 1000  # characters of a subject

KEYS = {
    "kind": "`address`, `user` or `domain`: what it was taken for",
    "subject": "its canonical form",
    "means": "what the sources mean for mail or login, a sentence",
    "agrees": "whether all links agree; null when none differs but some could not be asked",
    "links": "from the source to the daemon, each with `where`, `state` (`fits`, `differs`, `unknown`, `skipped`) and "
    "`says`, a list of lines",
    "mend": "where something differs: why, and what to type; a list of sentences",
    "runbook": "number of the page that helps with the first of them (`reconfigure runbook NUMBER`), or null",
}
SOURCES = {"DynamoDB": OF_CHECKS["dynamodb"], "Cognito": OF_CHECKS["cognito"]}
STYLES = {"fits": tables.GOOD, "differs": tables.BAD, "unknown": tables.ODD, "skipped": tables.DIM}


@click.command("explain")
@click.argument("subject", metavar="ADDRESS|USER|DOMAIN")
@click.option("--resolver", metavar="HOST[:PORT]", help="Name server to ask about a domain, not the system's.")
@json_option
@click.pass_context
def command(ctx: click.Context, *, subject: str, resolver: str | None, as_json: bool) -> None:
    """Say what becomes of an address, a user or a domain, and why.

    Asks each link anew: the row in DynamoDB, the users in Cognito, what validation makes of them, the entries of the
    live compiled maps, and the running daemon. For a domain: its addresses, its entries, and MX, SPF, DKIM and DMARC as
    DNS has them, against what they should be. What has an @ is an address, what has a dot a domain, the rest a user.

    Nothing is changed. Ends with 0 when all links agree, with 1 when one is behind or could not be asked; says which,
    and what mends it.

    \b
    Examples:
      reconfigure explain shop@acme.example.com
      reconfigure explain alice
      reconfigure explain acme.example.com --resolver 192.0.2.53
      reconfigure explain shop@acme.example.com --json | jq .agrees
    """  # noqa: D301
    if not subject.isprintable() or not 0 < len(subject) <= LONGEST:
        raise click.BadParameter("write one address, user or domain, without control characters")
    settings = settings_of(ctx)
    log_to_stderr(settings, least="error")
    from reconfigure import assembly  # noqa: PLC0415 - AWS and templates, which --help does not need

    reconciler = assembly.reconciler(settings)
    try:
        found = _found(reconciler, subject, resolver)
    finally:
        reconciler.clients.close()
    standing = look(settings, now=datetime.now(UTC))
    mends = list(_mends(found, standing))
    if as_json:
        page = next((one.runbook for one in mends if one.runbook is not None), None)
        tables.emit({**found.document(), "mend": [one.told for one in mends], "runbook": page})
    else:
        _show(found, mends)
    sys.exit(0 if found.agrees else 1)


def _found(reconciler: "Reconciler", subject: str, resolver: str | None) -> "Explanation":
    from reconfigure.explaining import address, daemon, domain, user  # noqa: PLC0415 - as above
    from reconfigure.explaining.records import Names  # noqa: PLC0415

    if "@" in subject:
        return address.explain(reconciler, subject, partial(daemon.ask, reconciler.settings.tier))
    if "." in subject:
        try:
            names = Names(resolver)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--resolver") from error
        return domain.explain(reconciler, subject, names)
    return user.explain(reconciler, subject)


class Mend(NamedTuple):
    """Why something is not as it should be and what to type, and the page that says more."""

    told: str
    runbook: Runbook | None = None


def _mends(found: "Explanation", standing: Standing) -> Iterator[Mend]:
    """Yield why what differs differs, and what to type."""
    if found.generation_differs:
        yield _behind(standing)
    if any(link.where == "daemon" and link.state == "differs" for link in found.links):
        yield Mend(
            "The daemon does not say what its live map says: look at 'supervisorctl status' and at its log.",
            OF_CAUSES["daemon"],
        )
    for link in found.links:
        if link.where in SOURCES and link.state == "unknown":
            yield Mend(f"{link.where} could not be read: {link.says[-1]}", SOURCES[link.where])
        if link.where.startswith("DNS") and link.state == "differs":
            page = OF_CHECKS["dkim"] if link.where.startswith("DNS, DKIM") else None
            yield Mend(f"{link.where}: {link.says[-1]}", page)
    if found.served is False and not found.generation_differs:
        yield Mend("If it should get mail: the links above say what the sources lack.", OF_CAUSES["no mail"])


def _behind(standing: Standing) -> Mend:
    """Return why what is live is behind the sources, the first reason that explains it."""
    report = standing.report
    stopped = [one for one in standing.programs or () if one.name == LOOP and one.state != "RUNNING"]
    if standing.paused is not None:
        told = f"Nothing is applied: {standing.paused.told}. 'reconfigure resume' ends that."
        return Mend(told, OF_CAUSES["paused"])
    if standing.pinned is not None:
        told = f"Nothing else goes live: {standing.pinned.told}. 'reconfigure resume' lifts the pin."
        return Mend(told, OF_CAUSES["pin"])
    if standing.held is not None:
        told = (
            f"Generation {standing.held.id} is held: {'; '.join(standing.held.reasons)}. Look at 'reconfigure diff "
            "--held'; 'reconfigure approve' applies it."
        )
        return Mend(told, OF_CAUSES["guard"])
    if stopped:
        told = f"The loop is {stopped[0].state} {stopped[0].detail}: 'supervisorctl start reconfigure'."
        return Mend(told, OF_CAUSES["loop"])
    if report is not None and report.state == "failed" and report.last_error is not None:
        page = of_failure(report.last_error.cause, report.last_error.error)
        return Mend(f"The last pass failed: {report.last_error.error}", page)
    due = f" (the timer's is due {report.next_pass})" if report is not None and report.next_pass else ""
    told = f"No pass has read it yet: the next one does{due}, or 'reconfigure once' now."
    return Mend(told, OF_CAUSES["no mail"])


def _show(found: "Explanation", mends: list[Mend]) -> None:
    console = tables.console()
    word = {True: "all links agree", False: "not all links agree", None: "not every link could be asked"}[found.agrees]
    console.print(f"{found.kind} {tables.plain(found.subject)}: {word}")
    console.print(tables.note(tables.plain(found.means), indent=2))
    for link in found.links:
        console.print()
        console.print(tables.note(f"{tables.plain(link.where)}: {link.state}", STYLES[link.state], indent=0))
        for line in link.says:
            console.print(tables.note(tables.plain(line), indent=2))
    if mends:
        console.print()
        for one in mends:
            more = f" More: {one.runbook.command}" if one.runbook is not None else ""
            console.print(tables.note(tables.plain(one.told) + more, tables.ODD, indent=0))
