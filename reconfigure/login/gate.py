"""A milter that turns submission away with "454 try again later" while no password can be checked.

Sendmail knows only right and wrong at AUTH. But when a milter answers EHLO with "temporary failure", sendmail goes on
to offer AUTH and answers it, STARTTLS and MAIL with 454 (sendmail 8.18.1, srvrsmtp.c). So this one listens to EHLO and
nothing else, and passes everything while Cognito answers. Its second use: it learns each client's address (`peers`).
"""

import asyncio
from collections.abc import Sequence

import structlog

from reconfigure.login.checker import Checker
from reconfigure.login.peers import Peers, process_of
from reconfigure.milter import protocol

log = structlog.get_logger()

_UNWANTED = (
    protocol.NO_RCPT
    | protocol.NO_BODY
    | protocol.NO_HEADERS
    | protocol.NO_END_OF_HEADER
    | protocol.NO_UNKNOWN
    | protocol.NO_DATA
)


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

        async def answer(command: bytes, data: bytes) -> Sequence[bytes]:
            nonlocal address
            if command == protocol.CONNECT and (address := client_address(data)) is not None:
                self._peers.note(process, address)
            if command == protocol.HELO:
                return [await self._greeted(address)]
            # Accepted: this message needs no further word with the gate.
            return [protocol.ACCEPT if command == protocol.MAIL else protocol.CONTINUE]

        try:
            await protocol.converse(reader, writer, answer, unwanted=_UNWANTED)
        finally:
            self._peers.forget(process)

    async def _greeted(self, address: str | None) -> bytes:
        if self._checker.pause_of(address):
            log.info("gate_closed", address=address, reason="guesses")
            return protocol.TEMPFAIL
        if not await self._checker.available():
            log.info("gate_closed", address=address, reason="cognito")
            return protocol.TEMPFAIL
        return protocol.CONTINUE


def client_address(data: bytes) -> str | None:
    """Return the address in a connect packet: host name, NUL, family, port in two bytes, address, NUL."""
    _, _, rest = data.partition(b"\0")
    family, text = rest[:1], rest[3:].rstrip(b"\0").decode("ascii", "replace")
    if family == b"4":
        return text
    return text.removeprefix("IPv6:") if family == b"6" else None
