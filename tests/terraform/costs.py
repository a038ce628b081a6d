"""What an installation costs a month: `python -m tests.terraform.costs` writes the table of docs/guide/deploy/costs.md.

Requests are counted from the settings' defaults, so that another default changes the page. Prices are AWS's list prices
in us-east-1, on demand, without the free tier, looked up in November 2026.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconfigure.settings import Tier
from reconfigure.settings.fields import SPECS
from tests.terraform.marked import replaced

FILE = Path(__file__).parents[2] / "docs/guide/deploy/costs.md"
BEGIN = "<!-- Written by `make docs` out of tests/terraform/costs.py. -->\n"

SECONDS = 730 * 3600.0  # of a month
MINUTES = SECONDS / 60
DAYS = 30
MILLION, GIGA = 1e6, 1e9

# Dollars for a unit of each.
READ_UNIT, WRITE_UNIT = 0.125 / MILLION, 0.625 / MILLION  # DynamoDB: 4 KB read consistently, 1 KB written
SQS_REQUEST, SNS_PUBLISH = 0.40 / MILLION, 0.50 / MILLION
LOG_GB, ALARMED_METRIC, METRIC = 0.50, 0.10, 0.30
EFS_GB, EFS_WRITE_GB, EFS_READ_GB = 0.30, 0.06, 0.03  # standard storage, elastic throughput
BACKUP_GB = 0.05  # of EFS, warm
VCPU_HOUR, GB_HOUR = 0.04048, 0.004445  # Fargate, x86
BALANCER_HOUR, BALANCER_UNIT_HOUR = 0.0225, 0.006
ADDRESS_HOUR, NAT_HOUR, NAT_GB, ZONE, OUT_GB = 0.005, 0.045, 0.045, 0.50, 0.09  # network; a private zone of DNS

# A tenant.
USERS, ADDRESSES = 50, 200
MAILS_IN, MAILS_OUT, CHANGES = 2_000, 500, 10  # a day
MAIL_KB, MAILBOX_GB = 75, 1.0  # a message; what each user keeps
LOG_KB = 2.0  # that the daemons write for a message, all tiers together

ROW_BYTES = 200  # an address in DynamoDB
# A tier: metrics that alarms look at, each paid for anew; metrics of our own, one of them by a filter.
ALARMED, METRICS = 20, 12
FIGURES_BYTES = 650  # the line of figures that a task at rest writes each minute, as measured
# Container Insights, by AWS's list of its metrics on Fargate: 10 each of the cluster, a service and a task definition;
# 3 more of the cluster, 5 more of a service.
INSIGHTS = (10 + 3) + len(Tier) * (10 + 5 + 10)
ZONES = 2
POLL, READ, INTERVAL = (
    float(next(spec.default for spec in SPECS if spec.field == name))  # type: ignore[arg-type]
    for name in ("poll_seconds", "fleet_read_seconds", "interval")
)
FLEET_ROW_KB, LOG_ITEM_KB = 1, 4  # as they are billed when written


@dataclass(frozen=True)
class Size:
    """An installation: how many tenants, tasks of each tier, and CPU (vCPU) and memory (GB) of a task of each tier."""

    tenants: int
    tasks: int
    cpu: dict[Tier, float]
    memory: dict[Tier, float]

    @property
    def all_tasks(self) -> int:
        """Tasks of all tiers."""
        return self.tasks * len(Tier)


def _size(tenants: int, tasks: int, cpu: tuple[float, float, float], memory: tuple[float, float, float]) -> Size:
    return Size(tenants, tasks, dict(zip(Tier, cpu, strict=True)), dict(zip(Tier, memory, strict=True)))


SIZES = (
    _size(1, 2, (0.25, 0.25, 0.25), (1, 0.5, 0.5)),
    _size(10, 2, (0.5, 0.25, 0.25), (2, 0.5, 0.5)),
    _size(100, 4, (2, 0.5, 0.5), (8, 1, 1)),
)


def reconciler(size: Size) -> dict[str, float]:
    """Return the dollars that the reconciler's own requests cost, by what they are."""
    tasks, changes = size.all_tasks, size.tenants * CHANGES * DAYS
    polls = tasks * SECONDS / POLL
    looks = tasks * MINUTES * 2  # the queue and its dead letters, once a minute
    full = tasks * SECONDS / INTERVAL * (size.tenants * ADDRESSES * ROW_BYTES / 4096 + 1)
    by_key = tasks * changes
    partition = (size.tasks * FLEET_ROW_KB + LOG_ITEM_KB) / 4
    fleet_reads = tasks * SECONDS / READ + tasks * MINUTES * len(Tier) * partition
    fleet_writes = tasks * (MINUTES + changes) * FLEET_ROW_KB + len(Tier) * changes * LOG_ITEM_KB
    return {
        "SQS: polls, depths, acknowledgements": (polls + looks + 2 * len(Tier) * changes) * SQS_REQUEST,
        "SNS: changes": changes * SNS_PUBLISH,
        "DynamoDB: full reads and reads by key": (full + by_key) * READ_UNIT,
        "DynamoDB: the fleet table": fleet_reads * READ_UNIT + fleet_writes * WRITE_UNIT,
        "CloudWatch: alarms": len(Tier) * ALARMED * ALARMED_METRIC,
        "CloudWatch: metrics out of the log": len(Tier) * METRICS * METRIC,
        "CloudWatch: the log itself": tasks * MINUTES * FIGURES_BYTES / GIGA * LOG_GB,
    }


