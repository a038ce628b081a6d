"""CloudWatch's embedded metric format: one JSON line in the log from which CloudWatch makes metrics.

Specification: "Embedded metric format", Amazon CloudWatch User Guide. One dimension, the tier, so the number of metrics
has a bound; the task is a property beside it, to search for.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from reconfigure.reporting.status import Health, Status


class Value(NamedTuple):
    """A metric's name, unit (of CloudWatch's units) and value."""

    name: str
    unit: str
    value: float


def line(namespace: str, document: Status, health: Health, *, now: datetime, pass_seconds: float | None = None) -> str:
    """Return the line, without its end.

    Args:
        namespace: CloudWatch namespace.
        document: how the task stands.
        health: the verdict on it.
        now: the present, with time zone.
        pass_seconds: how long the pass took that has just ended; None when none has.
    """
    values = list(_values(document, health, now, pass_seconds))
    metadata = {
        "Timestamp": round(now.timestamp() * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": namespace,
                "Dimensions": [["Tier"]],
                "Metrics": [{"Name": each.name, "Unit": each.unit} for each in values],
            }
        ],
    }
    figures = {each.name: each.value for each in values}
    return json.dumps({"_aws": metadata, "Tier": document.tier, "Task": document.task, **figures})


def _values(document: Status, health: Health, now: datetime, pass_seconds: float | None) -> Iterator[Value]:
    if pass_seconds is not None:
        yield Value("PassDuration", "Seconds", pass_seconds)
    if (age := _age(document.last_success, now)) is not None:
        yield Value("LastSuccessAge", "Seconds", age)
    yield Value("Healthy", "Count", int(not health.exit_code))
    yield Value("Quarantined", "Count", document.quarantine.total)
    queue = document.queue
    if queue is not None:
        for name, number in (
            ("QueueVisible", queue.visible),
            ("QueueInFlight", queue.in_flight),
            ("DeadLetters", queue.dead_letters),
        ):
            if number is not None:
                yield Value(name, "Count", number)
    if document.programs is not None:
        yield Value("DaemonsDown", "Count", sum(not one.up for one in document.programs.listed))
    yield Value("Held", "Count", int(document.held is not None))
    yield Value("Paused", "Count", int(document.paused is not None))
    yield Value("Pinned", "Count", int(document.pinned is not None))


def _age(stamp: str | None, now: datetime) -> float | None:
    if stamp is None:
        return None
    try:
        return round(max(0.0, (now - datetime.fromisoformat(stamp)).total_seconds()), 3)
    except (ValueError, TypeError):  # damaged; TypeError: a time without zone
        return None
