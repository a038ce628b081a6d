"""How this task stands, as Prometheus has it: read when somebody asks, beside what `metrics` has counted.

No label takes a value from the sources. Times are seconds since the epoch; what is not known has no sample, since a
zero would be a statement.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconfigure import __version__
from reconfigure.reporting.reports import FleetReport, QueueReport, State
from reconfigure.reporting.status import Status
from reconfigure.sending.figures import Figures, figures
from reconfigure.settings import Settings
from reconfigure.standing import Standing
from reconfigure.standing.document import restarts
from reconfigure.standing.ports import sessions, with_ports


class Gauges(Collector):
    """A collector of how a task stands.

    Args:
        settings: of the task.
        look: returns how it stands.
    """

    def __init__(self, settings: Settings, look: Callable[[], Standing]) -> None:
        self._settings = settings
        self._look = look

    def describe(self) -> Iterator[Metric]:
        """Yield nothing, so that registering looks at nothing."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield what there is."""
        settings, standing = self._settings, self._look()
        live = with_ports(standing.liveness, settings, standing.programs)
        yield _labelled(
            "build_info",
            "Which program and which tier this is.",
            ("version", "tier"),
            {(__version__, settings.tier): 1},
        )
        yield _gauge("interval_seconds", "Time between full passes without a message.", settings.interval)
        yield _gauge("healthy", "Whether this container should live, as `health` says.", not live.exit_code)
        yield from _orders(standing)
        yield from _generation(standing)
        yield from _daemons(standing)
        yield from _sessions(sessions(settings, standing.programs or ()))
        if (sending := figures(settings)) is not None:
            yield from _sending(sending)
        if standing.report is not None:
            yield from _of_report(standing.report)


def _orders(standing: Standing) -> Iterator[Metric]:
    yield _gauge("held", "Whether a generation waits for approval.", standing.held is not None)
    yield _gauge("paused", "Whether an operator has paused the loop.", standing.paused is not None)
    yield _gauge("pinned", "Whether an operator has pinned a generation.", standing.pinned is not None)


def _generation(standing: Standing) -> Iterator[Metric]:
    active = standing.active
    if active is None:
        return
    yield _gauge("generation_created_timestamp_seconds", "When the active generation was built.", _time(active.created))
    yield _labelled(
        "generation_entries",
        "Lines, or keys of a compiled map, in the active generation's files.",
        ("map",),
        {(path,): record.entries for path, record in active.files.items()},
    )


def _daemons(standing: Standing) -> Iterator[Metric]:
    yield _labelled(
        "daemon_up",
        "Whether supervisord's program runs, has done its work or is left off.",
        ("program",),
        {(one.name,): int(one.is_as_it_should_be) for one in standing.programs or ()},
    )
    counted = CounterMetricFamily(
        "reconfigure_daemon_restarts", "Restarts of a program that the loop has seen.", labels=("program",)
    )
    for one in standing.programs or ():
        counted.add_metric((one.name,), restarts(standing, one.name) or 0)
    yield counted


def _sessions(found: Mapping[str, tuple[int, int]]) -> Iterator[Metric]:
    for at, name, meaning in (
        (0, "sessions", "Sessions that a mail daemon serves now."),
        (1, "sessions_limit", "Sessions that it may serve; others wait or are refused."),
    ):
        yield _labelled(name, meaning, ("program",), {(program,): counts[at] for program, counts in found.items()})


def _sending(found: Figures) -> Iterator[Metric]:
    yield _labelled(
        "sending_accounts",
        "Accounts that have sent in the last 24 hours, that may send nothing more today, that are held.",
        ("state",),
        {("sent",): found.sent, ("limited",): found.limited, ("held",): found.held},
    )
    refusals = CounterMetricFamily(
        "reconfigure_sending_refusals",
        "Messages and recipients that were put off: the account's day or minute was full, or it was held.",
        labels=("reason",),
    )
    for reason, number in found.refusals.items():
        refusals.add_metric((reason,), number)
    yield refusals


def _of_report(report: Status) -> Iterator[Metric]:
    yield _labelled(
        "state",
        "What the last pass came to: 1 for the state that it is in.",
        ("state",),
        {(state,): int(state == report.state) for state in get_args(State)},
    )
    yield _gauge("last_success_timestamp_seconds", "When a pass last went well.", _time(report.last_success))
    yield _gauge("last_change_timestamp_seconds", "When what is live last changed.", _time(report.last_change))
    yield _gauge("next_pass_timestamp_seconds", "When the timer makes the next pass.", _time(report.next_pass))
    yield _labelled(
        "quarantined",
        "Rows that are not served, by reason.",
        ("reason",),
        {(reason,): number for reason, number in report.quarantine.by_reason.items()},
    )
    yield _gauge("heartbeat_failures", "Pings that failed in a row.", report.heartbeat.get("consecutive_failures"))
    if report.queue is not None:
        yield from _queue(report.queue)
    if report.fleet is not None:
        yield from _fleet(report.fleet)


def _queue(seen: QueueReport) -> Iterator[Metric]:
    numbers = {
        "visible": seen.visible,
        "in_flight": seen.in_flight,
        "delayed": seen.delayed,
        "dead": seen.dead_letters,
    }
    yield _labelled(
        "queue_messages",
        "Messages on the tier's queue, as SQS counts them, and on its dead-letter queue.",
        ("state",),
        {(state,): number for state, number in numbers.items() if number is not None},
    )
    yield _gauge(
        "queue_oldest_age_seconds",
        "How long ago the oldest message was sent of those in hand; 0 without any.",
        seen.oldest_age_seconds or 0,
    )


def _fleet(fleet: FleetReport) -> Iterator[Metric]:
    # Not `tier`: that label is the target's, and says whose task this is.
    states = Counter((one.tier, "silent" if one.is_silent else one.state) for one in fleet.tasks)
    lags: dict[str, float] = {}
    for one in fleet.tasks:
        lags[one.tier] = max(one.lag_seconds, lags.get(one.tier, 0.0))
    yield _labelled(
        "fleet_tasks",
        "Tasks in the fleet table, as this one saw them, by tier and state.",
        ("fleet_tier", "state"),
        {(tier, state): number for (tier, state), number in states.items()},
    )
    yield _labelled(
        "fleet_lag_seconds",
        "How long the oldest change has waited that some task has not applied.",
        ("fleet_tier",),
        {(tier,): lag for tier, lag in lags.items()},
    )
    yield _gauge("fleet_sequence", "Number of the last change of this tier.", fleet.sequence)
    yield _gauge("fleet_applied_sequence", "Number of the last change that this task has applied.", fleet.applied)
    yield _gauge("fleet_table_usable", "Whether the fleet table can be used.", fleet.error is None)


def _gauge(name: str, about: str, value: float | None) -> GaugeMetricFamily:
    made = GaugeMetricFamily(f"reconfigure_{name}", about)
    if value is not None:
        made.add_metric((), float(value))
    return made


def _labelled(
    name: str, about: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    made = GaugeMetricFamily(f"reconfigure_{name}", about, labels=labels)
    for key, value in values.items():
        made.add_metric(key, value)
    return made


def _time(stamp: str | None) -> float | None:
    try:
        return None if stamp is None else datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError):
        return None  # damaged: the next pass writes it anew