def platform(size: Size) -> dict[str, float]:
    """Return the dollars that the mail service itself costs, by what they are."""
    mails = size.tenants * (MAILS_IN + MAILS_OUT) * DAYS
    hours = SECONDS / 3600
    compute = sum(size.tasks * (size.cpu[tier] * VCPU_HOUR + size.memory[tier] * GB_HOUR) * hours for tier in Tier)
    moved = mails * MAIL_KB / MILLION  # GB; as much leaves: what users send, and what they read
    sent = size.tenants * MAILS_OUT * DAYS * MAIL_KB / MILLION
    kept = size.tenants * USERS * MAILBOX_GB
    return {
        "Fargate": compute,
        "EFS: mailboxes": kept * EFS_GB,
        "EFS: mail written and read": moved * (2 * EFS_WRITE_GB + 2 * EFS_READ_GB),
        "EFS: one backup": kept * BACKUP_GB,
        "Load balancer, its two addresses": hours * (BALANCER_HOUR + BALANCER_UNIT_HOUR + ZONES * ADDRESS_HOUR),
        "One NAT gateway, its address": hours * (NAT_HOUR + ADDRESS_HOUR) + sent * NAT_GB,
        "Traffic out to the internet": moved * OUT_GB,
        "CloudWatch: Container Insights": INSIGHTS * METRIC,
        "CloudWatch: logs of the daemons": mails * LOG_KB / MILLION * LOG_GB,
        "Private zone of DNS": ZONE,
    }


def table() -> Iterator[str]:
    """Yield the page's table, line by line."""
    heads = [f"{size.tenants} tenant{'s' if size.tenants > 1 else ''}" for size in SIZES]
    yield f"| dollars a month | {' | '.join(heads)} |"
    yield f"|---|{'---:|' * len(SIZES)}"
    yield f"| tasks of each tier | {' | '.join(str(size.tasks) for size in SIZES)} |"
    for title, part in (("the reconciler", reconciler), ("the mail service", platform)):
        found = [part(size) for size in SIZES]
        for what in found[0]:
            yield f"| {what} | {' | '.join(_dollars(one[what]) for one in found)} |"
        yield f"| **{title}** | {' | '.join(f'**{_dollars(sum(one.values()))}**' for one in found)} |"
    totals = [sum(reconciler(size).values()) + sum(platform(size).values()) for size in SIZES]
    yield f"| **together** | {' | '.join(f'**{_dollars(total)}**' for total in totals)} |"
    shares = [total / size.tenants for total, size in zip(totals, SIZES, strict=True)]
    yield f"| a tenant | {' | '.join(map(_dollars, shares))} |"


def _dollars(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 10 else f"{amount:.2f}"


def written(text: str) -> str:
    """Return the page with its table as it is now.

    Raises:
        ValueError: the marks between which it belongs are not there.
    """
    return replaced(text, BEGIN, table(), file=FILE)


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text(encoding="utf-8")), encoding="utf-8")
