"""The milters' life as a process: their sockets made as root, served as an account that may do nothing else.

It needs no settings, and so no environment: what it must know is said on its command line.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path

import structlog

from reconfigure import account, doors
from reconfigure.milter import results, verdicts

log = structlog.get_logger()

MILTERS: Mapping[str, doors.Handler] = {"verdicts": verdicts.serve, "results": results.serve}  # by the socket's name


def serve(folder: Path, *, user: str | None, group: str | None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        folder: where the sockets lie, each under the name of its milter.
        user: the account to become when started as root; None: it stays root.
        group: who may ask besides the sockets' owner; None: the process's own group.

    Raises:
        ConfigurationError: the account or the group is missing.
        ReconfigureError: a socket could not be made.
    """
    account.require(user)
    number = None if group is None else doors.group_id(group, named_by="--group")
    listening = {name: doors.listen(folder / name, group=number) for name in MILTERS}
    account.become(user)
    asyncio.run(_run(listening))


async def _run(listening: Mapping[str, socket.socket]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for name, made in listening.items():
        await asyncio.start_unix_server(doors.Door(MILTERS[name]), sock=made)
    log.info("started", milters=sorted(listening))
    await stop.wait()
    log.info("stopped")
    os._exit(0)  # sessions are not waited for: sendmail puts their messages off
