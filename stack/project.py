"""The containers of one compose project: brought up, run commands in, stopped, killed, cut off, removed.

Knows neither mail nor AWS; `world.World` adds those. The compose file and the keys that it wants are settled here.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from embedded import sample
from stack import keys
from stack.engine import CHECKOUT, CommandError, engine
from stack.lab.zone import HOSTS

COMPOSE = CHECKOUT / "docker" / "compose.yaml"
PREFIX = "10.77.0"
PORTS = ("SMTP_IN", "SUBMISSION", "SUBMISSIONS", "IMAPS", "IMAP", "AWS", "SINK")

_UP_SECONDS = 300.0


class Project:
    """The containers of a compose project.

    Args:
        project: its name; names of containers, volumes and the network begin with it.
        prefix: first three numbers of its addresses.
        overrides: compose files on top of the project's own.
        environment: what the compose files read, on top of what is made here.
        publish: whether ports are published where the compose file says, or on any free ones.
        more: services of the overrides, with the last number of their addresses.
    """

    def __init__(
        self,
        project: str,
        prefix: str = PREFIX,
        *,
        overrides: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        publish: bool = False,
        more: Mapping[str, int] | None = None,
    ) -> None:
        self._hosts = {**HOSTS, **(more or {})}
        self.project = project
        self.prefix = prefix
        self.publish = publish
        self.engine = engine()
        self.folder = CHECKOUT / ".state" / "stack" / project
        self._files = [COMPOSE, *overrides]
        self._environment = dict(environment or {})
        self._containers: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def environ(self) -> dict[str, str]:
        """Return what the compose files read from the environment: keys, addresses, ports."""
        made = keys.load_or_make(self.folder / "keys.json", cert_domain=sample.CERT_DOMAIN)
        ports = {} if self.publish else {f"LAB_PORT_{name}": "" for name in PORTS}
        return {**made, "LAB_PREFIX": self.prefix, **ports, **self._environment}

    @property
    def ca(self) -> Path:
        """The authority's certificate, as a file."""
        path = self.folder / "ca.pem"
        text = self.environ()["TLS_CA_BUNDLE"]
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        return path

    @property
    def tier(self) -> Path:
        """The tiers' certificate and its key, as a file: who shows it to the delivery tier is a relay."""
        path = self.folder / "tier.pem"
        made = self.environ()
        text = made["TLS_CERT"] + made["TLS_KEY"]
        if not path.exists() or path.read_text() != text:
            path.touch(mode=0o600)
            path.write_text(text)
        return path

    def up(self, *services: str) -> None:
        """Create and start what is not there; none named means all.

        Raises:
            CommandError: compose failed.
        """
        self._compose("up", "--detach", "--no-build", *services)

    def recreate(self, service: str) -> None:
        """Replace a service's container by one as the compose files say now; volumes stay.

        Raises:
            CommandError: compose failed.
        """
        self._compose("up", "--detach", "--no-build", "--force-recreate", "--no-deps", service)
        self._containers.pop(service, None)

    def down(self, *, volumes: bool = True) -> None:
        """Remove containers and network, and unless told otherwise the volumes and keys.

        Raises:
            CommandError: compose failed, or something of the project is still there.
        """
        # Ten seconds: nobody here waits for a queue to be worked off.
        self._compose("down", "--timeout", "10", *(["--volumes"] if volumes else []))
        self._containers.clear()
        if left := self.engine.find(self.project):
            raise CommandError("compose down", code=0, stdout="", stderr=f"left over: {', '.join(left)}")
        if volumes:
            for name in ("keys.json", "ca.pem", "tier.pem"):
                (self.folder / name).unlink(missing_ok=True)

    def container(self, service: str) -> str:
        """Return the name of a service's container.

        Raises:
            LookupError: it has none.
        """
        if service not in self._containers:
            found = self.engine.find(self.project, service)
            if not found:
                raise LookupError(f"{self.project} has no container of {service}; `up` makes one")
            self._containers[service] = found[0]
        return self._containers[service]

    def running(self, service: str) -> bool:
        """Return whether a service's container is there and runs."""
        try:
            return bool(self.engine.inspect(self.container(service))["State"]["Running"])
        except (LookupError, CommandError):
            return False

    def ip(self, service: str) -> str:
        """Return a service's address on the project's network."""
        return f"{self.prefix}.{self._hosts[service]}"

    def at(self, service: str, port: int) -> tuple[str, int]:
        """Return where a port is reached from here: as published, else on the project's network."""
        if self.publish:
            said = self.engine.run("port", self.container(service), f"{port}/tcp").stdout.split()
            host, _, number = said[0].rpartition(":")
            return host, int(number)
        return self.ip(service), port

    def exec(
        self,
        service: str,
        *argv: str,
        user: str | None = None,
        timeout: float = 60.0,
        stdin: str | None = None,
    ) -> str:
        """Run a command in a service's container and return what it said.

        Raises:
            CommandError: it failed.
        """
        done = self.try_exec(service, *argv, user=user, timeout=timeout, stdin=stdin)
        if done.returncode != 0:
            what = f"in {service}: {' '.join(argv)}"
            raise CommandError(what, code=done.returncode, stdout=done.stdout, stderr=done.stderr)
        return done.stdout

    def try_exec(
        self,
        service: str,
        *argv: str,
        user: str | None = None,
        timeout: float = 60.0,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container, whatever comes of it."""
        options = [*(["--user", user] if user else []), *(["--interactive"] if stdin is not None else [])]
        command = ["exec", *options, self.container(service), *argv]
        return self.engine.run(*command, timeout=timeout, check=False, stdin=stdin)

    def logs(self, service: str) -> str:
        """Return all that a service's container has said."""
        done = self.engine.run("logs", self.container(service))
        return done.stdout + done.stderr

    def stop(self, service: str, *, seconds: int = 30) -> None:
        """Stop a container in order; kill it after so many seconds."""
        self.engine.run("stop", "--time", str(seconds), self.container(service), timeout=seconds + 30.0)

    def start_again(self, service: str) -> None:
        """Start a container that was stopped or killed."""
        self.engine.run("start", self.container(service))

    def kill(self, service: str, signal: str = "KILL") -> None:
        """Send a signal to the first process of a container."""
        self.engine.run("kill", "--signal", signal, self.container(service))

    def pause(self, service: str) -> None:
        """Freeze a container: connections are taken by the kernel and nobody answers."""
        self.engine.run("pause", self.container(service))

    def resume(self, service: str) -> None:
        """End a pause."""
        self.engine.run("unpause", self.container(service))

    def _compose(self, *arguments: str) -> str:
        done = self.engine.compose_run(
            *arguments, project=self.project, files=self._files, environ=self.environ(), timeout=_UP_SECONDS
        )
        return done.stdout
