"""`reconfigure health`: for the container's health check. Answers within two seconds whatever hangs."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

import click

from reconfigure.cli import settings_of

LIMIT = 1.5  # seconds; the promise is two, and the interpreter takes its share before this begins

KEYS = {
    "status": "`ok`, `degraded` (something is wrong, yet what is live serves), `starting` or `failing`",
    "problems": "what is wrong, a list of sentences; absent when ok",
}


class _TooSlowError(Exception):
    """Time is up."""


@click.command("health")
@click.option("--json", "as_json", is_flag=True, help="Accepted for symmetry: the answer is always JSON.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:  # noqa: ARG001
    """Say in one line whether this container should live; for its health check.

    Prints {"status": "ok"} and ends with 0, or says what is wrong and ends with 1. A source of truth that cannot be
    read, or a generation that is held, is "degraded" and ends with 0: what is live serves on, and a new container
    could not do better. Until `prepare` has come to a first generation and started the daemons it is "starting", which
    ends with 1, as "failing" does. A daemon that runs and does not greet on its port is "failing", too, unless it has
    all the sessions that it may have. Takes two seconds at most.

    \b
    Examples:
      reconfigure health
      HEALTHCHECK CMD ["reconfigure", "health"]     in a Dockerfile
    """  # noqa: D301
    settings = settings_of(ctx)
    # logs comes first: it keeps structlog (which daemons bring along) from importing rich, which is not needed here.
    from reconfigure.reporting import logs  # noqa: F401, I001, PLC0415

    from reconfigure.standing import look  # noqa: PLC0415
    from reconfigure.standing.ports import with_ports  # noqa: PLC0415

    try:
        with _time_limit(LIMIT):
            standing = look(settings, now=datetime.now(UTC))
            health = with_ports(standing.liveness, settings, standing.programs)
    except _TooSlowError:
        problem = f"{settings.state_dir}, supervisord or a mail port did not answer within {LIMIT:g} s"
        click.echo(json.dumps({"status": "failing", "problems": [problem]}))
        sys.exit(1)
    click.echo(json.dumps(health.document()))
    sys.exit(health.exit_code)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """End the block with `_TooSlowError` when it takes longer."""

    def up(_number: int, _frame: FrameType | None) -> None:
        raise _TooSlowError

    before = signal.signal(signal.SIGALRM, up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
