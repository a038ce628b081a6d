"""Answers sendmail's SASL library in the protocol of Cyrus saslauthd.

A request is four strings (user, password, service, realm), each after its length in two bytes, most significant first;
the answer is one such string that begins with OK or NO (cyrus-sasl 2.1.28, lib/checkpw.c). There is no third answer,
and sendmail says "535 authentication failed" to whatever is not OK. So while Cognito is away no answer is given: the
request is held and asked again, and a mail client that gives up meanwhile has lost a connection, not its password.
That sessions come this far at all while Cognito is away is rare: the gate turns them back with 454 before.

Nobody is refused sooner than Cognito would do it, or the time would say which names are users'. (Dovecot waits two
seconds by itself.)
"""

import asyncio
import struct
import time
from contextlib import suppress

from reconfigure.login.answer import Answer, Verdict
from reconfigure.login.checker import Checker
from reconfigure.login.peers import Peers, process_of

LONGEST_REQUEST = 1024
REQUEST_SECONDS = 10.0
ASK_AGAIN_SECONDS = 2.0
REFUSAL_SECONDS = 0.5  # before which nobody is refused: as long as Cognito takes, mostly
MOST_HELD = 50

_LENGTH = struct.Struct("!H")
_FIELDS = 4


class MalformedError(Exception):
    """What came in is no request."""


class Saslauthd:
    """Serves connections; one request each.

    Args:
        checker: decides.
        peers: knows the clients' addresses.
        hold: seconds for which a request is held while Cognito is away.
    """

    def __init__(self, checker: Checker, peers: Peers, *, hold: float) -> None:
        self._checker = checker
        self._peers = peers
        self._hold = hold
        self._held = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                user, password, _service, realm = await read(reader)
        except (MalformedError, EOFError, TimeoutError):
            writer.write(_string(b"NO"))
            return
        # Whoever logs in as user@somewhere would be another user to sendmail's rules than the one who was checked.
        name = f"{user}@{realm}" if realm else user
        address = self._peers.address(process_of(writer))
        deciding = asyncio.ensure_future(self._decide(name, password, address))
        hung_up = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({deciding, hung_up}, return_when=asyncio.FIRST_COMPLETED)
            if deciding.done() and (answer := deciding.result()).verdict is not Verdict.LATER:
                writer.write(_string(b"OK" if answer.verdict is Verdict.YES else b"NO"))
        finally:
            deciding.cancel()
            hung_up.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await asyncio.gather(deciding, hung_up, return_exceptions=True)

    async def _decide(self, name: str, password: str, address: str | None) -> Answer:
        refusals = time.monotonic() + REFUSAL_SECONDS
        answer = await self._settled(name, password, address)
        if answer.verdict is not Verdict.YES:
            await asyncio.sleep(refusals - time.monotonic())
        return answer

    async def _settled(self, name: str, password: str, address: str | None) -> Answer:
        deadline = time.monotonic() + self._hold
        answer = await self._checker.check(name, password, address, service="submission")
        if not _passing(answer) or self._held >= MOST_HELD:
            return answer
        self._held += 1
        try:
            while _passing(answer) and time.monotonic() < deadline:
                await asyncio.sleep(ASK_AGAIN_SECONDS)
                answer = await self._checker.check(name, password, address, service="submission")
        finally:
            self._held -= 1
        return answer


async def read(reader: asyncio.StreamReader) -> tuple[str, ...]:
    """Return the strings of a request.

    Raises:
        MalformedError: it is longer than `LONGEST_REQUEST`, or no text.
        EOFError: it ended before it was whole.
    """
    left = LONGEST_REQUEST
    fields = []
    for _ in range(_FIELDS):
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        left -= length
        if left < 0:
            raise MalformedError
        fields.append(await reader.readexactly(length))
    try:
        texts = tuple(field.decode() for field in fields)
    except UnicodeDecodeError as error:
        raise MalformedError from error
    if any("\0" in text for text in texts):
        raise MalformedError
    return texts


def _passing(answer: Answer) -> bool:
    return answer.verdict is Verdict.LATER and (answer.reached is False or answer.reason in {"busy", "no-generation"})


def _string(text: bytes) -> bytes:
    return _LENGTH.pack(len(text)) + text
