"""Puts the parts together from settings: the only place that knows which class stands behind which part."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from reconfigure.daemons import Program, Reloader, Supervisor
from reconfigure.errors import SourceError
from reconfigure.fleet import roll
from reconfigure.fleet.member import Member, Spacing
from reconfigure.fleet.roll import Limits
from reconfigure.fleet.siblings import Siblings
from reconfigure.fleet.table import FleetTable
from reconfigure.generations import guard
from reconfigure.generations.build import Builder
from reconfigure.generations.judging import Judging
from reconfigure.generations.maps import Makemap
from reconfigure.generations.store import GenerationStore
from reconfigure.homes import Owners
from reconfigure.loop import Loop
from reconfigure.pace import Pace
from reconfigure.placing import known
from reconfigure.reconcile import Reconciler
from reconfigure.rendering import Renderer
from reconfigure.report import Reporter
from reconfigure.reporting import healthchecks, logs
from reconfigure.reporting.heartbeat import Heartbeat
from reconfigure.reporting.ping_url import PingUrl
from reconfigure.settings import Settings
from reconfigure.sources import aws
from reconfigure.sources.aws import Clients
from reconfigure.sources.parameters import Parameter
from reconfigure.sources.queue import VISIBILITY_SECONDS, Queue
from reconfigure.sources.queue_facts import DepthGauge
from reconfigure.tiers import FileSpec, TierManifest, load_manifest
from reconfigure.watching import Watch

if TYPE_CHECKING:
    from reconfigure.metrics import Metrics

log = structlog.get_logger()

HEARTBEAT_FLUSH = 2.0  # seconds that the last ping may take when the process ends


@contextmanager
def reporter(settings: Settings) -> Iterator[tuple[Reconciler, Reporter]]:
    """Make the parts for passes that are reported; the last ping is sent on leaving.

    Raises:
        ConfigurationError: the tier's manifest or a template is wrong.
    """
    made = reconciler(settings)
    with _heartbeat(settings, made.clients) as (beat, _):
        yield made, Reporter(settings, beat)


@contextmanager
def daemon(settings: Settings) -> Iterator[Loop]:
    """Make the daemon's loop, and answer HTTP for as long as it is there.

    Raises:
        ConfigurationError: the tier's manifest or a template is wrong.
    """
    from reconfigure.metrics import Metrics  # noqa: PLC0415 - what only the daemon needs, no command waits for

    metrics = Metrics()
    made = reconciler(settings, metrics)
    with _heartbeat(settings, made.clients) as (beat, url), _http(settings, metrics):
        member = fleet_member(settings, made.clients)
        siblings = Siblings(settings, member, own_check=lambda: url.is_own)
        told = Reporter(settings, beat, metrics=metrics, emf=logs.raw, siblings=siblings)
        depth = None
        if settings.sqs_queue_url is not None:
            depth = DepthGauge(made.clients.sqs, settings.sqs_queue_url, dead_letters=settings.sqs_dlq_url).read
        yield Loop(
            made.reconcile,
            told,
            messages=messages(settings, made.clients),
            pace=pace(settings),
            orders=made.orders,
            watch=Watch(depth=depth, programs=partial(_programs, settings)),
            member=member,
        )


@contextmanager
def _heartbeat(settings: Settings, clients: Clients) -> Iterator[tuple[Heartbeat, PingUrl]]:
    """Make the heartbeat, already running in its thread, and where it pings; the last ping is sent on leaving.

    What its thread needs is loaded before: nothing is imported on one thread while another imports.
    """
    url, doubt = ping_url(settings, clients)
    if settings.healthcheck_ping_param is not None:
        aws.load()
    if settings.healthcheck_ping_param is not None or settings.healthcheck_ping_url is not None:
        healthchecks.load()
    beat = Heartbeat(url, timeout=settings.heartbeat_timeout, spacing=settings.heartbeat_spacing, doubt=doubt)
    try:
        yield beat, url
    finally:
        beat.close(HEARTBEAT_FLUSH)


def _http(settings: Settings, metrics: "Metrics") -> AbstractContextManager[object]:
    if settings.http is None:
        return nullcontext()
    from reconfigure.web.app import App  # noqa: PLC0415
    from reconfigure.web.server import serving  # noqa: PLC0415

    return serving(settings.http, App(settings, metrics.registry))


def _programs(settings: Settings) -> tuple[Program, ...] | None:
    return supervisor(settings).programs() if settings.supervisor_socket.exists() else None


def fleet_table(settings: Settings, clients: Clients) -> FleetTable | None:
    """Return the fleet table; None where there is no fleet."""
    if settings.fleet_table is None:
        return None
    return FleetTable(lambda: clients.fleet, settings.fleet_table, region=settings.aws_region)


def fleet_limits(settings: Settings) -> Limits:
    """Return when a task of the fleet is silent or behind."""
    return Limits(silent=settings.fleet_silent_seconds, behind=settings.fleet_silent_seconds)


def fleet_member(settings: Settings, clients: Clients) -> Member | None:
    """Return this task's part in the fleet; None where there is no fleet."""
    table = fleet_table(settings, clients)
    if table is None:
        return None
    spacing = Spacing(read=settings.fleet_read_seconds, forget=settings.fleet_forget_seconds)
    return Member(table, tier=settings.tier, task=settings.task, spacing=spacing, limits=fleet_limits(settings))


