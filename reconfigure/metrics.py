"""What this process counts while it runs, for Prometheus: passes, requests to AWS, reloads.

Only what adds up is counted here; how things stand is read when somebody asks (`web.gauges`). No label takes a value
that comes from the sources, so neither an address nor a user can be seen, and the number of series has a bound.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

from reconfigure.outcome import PassResult

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)  # seconds


class Metrics:
    """The counters of one process, and the registry that they and whatever else is shown are in."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # half of the series, and all of them say when this process began
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._passes = Counter(
            "reconfigure_passes",
            "Passes by what made them and what came of them.",
            ["trigger", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "reconfigure_pass_duration_seconds",
            "How long passes took, by what came of them.",
            ["outcome"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._requests = Counter(
            "reconfigure_aws_requests",
            "HTTP requests to AWS: ok, throttled, denied, error (any other answer), unreachable (no answer).",
            ["service", "operation", "outcome"],
            registry=self.registry,
        )
        self._reloads = Counter(
            "reconfigure_reloads",
            "Daemons that were told of changed files, or could not be.",
            ["program", "result"],
            registry=self.registry,
        )

    def passed(self, result: PassResult) -> None:
        """Count a pass, and the reloads that it did."""
        self._passes.labels(result.trigger, result.outcome.value).inc()
        self._seconds.labels(result.outcome.value).observe(result.seconds)
        for told in result.reloads:
            if told.result != "unchanged":
                self._reloads.labels(told.program, told.result).inc()

    def requested(self, service: str, operation: str, outcome: str) -> None:
        """Count an HTTP request to AWS."""
        self._requests.labels(service, operation, outcome).inc()
