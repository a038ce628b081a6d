"""`reconfigure prepare`: what a container does before its mail daemons may start."""

import sys
import time

import click

from reconfigure.cli import settings_of


@click.command("prepare")
@click.option("--start", multiple=True, metavar="GROUP", help="supervisord group to start afterwards; may be repeated.")
@click.pass_context
def command(ctx: click.Context, start: tuple[str, ...]) -> None:
    """Write secrets to files, make the first generation, then start the loop and the mail daemons.

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
    from reconfigure.start import Start  # noqa: PLC0415

    logs.configure(settings.log_format, settings.log_level)
    report.bind(settings)
    for warning in settings.warnings:
        structlog.get_logger().warning("setting", problem=warning)
    with assembly.reporter(settings) as (reconciler, reporter):
        start_up = Start(
            reconciler, reporter, assembly.supervisor(settings), pace=assembly.pace(settings), sleep=time.sleep
        )
        why_not = start_up.run(groups=start, once=settings.preflight)
    if settings.preflight:
        click.echo(f"not ready: {why_not}" if why_not else "ready", err=bool(why_not))
    sys.exit(1 if why_not else 0)
