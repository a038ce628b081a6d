"""Whole tasks (`reconfigure run`), each with a state folder of its own, and what can happen to them in a run."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.fleet.waiting import LOOK_SECONDS, until
from bench.processes import environment
from embedded.aws import Clients, World
from embedded.faults import Fault, FaultProxy
from embedded.places import CHECKOUT
from embedded.sample import APEXES
from reconfigure import notify
from reconfigure.settings import Tier

TIER = Tier.SMTP_IN


@dataclass
class Task:
    """One real task.

    Attributes:
        name: its name in the fleet.
        folder: its state folder.
        url: its way to AWS.
        process: the process; None while it was killed and not started again.
        away: whether it cannot be expected to have changes in time: killed, stopped, cut off, starting.
        has: the changes seen in its live map.
    """

    name: str
    folder: Path
    url: str
    process: "subprocess.Popen[bytes] | None" = None
    away: bool = True
    has: set[str] = field(default_factory=set)

    def start(self, world: World, settings: dict[str, str]) -> None:
        """Start it, or start it again."""
        told = {
            **environment(TIER, state=self.folder, url=self.url),
            "ADDRESSES_TABLE": world.table,
            "COGNITO_POOL_ID": world.pool_id,
            "COGNITO_CLIENT_ID": world.client_id,
            # SQS clients send to the queue's own host.
            "SQS_QUEUE_URL": f"{self.url}/{world.tiers[TIER].queue_url.split('/', 3)[3]}",
            "FLEET_TABLE": world.fleet_table,
            "RECONFIGURE_TASK": self.name,
            "RECONFIGURE_HTTP": "off",
            "RECONFIGURE_INTERVAL": "3600",
            **settings,
        }
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as out:
            command = [sys.executable, "-m", "reconfigure", "run"]
            self.process = subprocess.Popen(command, cwd=CHECKOUT, env=told, stdout=out, stderr=out)

    def look(self, wanted: Sequence[str]) -> list[str]:
        """Return those of the wanted addresses that its live map has newly got."""
        try:
            text = (self.folder / "current/mail/access").read_text()
        except FileNotFoundError:
            return []
        new = [address for address in wanted if address not in self.has and f"to:{address}\t" in text.lower()]
        self.has.update(new)
        return new

    def first_pass(self) -> float | None:
        """Return when its first pass began, in seconds since the epoch; None before it ended."""
        for line in (self.folder / "log").read_text().splitlines():
            if '"pass_finished"' in line:
                said: dict[str, Any] = json.loads(line)
                return _epoch(said["timestamp"]) - float(said["seconds"])
        return None

    def tell(self, number: int) -> None:
        """Send it a signal."""
        if self.process is not None:
            self.process.send_signal(number)

    def end(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


class Run:
    """A run with real tasks: who they are, what was changed, and how long each took to have it."""

    def __init__(self, folder: Path, world: World, *, tasks: int, settings: dict[str, str]) -> None:
        self.world = world
        self.aws = Clients(world.url)
        self.settings = settings
        self.proxy = FaultProxy(world.url)
        self.apart = FaultProxy(world.url)
        self.tasks = [self._task(folder, number) for number in range(tasks)]
        self.folder = folder
        self.changes: dict[str, float] = {}
        self.took: list[float] = []
        self.returns: dict[str, list[float]] = {}
        self.started_apart: list[float] = []

    def _task(self, folder: Path, number: int) -> Task:
        # The last two go their own way to AWS, which can be cut.
        return Task(f"task-{number:02}", folder / f"task-{number:02}", self.proxy.url)

    def start(self) -> None:
        """Start all tasks at once, and wait for their first passes."""
        for task in self.tasks[-2:]:
            task.url = self.apart.url
        for task in self.tasks:
            task.start(self.world, self.settings)
        until(lambda: all(task.first_pass() for task in self.tasks), "every task made its first pass")
        self.started_apart = sorted(filter(None, (task.first_pass() for task in self.tasks)))
        for task in self.tasks:
            task.away = False

    def change(self, number: int) -> None:
        """Create an address, and tell the tiers."""
        address = f"change-{number:03}@{APEXES[0]}"
        local, _, domain = address.partition("@")
        row = {"address": address, "username": local, "tld": domain, "user": "alice"}
        self.aws.dynamodb.put_item(TableName=self.world.table, Item={key: {"S": value} for key, value in row.items()})
        self.changes[address] = time.monotonic()
        notify.publish([address], topic_arn=self.world.topic_arn, endpoint_url=self.world.url, session=self.aws.session)

    def watch(self, seconds: float) -> None:
        """Look for changes that arrive, for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()
            time.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        wanted = list(self.changes)
        for task in self.tasks:
            if task.process is None:
                continue
            for address in task.look(wanted):
                now = time.monotonic()
                if not task.away:
                    self.took.append(now - self.changes[address])

    def come_back(self, what: str, tasks: Sequence[Task]) -> None:
        """Wait until tasks that were away have every change, and note how long that took."""
        since = time.monotonic()
        left = list(tasks)

        def all_there() -> bool:
            self._look()
            for task in [one for one in left if one.has >= set(self.changes)]:
                left.remove(task)
                task.away = False
                self.returns.setdefault(what, []).append(time.monotonic() - since)
            return not left

        until(all_there, f"tasks that were {what} have every change")

    def everybody_has_everything(self) -> None:
        """Wait until every task has every change.

        Raises:
            TimeoutError: one has not.
        """

        def done() -> bool:
            self._look()
            return all(task.has >= set(self.changes) for task in self.tasks)

        until(done, "every task has every change")

    def close(self) -> None:
        """End everything."""
        for task in self.tasks:
            task.end()
        self.proxy.close()
        self.apart.close()

    # What happens meanwhile: each takes tasks away, lets changes pass by, and waits for them.

    def kill(self) -> None:
        """Three tasks are killed, and start again after some changes."""
        for task in self.tasks[:3]:
            task.away = True
            task.end()

    def start_again(self) -> None:
        """They start again."""
        for task in self.tasks[:3]:
            task.start(self.world, self.settings)
        self.come_back("killed", self.tasks[:3])

    def stand_still(self) -> None:
        """Two tasks stand still."""
        for task in self.tasks[3:5]:
            task.away = True
            task.tell(signal.SIGSTOP)

    def go_on(self) -> None:
        """They go on."""
        for task in self.tasks[3:5]:
            task.tell(signal.SIGCONT)
        self.come_back("stopped", self.tasks[3:5])

    def cut_off(self) -> None:
        """Two tasks cannot reach AWS."""
        for task in self.tasks[-2:]:
            task.away = True
        self.apart.fail("", Fault.connection_reset())

    def mend(self) -> None:
        """They can again."""
        self.apart.heal()
        self.come_back("cut off", self.tasks[-2:])

    def join(self) -> None:
        """Two more tasks start."""
        new = [self._task(self.folder, len(self.tasks) + number) for number in range(2)]
        for task in new:
            task.start(self.world, self.settings)
        self.tasks += new
        self.come_back("started", new)

    def throttle(self) -> None:
        """The fleet table is throttled for everybody but those apart: they degrade to queue and timer."""
        for task in self.tasks:
            task.away = True
        for action in ("GetItem", "PutItem", "Query"):
            self.proxy.fail(f"20120810.{action}", Fault.throttled())

    def ease(self) -> None:
        """It no longer is."""
        self.proxy.heal()
        self.come_back("throttled", self.tasks)
