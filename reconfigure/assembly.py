"""Puts the parts together from settings: the only place that knows which class stands behind which part."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from reconfigure.daemons import Reloader, Supervisor
from reconfigure.generations.build import Builder
from reconfigure.generations.maps import Makemap
from reconfigure.generations.store import GenerationStore
from reconfigure.loop import Loop
from reconfigure.pace import Pace
from reconfigure.reconcile import Reconciler
from reconfigure.rendering import Renderer
from reconfigure.report import Reporter
from reconfigure.reporting import healthchecks
from reconfigure.reporting.heartbeat import Heartbeat
from reconfigure.settings import Settings
from reconfigure.sources import aws
from reconfigure.sources.aws import Clients
from reconfigure.sources.parameters import Parameter
from reconfigure.sources.queue import Queue
from reconfigure.tiers import TierManifest, load_manifest

HEARTBEAT_FLUSH = 2.0  # seconds that the last ping may take when the process ends


@contextmanager
def reporter(settings: Settings) -> Iterator[tuple[Reconciler, Reporter]]:
    """Make the parts for passes that are reported; the last ping is sent on leaving.

    Raises:
        ConfigurationError: the tier's manifest or a template is wrong.
    """
    made = reconciler(settings)
    beat = heartbeat(settings, made.clients)
    try:
        yield made, Reporter(settings, beat)
    finally:
        beat.close(HEARTBEAT_FLUSH)


@contextmanager
def daemon(settings: Settings) -> Iterator[Loop]:
    """Make the daemon's loop.

    Raises:
        ConfigurationError: the tier's manifest or a template is wrong.
    """
    with reporter(settings) as (made, told):
        messages = None
        if settings.sqs_queue_url is not None:
            messages = Queue(made.clients.sqs, settings.sqs_queue_url, poll_seconds=settings.poll_seconds)
        yield Loop(made.reconcile, told, messages=messages, pace=pace(settings))


def pace(settings: Settings) -> Pace:
    """Return how fast passes may follow each other."""
    return Pace(
        interval=settings.interval,
        jitter=settings.interval_jitter,
        quiet=settings.quiet_seconds,
        quiet_limit=settings.quiet_limit,
        retry=settings.retry_seconds,
    )


def reconciler(settings: Settings) -> Reconciler:
    """Return what makes passes for this tier.

    Raises:
        ConfigurationError: the tier's manifest or a template is wrong.
    """
    tier, renderer = templates(settings)
    store = GenerationStore(settings.state_dir)
    makemap = Makemap(timeout=settings.tool_timeout)
    return Reconciler(
        settings=settings,
        clients=Clients(settings.aws_region, settings.aws_endpoint_url, long_poll=settings.poll_seconds),
        tier=tier,
        store=store,
        renderer=renderer,
        builder=Builder(store, tier, renderer=renderer, makemap=makemap, timeout=settings.tool_timeout),
        reloader=Reloader(supervisor(settings), settings.state_dir / "reloads.json", absent=settings.absent_programs),
    )


def templates(settings: Settings) -> tuple[TierManifest, Renderer]:
    """Return which files this tier has, and what renders them.

    Raises:
        ConfigurationError: the tier's manifest or a template is wrong.
    """
    tier = load_manifest(settings.templates_dir, settings.tier.value)
    return tier, Renderer(tier, settings.templates_dir, template_settings(settings))


def template_settings(settings: Settings) -> Mapping[str, str]:
    """Return the settings that templates may name."""
    return {
        "tier": settings.tier.value,
        "cert_domain": settings.cert_domain,
        "imap_internal_host": settings.imap_internal_host,
        "secrets_dir": str(settings.secrets_dir),
        "homes_dir": str(settings.homes_dir),
    }


def supervisor(settings: Settings) -> Supervisor:
    """Return this container's supervisord."""
    return Supervisor(settings.supervisor_socket)


def heartbeat(settings: Settings, clients: Clients) -> Heartbeat:
    """Return the tier's heartbeat, already running in its thread; the SSM parameter wins over the URL.

    What its thread needs is loaded before: nothing is imported on one thread while another imports.
    """
    if settings.healthcheck_ping_param is not None:
        aws.load()
        url = Parameter(lambda: clients.ssm, settings.healthcheck_ping_param).value
    else:
        url = partial(_same, settings.healthcheck_ping_url)
    if settings.healthcheck_ping_param is not None or settings.healthcheck_ping_url is not None:
        healthchecks.load()
    return Heartbeat(url, timeout=settings.heartbeat_timeout, spacing=settings.heartbeat_spacing)


def _same(url: str | None) -> str | None:
    return url
