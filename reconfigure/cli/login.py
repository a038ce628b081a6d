"""`reconfigure login`: the helper that checks passwords for Dovecot and sendmail."""

import click

from reconfigure.cli import settings_of


@click.command("login")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Check passwords against Cognito for this tier's daemons, until SIGTERM.

    It listens on UNIX sockets in RECONFIGURE_LOGIN_DIR: `dovecot` on imap, `mux` and `gate` on smtp-out.

    \b
    Example:
      reconfigure login
    """  # noqa: D301
    settings = settings_of(ctx)
    # logs comes first: it keeps structlog from importing rich, which the helper has no use for.
    from reconfigure.reporting import logs  # noqa: I001, PLC0415

    import structlog  # noqa: PLC0415

    from reconfigure.login import server  # noqa: PLC0415

    logs.configure(settings.log_format, settings.log_level)
    structlog.contextvars.bind_contextvars(tier=settings.tier.value, program="login")
    server.serve(settings)
