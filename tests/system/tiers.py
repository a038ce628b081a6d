"""One tier beside the world: the same image, environment and network as the world's own, under other circumstances.

It has volumes of its own and no queue, so that it takes no message from the tier that the world runs.
"""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from reconfigure.settings import Tier
from stack.engine import CommandError
from stack.world import World

CAPABILITIES: Mapping[Tier, Sequence[str]] = {
    Tier.IMAP: ("CHOWN", "DAC_OVERRIDE", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"),
    Tier.SMTP_IN: ("CHOWN", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"),
    Tier.SMTP_OUT: ("CHOWN", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"),
}
PYTHON = "/opt/reconfigure/venv/bin/python"
PORT = {Tier.IMAP: 25, Tier.SMTP_IN: 25, Tier.SMTP_OUT: 587}

_LOOK_SECONDS = 0.3
# A message from within, as the tier's own clients bring it, and then nothing left in the queue.
_WORK = """
import os, smtplib, socket, ssl, sys, time
tier, end = sys.argv[1], time.monotonic() + 15
anyone = ssl._create_unverified_context()
smtp = smtplib.SMTP("127.0.0.1", 587 if tier == "smtp-out" else 25, timeout=10)
smtp.ehlo("client.elsewhere.test")
to, sender = "alice@example.com", "someone@elsewhere.test"
smtp.starttls(context=anyone)
smtp.ehlo("client.elsewhere.test")
if tier == "smtp-out":
    to, sender = "friend@world.test", "alice@example.com"
    smtp.login("alice", sys.argv[2])
smtp.sendmail(sender, [to], f"From: <{sender}>\\r\\nSubject: work\\r\\n\\r\\nA few words.\\r\\n")
smtp.quit()
while os.listdir("/var/spool/mqueue"):
    if time.monotonic() > end: sys.exit("the message stays in the queue")
    time.sleep(0.2)
if tier == "imap":
    while not os.listdir("/home/alice/Maildir/new"): time.sleep(0.2)
    assert os.stat("/home/alice/Maildir/new").st_uid == 2001
    line = ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", 993), 5))
    assert line.recv(100).startswith(b"* OK")
"""


class Beside:
    """A container of one tier that a test started."""

    def __init__(self, world: World, tier: Tier, name: str) -> None:
        self.engine, self.tier, self.name = world.engine, tier, name

    @property
    def host(self) -> str:
        """Its address on the world's network."""
        networks = self.engine.inspect(self.name)["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    def run(self, *argv: str, timeout: float = 60.0, privileged: bool = False) -> tuple[int, str]:
        """Run a command in it, with all rights where it is to see all; return how it ended and all that it said."""
        options = ["--privileged"] if privileged else []
        done = self.engine.run("exec", *options, self.name, *argv, check=False, timeout=timeout)
        return done.returncode, done.stdout + done.stderr

    def ready(self, seconds: float) -> bool:
        """Wait until it is healthy and greets on its port; False when it is not within so many seconds."""
        banner = f"exec 3<>/dev/tcp/127.0.0.1/{PORT[self.tier]} && IFS= read -r -t 3 line <&3"
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if '"ok"' in self.run("reconfigure", "health")[1] and self.run("bash", "-c", banner)[0] == 0:
                return True
            time.sleep(_LOOK_SECONDS)
        return False

    def fault(self, password: str, *, seconds: float = 25.0) -> str:
        """Start, pass on a message and stop in order; return what failed, "" when nothing did."""
        if not self.ready(seconds):
            return "not ready"
        if "BACKOFF" in (said := self.run("supervisorctl", "status")[1]) or "FATAL" in said:
            return f"a program does not start: {said}"
        code, said = self.run(PYTHON, "-c", _WORK, self.tier, password)
        if code != 0:
            return f"no mail: {said[-300:]}"
        code, said = self.run("supervisorctl", "stop", "all")
        if code != 0:
            return f"does not stop: {said[-300:]}"
        self.engine.run("restart", "--time", "5", self.name)  # with what it has in its volumes by now
        return "" if self.ready(seconds) else "not ready again"

    def logs(self) -> str:
        """Return all that it has said."""
        done = self.engine.run("logs", self.name, check=False)
        return done.stdout + done.stderr

    def wait(self, seconds: float = 60.0) -> int:
        """Wait for its end and return its exit code."""
        return int(self.engine.run("wait", self.name, timeout=seconds).stdout)


@contextmanager
def beside(
    world: World, tier: Tier, *, without: str = "", environment: Mapping[str, str] | None = None
) -> Iterator[Beside]:
    """Start a container of a tier, as compose does, without one capability or with other settings."""
    name = f"{world.project}-{tier}-{uuid.uuid4().hex[:8]}"
    inspected = world.engine.inspect(world.container(tier))
    variables = dict(each.split("=", 1) for each in inspected["Config"]["Env"])
    variables = {key: value for key, value in variables.items() if not key.startswith("SQS_") and key != "HOSTNAME"}
    variables |= environment or {}
    options = [part for key, value in variables.items() for part in ("--env", f"{key}={value}")]
    options += [part for each in CAPABILITIES[tier] if each != without for part in ("--cap-add", each)]
    network = next(iter(inspected["NetworkSettings"]["Networks"]))
    try:
        world.engine.run(
            *("run", "--detach", "--name", name, "--network", network, "--dns", world.ip("dns"), "--read-only"),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--hostname", world.name(tier)),
            *("--tmpfs", "/run:mode=755", "--tmpfs", "/tmp:mode=1777", "--volume", "/home"),
            *options,
            f"mail-{tier}",
        )
        yield Beside(world, tier, name)
    finally:
        with suppress(CommandError):
            world.engine.run("rm", "--force", "--volumes", "--time", "1", name)
