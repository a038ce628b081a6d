"""Whether a tier's daemons greet on their ports: tried as a client would, since a program that runs may serve nobody.

sendmail closes its port while it has all the sessions that it may have, and supervisord goes on calling it running.
Ports that speak TLS from the first byte are left out: each belongs to a daemon with a port that greets in the clear.
"""

import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from reconfigure.daemons import Program
from reconfigure.reporting.status import Health
from reconfigure.settings import Tier

PATIENCE = 1.0  # seconds for all ports together; a greeting on loopback takes milliseconds

_HOST = "127.0.0.1"
_LINE = 1000  # bytes; RFC 5321 4.5.3.1.5 allows 512 to a reply's line
_SMTP_END, _IMAP_END = b"QUIT\r\n", b"0 LOGOUT\r\n"


class Port(NamedTuple):
    """A port that greets, the program that listens there, and how a client takes its leave."""

    number: int
    program: str
    farewell: bytes


PORTS: Mapping[Tier, tuple[Port, ...]] = {
    Tier.IMAP: (Port(25, "mail:sendmail", _SMTP_END), Port(143, "mail:dovecot", _IMAP_END)),
    Tier.SMTP_IN: (Port(25, "mail:sendmail", _SMTP_END),),
    Tier.SMTP_OUT: (Port(587, "mail:sendmail", _SMTP_END),),
}


def with_ports(health: Health, tier: Tier, programs: Iterable[Program] | None, *, patience: float = PATIENCE) -> Health:
    """Return a verdict that also says which ports do not greet, and is failing if there is one.

    Only the ports of programs that supervisord calls running are tried: what a setting leaves off, what somebody
    stopped and what is not here is the verdict's own matter.

    Args:
        health: the verdict so far.
        tier: whose ports they are.
        programs: supervisord's; None when there is none, or when it did not answer.
        patience: seconds for all of the ports together.
    """
    running = {program.name for program in programs or () if program.state == "RUNNING"}
    silent = tuple(_silent((port for port in PORTS[tier] if port.program in running), patience))
    return Health("failing", (*silent, *health.problems)) if silent else health


def _silent(ports: Iterable[Port], patience: float) -> Iterator[str]:
    deadline = time.monotonic() + patience
    for port in ports:
        if why := _ungreeted(port, deadline):
            yield f"{port.program} runs, but port {port.number} does not greet clients: {why}"


def _ungreeted(port: Port, deadline: float) -> str:
    """Return why a port does not greet, or ""; "come back later" is a greeting, and meant for this client alone."""
    try:
        with socket.create_connection((_HOST, port.number), _left(deadline)) as line:
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
