"""`reconfigure run`: the daemon."""

import signal

import click

from reconfigure.cli import settings_of


@click.command("run")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Reconcile until SIGTERM: on messages, on the timer, on SIGHUP.

    \b
    SIGTERM   stop between two steps, give messages back, exit 0 (within 10 s)
    SIGHUP    a full pass now

    \b
    Example:
      reconfigure run
    """  # noqa: D301
    # Until the loop takes it, a hangup would end the process; the first pass is a full one anyway.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = settings_of(ctx)
    # logs comes first: it keeps structlog from importing rich, which the daemon has no use for.
    from reconfigure.reporting import logs  # noqa: I001, PLC0415

    import structlog  # noqa: PLC0415

    from reconfigure import __version__, account, assembly, report  # noqa: PLC0415

    account.become(settings.user)
    logs.configure(settings.log_format, settings.log_level)
    report.bind(settings)
    log = structlog.get_logger()
    for warning in settings.warnings:
        log.warning("setting", problem=warning)
    with assembly.daemon(settings) as loop:
        loop.install_signals()
        log.info(
            "started",
            version=__version__,
            task=settings.task,
            state_dir=str(settings.state_dir),
            queue=settings.sqs_queue_url is not None,
            interval=settings.interval,
        )
        log.debug("settings", **settings.shown())
        loop.run()
    log.info("stopped")