def messages(settings: Settings, clients: Clients) -> Queue | None:
    """Return the tier's queue; None where there is none.

    What a message waits for its burst to end comes on top of the time that it is nobody else's. Otherwise it would
    come again before its pass, and be a dead letter in the end.
    """
    if settings.sqs_queue_url is None:
        return None
    return Queue(
        clients.sqs,
        settings.sqs_queue_url,
        poll_seconds=settings.poll_seconds,
        visibility_seconds=VISIBILITY_SECONDS + math.ceil(settings.quiet_limit),
        at_once=clients.sqs_at_once,
    )


def pace(settings: Settings) -> Pace:
    """Return how fast passes may follow each other."""
    return Pace(
        interval=settings.interval,
        jitter=settings.interval_jitter,
        quiet=settings.quiet_seconds,
        quiet_limit=settings.quiet_limit,
        retry=settings.retry_seconds,
        follow_up=settings.follow_up_seconds,
        spread=settings.start_spread_seconds if settings.fleet_table is not None else 0.0,
    )


def reconciler(settings: Settings, metrics: "Metrics | None" = None) -> Reconciler:
    """Return what makes passes for this tier; `metrics` counts its requests to AWS.

    Raises:
        ConfigurationError: the tier's manifest or a template is wrong.
    """
    tier, renderer = templates(settings)
    store = GenerationStore(settings.state_dir)
    makemap = Makemap(timeout=settings.tool_timeout)
    clients = Clients(
        settings.aws_region,
        settings.aws_endpoint_url,
        long_poll=settings.poll_seconds,
        told=metrics.requested if metrics is not None else None,
    )
    return Reconciler(
        settings=settings,
        clients=clients,
        tier=tier,
        store=store,
        renderer=renderer,
        builder=Builder(store, tier, renderer=renderer, makemap=makemap, timeout=settings.tool_timeout),
        judging=Judging(
            store=store, limits=guard_limits(settings), siblings=partial(_served_by_siblings, settings, clients)
        ),
        reloader=Reloader(supervisor(settings), settings.state_dir / "reloads.json", absent=settings.absent_programs),
        owners=Owners(settings.homes_dir),
    )


def guard_limits(settings: Settings) -> guard.Limits:
    """Return how much may change at once before somebody has to look."""
    return guard.Limits(
        share=settings.guard_share,
        minimum=settings.guard_minimum,
        reassigned=settings.guard_reassigned,
        renumbered=settings.guard_renumbered,
        floor=settings.guard_floor,
    )


def _served_by_siblings(settings: Settings, clients: Clients) -> Mapping[str, int]:
    """Return the most of each kind that a task of this tier serves; empty without a fleet, or when it is silent."""
    table = fleet_table(settings, clients)
    if table is None:
        return {}
    tier = settings.tier.value
    try:
        return roll.most_served(table.tiers([tier])[tier].rows, now=table.now())
    except SourceError as error:
        log.warning("siblings_not_asked", error=str(error), meanwhile="the first generation is not held against theirs")
        return {}


def templates(settings: Settings) -> tuple[TierManifest, Renderer]:
    """Return which files this tier has, and what renders them.

    Raises:
        ConfigurationError: the tier's manifest or a template is wrong.
    """
    tier = load_manifest(settings.templates_dir, settings.tier.value)
    if settings.static_dir is None:
        tier = replace(tier, files=tuple(map(_without_absent_owner, tier.files)))
    return tier, Renderer(tier, settings.templates_dir, template_settings(settings))


def _without_absent_owner(spec: FileSpec) -> FileSpec:
    """Leave a file whose reader is not installed to this process; for where no daemon is configured either."""
    return replace(spec, owner=None) if spec.owner is not None and not known(spec.owner) else spec


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


def ping_url(settings: Settings, clients: Clients) -> tuple[PingUrl, Callable[[], None]]:
    """Return where this task pings, and what to tell when a ping failed; the SSM parameter wins over the URL."""
    made = partial(PingUrl, tier=settings.tier.value, task=settings.task)
    if settings.healthcheck_ping_param is None:
        return made(lambda: settings.healthcheck_ping_url), lambda: None
    parameter = Parameter(lambda: clients.ssm, settings.healthcheck_ping_param)
    return made(parameter.value), parameter.doubt
