"""A milter that turns submission away with "454 try again later" while no password can be checked.

Sendmail knows only right and wrong at AUTH. But when a milter answers EHLO with "temporary failure", sendmail goes on
to offer AUTH and answers it, STARTTLS and MAIL with 454 (sendmail 8.18.1, srvrsmtp.c). So this one listens to EHLO and
nothing else, and passes everything while Cognito answers. Its second use: it learns each client's address (`peers`).

The protocol: packets of a length in four bytes, a command letter and data (libmilter's mfdef.h).
"""

import asyncio
import struct

import structlog

from reconfigure.login.checker import Checker
from reconfigure.login.peers import Peers, process_of

log = structlog.get_logger()

LONGEST_PACKET = 65_536
SESSION_SECONDS = 3600.0  # without a word; sendmail's own limit for a command is as long

_LENGTH = struct.Struct("!I")
_NEGOTIATION = struct.Struct("!III")
_VERSION = 6
# SMFIP_NORCPT, NOBODY, NOHDRS, NOEOH, NOUNKNOWN, NODATA: what sendmail need not tell.
_UNWANTED = 0x08 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200
_CONTINUE, _ACCEPT, _TEMPFAIL = b"c", b"a", b"t"
_UNANSWERED = frozenset({b"D", b"A", b"K"})  # macros, the end of a message, the end of a session in a kept connection


class Gate:
    """Serves connections; each lasts as long as an SMTP session.

    Args:
        checker: knows whether passwords can be checked.
        peers: is told who the clients are.
    """

    def __init__(self, checker: Checker, peers: Peers) -> None:
        self._checker = checker
        self._peers = peers

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Follow one session."""
        process = process_of(writer)
        address: str | None = None
        try:
            while True:
                async with asyncio.timeout(SESSION_SECONDS):
                    command, data = await _packet(reader)
                if command == b"Q":
                    return
                if command == b"C" and (address := client_address(data)) is not None:
                    self._peers.note(process, address)
                if command not in _UNANSWERED:
                    writer.write(_framed(await self._reply(command, data, address)))
                    await writer.drain()
        except (EOFError, TimeoutError, ValueError):
            return
        finally:
            self._peers.forget(process)

    async def _reply(self, command: bytes, data: bytes, address: str | None) -> bytes:
        if command == b"O":
            return b"O" + _negotiated(data)
        if command == b"H":
            return await self._greeted(address)
        return _ACCEPT if command == b"M" else _CONTINUE  # accepted: this message needs no further word with the gate

    async def _greeted(self, address: str | None) -> bytes:
        if self._checker.pause_of(address):
            log.info("gate_closed", address=address, reason="guesses")
            return _TEMPFAIL
        if not await self._checker.available():
            log.info("gate_closed", address=address, reason="cognito")
            return _TEMPFAIL
        return _CONTINUE


def client_address(data: bytes) -> str | None:
    """Return the address in a connect packet: host name, NUL, family, port in two bytes, address, NUL."""
    _, _, rest = data.partition(b"\0")
    family, text = rest[:1], rest[3:].rstrip(b"\0").decode("ascii", "replace")
    if family == b"4":
        return text
    return text.removeprefix("IPv6:") if family == b"6" else None


async def _packet(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if not 1 <= length <= LONGEST_PACKET:
        raise ValueError(f"a packet of {length} bytes")
    packet = await reader.readexactly(length)
    return packet[:1], packet[1:]


def _negotiated(offer: bytes) -> bytes:
    if len(offer) < _NEGOTIATION.size:
        raise ValueError("a negotiation that is too short")
    version, _actions, steps = _NEGOTIATION.unpack_from(offer)
    return _NEGOTIATION.pack(min(version, _VERSION), 0, steps & _UNWANTED)


def _framed(packet: bytes) -> bytes:
    return _LENGTH.pack(len(packet)) + packet
