"""The milters' life as a process: their sockets made as root, served as an account that may do nothing else.

It needs no settings, and so no environment: what it must know is said on its command line, or in a file that it names.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import structlog

from reconfigure import account, doors
from reconfigure.milter import complete, results, verdicts
from reconfigure.milter.hosted import Hosted

log = structlog.get_logger()


def milters(hosted: Hosted | None) -> Mapping[str, doors.Handler]:
    """Return what serves each socket, by the socket's name."""
    return {
        "verdicts": verdicts.serve,
        "complete": complete.serve,
        "results": partial(results.serve, hosted=hosted),
    }


def serve(folder: Path, *, user: str | None, group: str | None, hosted: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        folder: where the sockets lie, each under the name of its milter.
        user: the account to become when started as root; None: it stays root.
        group: who may ask besides the sockets' owner; None: the process's own group.
        hosted: the file with what is known of this service; None: it does not matter whom a message claims to be from.

    Raises:
        ConfigurationError: the account, the group or the file is missing.
        ReconfigureError: a socket could not be made.
    """
    account.require(user)
    number = None if group is None else doors.group_id(group, named_by="--group")
    handlers = milters(None if hosted is None else Hosted.read(hosted))
    listening = {name: doors.listen(folder / name, group=number) for name in handlers}
    account.become(user)
    asyncio.run(_run(handlers, listening))


async def _run(handlers: Mapping[str, doors.Handler], listening: Mapping[str, socket.socket]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for name, made in listening.items():
        await asyncio.start_unix_server(doors.Door(handlers[name]), sock=made)
    log.info("started", milters=sorted(listening))
    await stop.wait()
    log.info("stopped")
    os._exit(0)  # sessions are not waited for: sendmail puts their messages off
