"""What a message from a user must have before it is signed: a Date: and a Message-ID:.

sendmail adds both where a mail program left them out (RFC 6409 8.2, 8.3), but later than the signer looks. A signature
that says that there is none would be invalid then; one that does not say so lets others add one on the way.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate

from reconfigure.milter import protocol

DATE, IDENTIFIER = b"Date", b"Message-ID"

_NAME = b"j"  # sendmail's macro for its own host name, which it tells at CONNECT
_RANDOM_BYTES = 12


async def serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, clock: Callable[[], float] = time.time
) -> None:
    """Follow one session: nothing is refused in it, and every message leaves it with both fields."""
    unwanted = protocol.HEADERS_ONLY & ~protocol.NO_CONNECT
    answer = _Session(clock).answer
    await protocol.converse(reader, writer, answer, unwanted=unwanted, actions=protocol.ADDS_HEADERS)


class _Session:
    """Notes which fields a message has."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._host = b"localhost"
        self._seen: set[bytes] = set()

    async def answer(self, command: bytes, data: bytes) -> Sequence[bytes]:
        if command == protocol.MACROS:
            self._host = protocol.macros(data)[1].get(_NAME, self._host)
        elif command in {protocol.MAIL, protocol.ABORT}:
            self._seen.clear()
        elif command == protocol.HEADER:
            self._seen.add(data.partition(b"\0")[0].strip().lower())
        elif command == protocol.END_OF_MESSAGE:
            missing = [name for name in (DATE, IDENTIFIER) if name.lower() not in self._seen]
            self._seen.clear()
            return [*(protocol.addition(name, self._value(name)) for name in missing), protocol.CONTINUE]
        return [protocol.CONTINUE]

    def _value(self, name: bytes) -> bytes:
        if name == DATE:
            return formatdate(self._clock()).encode()
        return f"<{secrets.token_hex(_RANDOM_BYTES)}@".encode() + self._host + b">"
