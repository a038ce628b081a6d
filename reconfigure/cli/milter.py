"""`reconfigure milter`: what looks at each message before and after the other milters of sendmail's do."""

from pathlib import Path

import click

from reconfigure.settings import Tier


@click.command("milter")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("/run/milter"),
    show_default=True,
    help="Where the sockets lie.",
)
@click.option("--user", metavar="NAME", help="Account to become when started as root.")
@click.option("--group", metavar="NAME", help="Group that may ask besides the sockets' owner.")
@click.option(
    "--hosted",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What `prepare` wrote of this service: with it, `results` looks at mail from hosted domains.",
)
@click.option("--tier", type=click.Choice([tier.value for tier in Tier]), help="Named in the log.")
def command(folder: Path, user: str | None, group: str | None, hosted: Path | None, tier: str | None) -> None:
    """Remove what strangers say of where their own mail comes from, until SIGTERM.

    Authentication-Results, ARC and the like are for receiving servers to write. On the socket `verdicts` it is asked
    before any other milter, so that none sees one from outside; on `results` after all others, and takes out what they
    were led to write; with --hosted it marks or refuses mail that only claims to be from a domain of this service. On
    `complete` it adds a Date: and a Message-ID: where they are missing. It reads no settings and needs no environment.

    \b
    Example:
      reconfigure milter --user milter --group smmta
    """  # noqa: D301
    # logs comes first: it keeps structlog from importing rich, which the milter has no use for.
    from reconfigure.reporting import logs  # noqa: I001, PLC0415

    import structlog  # noqa: PLC0415

    from reconfigure.milter import server  # noqa: PLC0415

    logs.configure("auto", "info")
    structlog.contextvars.bind_contextvars(program="milter", **({} if tier is None else {"tier": tier}))
    server.serve(folder, user=user, group=group, hosted=hosted)
