"""Whether a tier's daemons greet on their ports: tried as a client would, since a program that runs may serve nobody.

A daemon that has all the sessions that it may have greets nobody else: sendmail closes its port, Dovecot lets clients
wait. Whoever is inside is served, and a new container would be full as soon, so that is told apart from a daemon that
hangs: by its processes, of which there is one for each session, and by what sendmail says of itself.
"""

import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from reconfigure.daemons import Program
from reconfigure.reporting.status import Health
from reconfigure.settings import Settings, Tier

PATIENCE = 1.0  # seconds for all ports together; a greeting on loopback takes milliseconds

_HOST = "127.0.0.1"
_REJECTING = "rejecting connections"  # sendmail's title, where it would else be accepting them
_LINE = 1000  # bytes; RFC 5321 4.5.3.1.5 allows 512 to a reply's line


class Port(NamedTuple):
    """A port that a daemon listens on.

    Attributes:
        number: the TCP port.
        program: what listens there, by supervisord's name.
        process: what the kernel calls the process that a session has, a child of the program's.
        limit: the setting that says how many sessions there may be.
        farewell: how a client takes its leave; None where TLS is spoken from the first byte, so nothing is greeted.
    """

    number: int
    program: str
    process: str
    limit: str
    farewell: bytes | None


def _smtp(number: int, farewell: bytes | None = b"QUIT\r\n") -> Port:
    return Port(number, "mail:sendmail", "sendmail", "connections_limit", farewell)


def _imap(number: int, farewell: bytes | None = b"0 LOGOUT\r\n") -> Port:
    return Port(number, "mail:dovecot", "imap-login", "imap_sessions", farewell)


PORTS: Mapping[Tier, tuple[Port, ...]] = {
    Tier.IMAP: (_smtp(25), _imap(143), _imap(993, None)),
    Tier.SMTP_IN: (_smtp(25),),
    Tier.SMTP_OUT: (_smtp(587), _smtp(465, None)),
}


class Silence(NamedTuple):
    """A port that lets no client in, why, and how its daemon says that it is busy, "" where it does not."""

    port: Port
    why: str
    busy: str


def silences(
    settings: Settings, programs: Iterable[Program], ports: Iterable[Port], *, patience: float
) -> Iterator[Silence]:
    """Yield the ports that do not greet; of those with TLS from the first byte, what does not let a client in.

    Args:
        settings: say how many sessions there may be.
        programs: supervisord's.
        ports: which are tried.
        patience: seconds for all of them together.
    """
    deadline = time.monotonic() + patience
    running = {program.name: program for program in programs if program.state == "RUNNING"}
    for port in ports:
        if why := _ungreeted(port, deadline):
            yield Silence(port, why, _busy(settings, running[port.program]) if port.program in running else "")


def with_ports(health: Health, settings: Settings, programs: Iterable[Program] | None) -> Health:
    """Return a verdict that also says which ports do not greet.

    It is failing if there is one, and degraded where its daemon has all the sessions that it may have. Only the ports
    of programs that supervisord calls running are tried: what a setting leaves off, what somebody stopped and what is
    not here is the verdict's own matter. Those with TLS from the first byte are left out: each belongs to a daemon
    with a port that greets in the clear.

    Args:
        health: the verdict so far.
        settings: say which tier's ports they are, and how many sessions there may be.
        programs: supervisord's; None when there is none, or when it did not answer.
    """
    running = [program for program in programs or () if program.state == "RUNNING"]
    names = {program.name for program in running}
    ports = [port for port in PORTS[settings.tier] if port.program in names and port.farewell is not None]
    mute, full = [], []
    for port, why, busy in silences(settings, running, ports, patience=PATIENCE):
        if busy:
            full.append(f"{port.program} turns clients away from port {port.number}: {busy}")
        else:
            mute.append(f"{port.program} runs, but port {port.number} does not greet clients: {why}")
    if not (mute or full):
        return health
    status = "failing" if mute else "degraded" if health.status == "ok" else health.status
    return Health(status, (*mute, *full, *health.problems))


def sessions(settings: Settings, programs: Iterable[Program]) -> Mapping[str, tuple[int, int]]:
    """Return by program how many sessions it has now, and how many it may have; of those that run."""
    processes = {program.name: program.pid for program in programs if program.state == "RUNNING"}
    there = _children()
    return {
        port.program: (there[processes[port.program], port.process], getattr(settings, port.limit))
        for port in PORTS[settings.tier]
        if port.program in processes
    }


def _busy(settings: Settings, program: Program) -> str:
    """Return how a running program says that it has no time for more clients, or ""."""
    now, most = sessions(settings, [program])[program.name]
    if now >= most:
        return f"{now} sessions of {most}"
    try:
        title = Path(f"/proc/{program.pid}/cmdline").read_text("utf-8", "replace").rstrip("\0 ")
    except OSError:
        return ""
    # sendmail looks again after 15 seconds only, and also shuts its ports when the machine has too much to do.
    return title.partition("sendmail: ")[2] if _REJECTING in title else ""


def _children() -> Counter[tuple[int, str]]:
    """Count processes by parent and name, by /proc (proc_pid_stat(5))."""
    found: Counter[tuple[int, str]] = Counter()
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name stands in parentheses and may have some in it.
            name, _, rest = each.read_text("utf-8", "replace").partition("(")[2].rpartition(")")
            found[int(rest.split()[1]), name] += 1
    return found


def _ungreeted(port: Port, deadline: float) -> str:
    """Return why a port does not greet, or ""; "come back later" is a greeting, and meant for this client alone."""
    try:
        with socket.create_connection((_HOST, port.number), _left(deadline)) as line:
            if port.farewell is None:
                return ""
            heard = _read(line, deadline, end=b"\n")
            if not heard:
                return "it closes the connection without a word"
            with suppress(OSError):
                # To the end, so that the daemon does not take this for a connection that broke.
                line.sendall(port.farewell)
                _read(line, deadline)
    except TimeoutError:
        return "no greeting in time"
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _read(line: socket.socket, deadline: float, *, end: bytes = b"") -> bytes:
    """Return what is said until a line ends with `end`, or until the other side is done."""
    heard = b""
    while len(heard) < _LINE and not (end and heard.endswith(end)):
        line.settimeout(_left(deadline))
        part = line.recv(_LINE)
        if not part:
            break
        heard += part
    return heard


def _left(deadline: float) -> float:
    """Return the seconds that are left: never none at all, which would mean not to wait for anything."""
    return max(0.01, deadline - time.monotonic())
