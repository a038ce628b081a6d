"""A world of mail: three tiers, AWS, the name service, the sink, each with what a person or a test asks of it.

`World.start` makes keys, brings everything up and waits; `World(project, prefix)` attaches to what runs.
"""

import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self

from embedded import aws, sample
from embedded.aws import Clients
from reconfigure.settings import Tier
from stack.admin import AdminApp
from stack.dns import NameService
from stack.engine import CommandError
from stack.lab.zone import HOSTS
from stack.project import PREFIX, Project
from stack.sink import Sink
from stack.trouble import Pings, Trouble
from stack.watch import Watch

PATIENCE_SECONDS = 180.0
STATE = PurePosixPath("/var/lib/reconfigure")

_LOOK_SECONDS = 0.25
_AWS_SECONDS = 15.0
_LOG_LINES = 30
_PROGRAM = re.compile(r"^(\S+)\s+([A-Z]+)(?:\s+pid (\d+), uptime (.+))?", re.MULTILINE)
_BANNER = "exec 3<>/dev/tcp/127.0.0.1/{port} && IFS= read -r -t 3 line <&3"
_LISTENS: Mapping[str, Sequence[int]] = {
    Tier.IMAP: (25, 143),
    Tier.SMTP_IN: (25,),
    Tier.SMTP_OUT: (587,),
    "sink": (25,),
}


class Program(NamedTuple):
    """A program under a tier's supervisord."""

    state: str
    pid: int | None
    uptime: str | None


class NotReadyError(Exception):
    """Containers did not become ready in time; says which, and what they say themselves."""


