"""UNIX sockets that daemons ask on: made as root where there is root to be had, with few clients inside at once.

Who may ask is decided by a socket's owner, group and mode alone.
"""

import asyncio
import grp
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import structlog

from reconfigure.errors import ConfigurationError, ReconfigureError

log = structlog.get_logger()

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MODE = 0o660
BACKLOG = 256
MOST_CONNECTIONS = 800  # of each socket; a container often allows 1,024 files


def group_id(name: str, *, named_by: str) -> int:
    """Return a group's number.

    Args:
        name: the group.
        named_by: the setting or option that names it, for the message.

    Raises:
        ConfigurationError: the system has no such group.
    """
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ConfigurationError(f"{named_by}: the system has no group {name}; make it") from error


def listen(path: Path, *, group: int | None) -> socket.socket:
    """Return a listening UNIX socket, in place of one that an earlier process has left.

    Args:
        path: where.
        group: who may connect besides its owner; None: the process's own group.

    Raises:
        ReconfigureError: it could not be made.
    """
    made = socket.socket(socket.AF_UNIX)
    made.setblocking(False)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.is_socket():
            path.unlink()
        before = os.umask(0o777 & ~MODE)  # so that nobody gets in between bind and chmod
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        if group is not None:
            os.chown(path, -1, group)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise ReconfigureError(
            f"making the socket {path} failed: {error.strerror or error}; look at its folder's owner and mode"
        ) from error
    return made


class Door:
    """Lets connections in, not too many, and closes them whatever happens.

    Args:
        handler: serves one connection.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._inside = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        self._inside += 1
        try:
            if self._inside <= MOST_CONNECTIONS:
                await self._handler(reader, writer)
        except OSError:
            pass  # the client hung up in the middle
        except Exception:  # one connection's defect must not be everybody's
            log.exception("connection_failed")
        finally:
            self._inside -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
