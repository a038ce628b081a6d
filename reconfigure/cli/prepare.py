"""`reconfigure prepare`: what a container does before its mail daemons may start."""

import sys
import time

import click

from reconfigure.cli import settings_of
from reconfigure.settings import Tier

VERIFIERS = ("verify",)  # the group of the daemons that RECONFIGURE_VERIFY_HEADERS asks for


@click.command("prepare")
@click.option("--start", multiple=True, metavar="GROUP", help="supervisord group to start afterwards; may be repeated.")
@click.pass_context
def command(ctx: click.Context, start: tuple[str, ...]) -> None:
    """Write secrets and the daemons' configuration to files, make the first generation, then start loop and daemons.

    Tries again with growing pauses while a source cannot be read; a generation left by an earlier container is
    enough to start with. With PREFLIGHT=1 it tries once, starts nothing, and exits 0 or says why not.

    \b
    Examples:
      reconfigure prepare --start mail         what supervisord.conf runs
      PREFLIGHT=1 reconfigure prepare          does this container's configuration work at all?
    """  # noqa: D301
    settings = settings_of(ctx, secrets_required=True)
    from reconfigure.reporting import logs  # noqa: I001, PLC0415

    import structlog  # noqa: PLC0415

    from reconfigure import assembly, report  # noqa: PLC0415
    from reconfigure.start import Start, equip  # noqa: PLC0415

    logs.configure(settings.log_format, settings.log_level)
    report.bind(settings)
    for warning in settings.warnings:
        structlog.get_logger().warning("setting", problem=warning)
    equip(settings, *assembly.templates(settings))
    with assembly.reporter(settings) as (reconciler, reporter):
        start_up = Start(
            reconciler, reporter, assembly.supervisor(settings), pace=assembly.pace(settings), sleep=time.sleep
        )
        # What checks mail comes before what takes it.
        first = VERIFIERS if start and settings.verify_headers and settings.tier is Tier.SMTP_IN else ()
        why_not = start_up.run(groups=(*first, *start), once=settings.preflight)
    if settings.preflight:
        click.echo(f"not ready: {why_not}" if why_not else "ready", err=bool(why_not))
    sys.exit(1 if why_not else 0)