class World(Project):
    """The containers of a compose project, and how to talk to what is in them."""

    @classmethod
    def start(
        cls,
        project: str,
        prefix: str = PREFIX,
        *,
        overrides: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        publish: bool = False,
        services: Sequence[str] = (),
        patience: float = PATIENCE_SECONDS,
        tell: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Bring a world up (or what is missing of it) and wait until it is ready.

        Args:
            project: as for `Project`, like `prefix`, `overrides`, `environment` and `publish`.
            prefix: see there.
            overrides: see there.
            environment: see there.
            publish: see there.
            services: only these; none means all.
            patience: seconds until what is not ready is a failure.
            tell: hears what is waited for.

        Raises:
            CommandError: compose failed.
            NotReadyError: something did not become ready.
        """
        world = cls(project, prefix, overrides=overrides, environment=environment, publish=publish)
        world.up(*services)
        world.wait_ready(*(services or HOSTS), patience=patience, tell=tell)
        return world

    def wait_ready(
        self,
        *services: str,
        patience: float = PATIENCE_SECONDS,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Wait until these serve: a tier when its own health check says so.

        Raises:
            NotReadyError: one does not after so many seconds, or its container has ended.
        """
        deadline = time.monotonic() + patience
        behind = list(services or HOSTS)
        while behind := [service for service in behind if not self._ready(service)]:
            tell(", ".join(behind))
            ended = [service for service in behind if not self.running(service)]
            if ended or time.monotonic() > deadline:
                why = "has ended" if ended else f"is not ready after {patience:.0f} s"
                raise NotReadyError("\n".join(self._explained(service, why) for service in ended or behind))
            time.sleep(_LOOK_SECONDS)

    def _ready(self, service: str) -> bool:
        if service in set(Tier) and self.health(service)["status"] not in {"ok", "degraded"}:
            return False
        looks = ["test -s /tmp/aws.json"] if service == "aws" else []
        # A program that supervisord calls running may still be on its way to its port.
        looks += [_BANNER.format(port=port) for port in _LISTENS.get(service, ())]
        return all(self.try_exec(service, "bash", "-c", look).returncode == 0 for look in looks)

    def _explained(self, service: str, why: str) -> str:
        said = [f"{self.container(service)} {why}."]
        if service in set(Tier) and self.running(service):
            said += [f"  {problem}" for problem in self.health(service).get("problems", ())]
        said += [f"  | {line}" for line in self.logs(service).splitlines()[-_LOG_LINES:]]
        return "\n".join(said)

    # What the tiers say of themselves

    def health(self, tier: str) -> dict[str, Any]:
        """Return what `reconfigure health` says; `{"status": "absent"}` when it cannot say anything."""
        return self._document(tier, "health", otherwise={"status": "absent"})

    def status(self, tier: str) -> dict[str, Any]:
        """Return what `reconfigure status --json` says.

        Raises:
            CommandError: it says nothing.
        """
        return self._document(tier, "status", "--json")

    def _document(self, tier: str, *command: str, otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
        done = self.try_exec(tier, "reconfigure", *command)
        try:
            document: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            if otherwise is not None:
                return otherwise
            what = f"in {tier}: reconfigure {' '.join(command)}"
            raise CommandError(what, code=done.returncode, stdout=done.stdout, stderr=done.stderr) from None
        return document

    def generation(self, tier: str) -> str:
        """Return the id of the active generation; empty when there is none yet."""
        return PurePosixPath(self.try_exec(tier, "readlink", str(STATE / "current")).stdout.strip()).name

    def programs(self, tier: str) -> Mapping[str, Program]:
        """Return what the tier's supervisord runs, by full name ("mail:sendmail")."""
        said = self.try_exec(tier, "supervisorctl", "status").stdout  # ends with 3 when one of them does not run
        return {
            name: Program(state, int(pid) if pid else None, uptime or None)
            for name, state, pid, uptime in _PROGRAM.findall(said)
        }

    # The world around them

    @cached_property
    def ids(self) -> aws.World:
        """What is in AWS: the table, the pool, the topic, the queues; with URLs that work from here."""
        said = self.exec("aws", "cat", "/tmp/aws.json")  # noqa: S108 the container's own
        kept = self.folder / "aws.json"
        kept.write_text(said.replace(json.loads(said)["url"], self.aws.url))
        return aws.World.read(kept)

    @cached_property
    def aws(self) -> Clients:
        """Clients of AWS, from here."""
        host, port = self.at("aws", 4566)
        return Clients(f"http://{host}:{port}")

    def aws_down(self) -> None:
        """Have AWS refuse connections, from now on; it forgets nothing."""
        self.kill("aws", "USR1")
        self._wait_for_aws(answers=False)

    def aws_up(self) -> None:
        """Have AWS answer again, from now on."""
        self.kill("aws", "USR2")
        self._wait_for_aws(answers=True)

    def _wait_for_aws(self, *, answers: bool) -> None:
        """Wait until a signal has had its effect.

        Raises:
            NotReadyError: it had none.
        """
        deadline = time.monotonic() + _AWS_SECONDS
        while self._aws_answers() != answers:
            if time.monotonic() > deadline:
                raise NotReadyError(f"AWS {'does not answer' if answers else 'answers'} after {_AWS_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS / 10)

    def _aws_answers(self) -> bool:
        try:
            with socket.create_connection(self.at("aws", 4566), timeout=1.0):
                return True
        except OSError:
            return False

    @cached_property
    def trouble(self) -> Trouble:
        """Trouble with AWS that is less than its being down."""
        return Trouble(f"http://{self.ip('aws')}:4567")

    @cached_property
    def pings(self) -> Pings:
        """What the receiver of heartbeats was told."""
        return Pings(f"http://{self.ip('aws')}:8000")

    @cached_property
    def admin(self) -> AdminApp:
        """What the admin app would do."""
        return AdminApp(self.aws, self.ids)

    @cached_property
    def sink(self) -> Sink:
        """What the internet received."""
        host, port = self.at("sink", 8025)
        return Sink(f"http://{host}:{port}")

    @property
    def dns(self) -> NameService:
        """The name service; its ports are not published, so only from where the network is reached."""
        return NameService(self.ip("dns"), 53, f"http://{self.ip('dns')}:8053")

    @property
    def tls(self) -> ssl.SSLContext:
        """A client's settings that trust this world's authority alone; names are those of `name`."""
        return ssl.create_default_context(cafile=str(self.ca))

    def name(self, service: str) -> str:
        """Return the host name of a service, which its certificate is for."""
        return f"{service}.{sample.CERT_DOMAIN}"

    def watch(self, address: str, *, present: bool = True, tiers: Sequence[str] = tuple(Tier)) -> Watch:
        """Return a watch over an address's way into (or out of) the live maps; see there."""
        containers = {tier: self.container(tier) for tier in tiers}
        return Watch(self.engine, containers, address=address, present=present)
