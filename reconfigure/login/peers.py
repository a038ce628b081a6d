"""Which client a sendmail process serves.

saslauthd's protocol has no field for the client's address. But sendmail has a process for each session, that process
asks the gate first and tells it the address, and the kernel names the process at the other end of a UNIX socket: so
the address of a password that comes in is the one that its process has told the gate.
"""

import asyncio
import socket
import struct
from collections import OrderedDict

MOST = 10_000

_CREDENTIALS = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


class Peers:
    """Client addresses by process."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[int, str] = OrderedDict()

    def note(self, process: int, address: str) -> None:
        """Remember which client a process serves."""
        self._addresses.pop(process, None)
        self._addresses[process] = address
        if len(self._addresses) > MOST:
            self._addresses.popitem(last=False)

    def forget(self, process: int) -> None:
        """Forget a process: its session is over, and its number may be given to another."""
        self._addresses.pop(process, None)

    def address(self, process: int) -> str | None:
        """Return the client's address, where it was told."""
        return self._addresses.get(process)


def process_of(writer: asyncio.StreamWriter) -> int:
    """Return the process at the other end of a UNIX socket, as it was when it connected."""
    end: socket.socket = writer.get_extra_info("socket")
    process: int = _CREDENTIALS.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0]
    return process
