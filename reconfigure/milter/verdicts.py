"""What strangers say of where their own mail comes from, removed before any other milter sees it.

All of it, whoever it claims to be written by. RFC 8601 5 asks for the removal of what bears the name of one's own
domain only; but a reader that sees no other results cannot take a stranger's for ours, however it reads the name.
Signatures that a verifier would report in words that are not its own go the same way (`signatures`).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

import structlog

from reconfigure.milter import protocol, signatures
from reconfigure.milter.fields import is_verdict

log = structlog.get_logger()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Follow one session: nothing is refused in it, and no message leaves it with a stranger's verdict."""
    await protocol.converse(
        reader, writer, _Session().answer, unwanted=protocol.HEADERS_ONLY, actions=protocol.CHANGES_HEADERS
    )


class _Session:
    """Notes what a message's header must not have, each field by its name and number as sendmail counts them."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()
        self._unwanted: list[tuple[bytes, int]] = []
        self._signatures = 0

    async def answer(self, command: bytes, data: bytes) -> Sequence[bytes]:
        if command in {protocol.MAIL, protocol.ABORT}:
            self._forget()
        elif command == protocol.HEADER:
            name, _, value = data.partition(b"\0")
            self._look_at(name, value.rstrip(b"\0"))
        elif command == protocol.END_OF_MESSAGE:
            return [*self._removals(), protocol.CONTINUE]
        return [protocol.CONTINUE]

    def _look_at(self, name: bytes, value: bytes) -> None:
        folded = name.strip().lower()
        self._seen[folded] += 1
        if is_verdict(folded) or (folded == signatures.NAME and not self._may_stay(value)):
            self._unwanted.append((name, self._seen[folded]))

    def _may_stay(self, signature: bytes) -> bool:
        if self._signatures >= signatures.MOST or not signatures.is_plain(signature):
            return False
        self._signatures += 1
        return True

    def _removals(self) -> list[bytes]:
        """Return what removes all that is unwanted, from the last to the first: no removal moves another's number."""
        if self._unwanted:
            log.info("fields_removed", fields=len(self._unwanted))
        removals = [protocol.removal(name, number) for name, number in reversed(self._unwanted)]
        self._forget()
        return removals

    def _forget(self) -> None:
        self._seen.clear()
        self._unwanted.clear()
        self._signatures = 0
