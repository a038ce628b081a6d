"""A milter that turns submission away with "454 try again later" while no password can be checked.

Sendmail knows only right and wrong at AUTH. But when a milter answers EHLO with "temporary failure", sendmail goes on
to offer AUTH and answers it, STARTTLS and MAIL with 454 (sendmail 8.18.1, srvrsmtp.c). So this one listens to EHLO for
that, and passes everybody while Cognito answers. Its second use: it learns each client's address (`peers`). Its third:
whoever has logged in sends no more than the account may (`sending`); what is too much is put off, and the client told.
"""

import asyncio
from collections.abc import Sequence

import structlog

from reconfigure.login.checker import Checker
from reconfigure.login.peers import Peers, process_of
from reconfigure.milter import protocol
from reconfigure.sending.book import Book, Session
from reconfigure.sending.counts import Kind, Refused

log = structlog.get_logger()

_UNWANTED = protocol.NO_BODY | protocol.NO_HEADERS | protocol.NO_END_OF_HEADER | protocol.NO_UNKNOWN | protocol.NO_DATA


_ACCOUNT = b"{auth_authen}"


class Gate:
    """Serves connections; each lasts as long as an SMTP session.

    Args:
        checker: knows whether passwords can be checked.
        peers: is told who the clients are.
        book: knows who may send how much.
    """

    def __init__(self, checker: Checker, peers: Peers, book: Book) -> None:
        self._checker = checker
        self._peers = peers
        self._book = book

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Follow one session."""
        process = process_of(writer)
        sender = self._book.session()
        address: str | None = None
        user: str | None = None

        async def answer(command: bytes, data: bytes) -> Sequence[bytes]:
            nonlocal address, user
            if command == protocol.CONNECT and (address := client_address(data)) is not None:
                self._peers.note(process, address)
            if command == protocol.HELO:
                return [await self._greeted(address)]
            if command == protocol.MACROS:
                user = _account(data, user)
            return [_verdict(_asked(sender, command, user))]

        try:
            await protocol.converse(reader, writer, answer, unwanted=_UNWANTED)
        finally:
            sender.abort()
            self._peers.forget(process)

    async def _greeted(self, address: str | None) -> bytes:
        if self._checker.pause_of(address):
            log.info("gate_closed", address=address, reason="guesses")
            return protocol.TEMPFAIL
        if not await self._checker.available():
            log.info("gate_closed", address=address, reason="cognito")
            return protocol.TEMPFAIL
        return protocol.CONTINUE


def _asked(sender: Session, command: bytes, user: str | None) -> Refused | None:
    if command == protocol.MAIL:
        return sender.mail(user)
    if command == protocol.RECIPIENT:
        return sender.recipient()
    if command == protocol.END_OF_MESSAGE:
        return sender.end()
    if command == protocol.ABORT:
        sender.abort()
    return None


def _account(data: bytes, before: str | None) -> str | None:
    """Return who has logged in, as sendmail says it before MAIL: in whatever case it was typed, as for `checker`."""
    command, macros = protocol.macros(data)
    if command != protocol.MAIL:
        return before
    name = macros.get(_ACCOUNT, b"").decode("ascii", "backslashreplace").lower()
    return name or None


def _verdict(refused: Refused | None) -> bytes:
    if refused is None:
        return protocol.CONTINUE
    if refused.kind is Kind.HELD:
        return protocol.reply("451 4.7.1 This account may not send for now; ask those who run this service")
    did = "sent" if refused.what == "messages" else "written to"
    within, later = ("24 hours", "later") if refused.kind is Kind.DAY else ("a minute", "in a minute")
    return protocol.reply(
        f"451 4.7.1 This account has {did} {refused.limit} {refused.what} in {within}, which is all it may;"
        f" try again {later}"
    )


def client_address(data: bytes) -> str | None:
    """Return the address in a connect packet: host name, NUL, family, port in two bytes, address, NUL."""
    _, _, rest = data.partition(b"\0")
    family, text = rest[:1], rest[3:].rstrip(b"\0").decode("ascii", "replace")
    if family == b"4":
        return text
    return text.removeprefix("IPv6:") if family == b"6" else None
