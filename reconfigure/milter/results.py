"""What our verifiers wrote, looked at once more when the last of them is done; what they did not mean is removed.

OpenDMARC 1.4.2 writes the domains of From:, of the envelope's sender and of HELO just as they came: a message `From:
<a@evil.example;dmarc=pass>` gets a field in our name with that very result in it. It takes the first of several From:,
where a reader may show another. So its field stays only where it says one thing, in the form that it says it in, and
where that is about the one address that a reader sees in From:.
"""

import asyncio
import re
from collections.abc import Sequence

import structlog

from reconfigure.milter import protocol
from reconfigure.milter.fields import DOMAIN

log = structlog.get_logger()

_RESULTS = b"authentication-results"

_BY = rb"\s*" + DOMAIN + rb";\s*"
_DMARC = re.compile(_BY + rb"dmarc=[a-z]+ \([a-z= ]*\) header\.from=(" + DOMAIN + rb")\s*")
_SPF = re.compile(_BY + rb"spf=[a-z]+ smtp\.(?:mailfrom|helo)=(?:" + DOMAIN + rb")?\s*")
_IN_WORDS = re.compile(rb'\([^()]*\)|"[^"]*"')
_DKIM = re.compile(_BY + rb"dkim=[^;]*(?:;\s*dkim(?:-atps)?=[^;]*)*")

_ATOM = rb'[^\s<>()\[\],;:@\\"]+'
_ADDRESS = _ATOM + rb"@(" + DOMAIN + rb")"
# One address, with a name before <it> or a comment after it (RFC 5322 3.4), and no way to read it as another.
_FROM = re.compile(
    rb'(?:(?:"(?:[^"\\]|\\.)*"|[^<>()\[\],;:@\\"])*<' + _ADDRESS + rb">|" + _ADDRESS + rb")(?:\s*\([^()<>@\\]*\))?",
    re.DOTALL,
)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Follow one session: nothing is refused in it, and no message leaves it with a result that is not sound."""
    await protocol.converse(
        reader, writer, _Session().answer, unwanted=protocol.HEADERS_ONLY, actions=protocol.CHANGES_HEADERS
    )


def domain_of(senders: Sequence[bytes]) -> bytes | None:
    """Return the domain, in lower case, of the one address in a message's From: fields; None where it is not one."""
    found = _FROM.fullmatch(senders[0].strip()) if len(senders) == 1 else None
    return None if found is None else (found[1] or found[2]).lower()


def is_sound(result: bytes, domain: bytes | None) -> bool:
    """Return whether an Authentication-Results field says what a verifier of ours says, and nothing more.

    Args:
        result: the field's value.
        domain: that of From:, in lower case, or None.
    """
    if (dmarc := _DMARC.fullmatch(result)) is not None:
        return dmarc[1].lower() == domain
    return _SPF.fullmatch(result) is not None or _DKIM.fullmatch(_IN_WORDS.sub(b"", result)) is not None


class _Session:
    """Keeps a message's From: and Authentication-Results until the message has ended."""

    def __init__(self) -> None:
        self._senders: list[bytes] = []
        self._results: list[bytes] = []

    async def answer(self, command: bytes, data: bytes) -> Sequence[bytes]:
        if command in {protocol.MAIL, protocol.ABORT}:
            self._forget()
        elif command == protocol.HEADER:
            name, _, value = data.partition(b"\0")
            if (folded := name.strip().lower()) == b"from":
                self._senders.append(value.rstrip(b"\0"))
            elif folded == _RESULTS:
                self._results.append(value.rstrip(b"\0"))
        elif command == protocol.END_OF_MESSAGE:
            return [*self._removals(), protocol.CONTINUE]
        return [protocol.CONTINUE]

    def _removals(self) -> list[bytes]:
        domain = domain_of(self._senders)
        unsound = [number for number, each in enumerate(self._results, 1) if not is_sound(each, domain)]
        if unsound:
            log.warning("results_removed", fields=len(unsound))
        self._forget()
        return [protocol.removal(_RESULTS, number) for number in reversed(unsound)]

    def _forget(self) -> None:
        self._senders.clear()
        self._results.clear()
