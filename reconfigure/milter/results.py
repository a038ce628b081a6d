"""What our verifiers wrote, looked at once more when the last of them is done; what they did not mean is removed.

OpenDMARC 1.4.2 writes the domains of From:, of the envelope's sender and of HELO just as they came: a message `From:
<a@evil.example;dmarc=pass>` gets a field in our name with that very result in it. It takes the first of several From:,
where a reader may show another. So its field stays only where it says one thing, in the form that it says it in, and
where that is about the one address that a reader sees in From:.

What claims to be from a domain that is hosted here, and is not proved by what then is left, is marked or refused
(`hosted`).
"""

import asyncio
import re
from collections.abc import Sequence

import structlog

from reconfigure.milter import protocol
from reconfigure.milter.fields import DOMAIN
from reconfigure.milter.hosted import Hosted

log = structlog.get_logger()

_RESULTS = b"Authentication-Results"

_BY = rb"\s*" + DOMAIN + rb";\s*"
_DMARC = re.compile(_BY + rb"dmarc=([a-z]+) \([a-z= ]*\) header\.from=(" + DOMAIN + rb")\s*")
_SPF = re.compile(_BY + rb"spf=[a-z]+ smtp\.(?:mailfrom|helo)=(?:" + DOMAIN + rb")?\s*")
_PASS, _NO_ANSWER = b"pass", frozenset({None, b"temperror"})
_UNPROVED = "550 5.7.1 From: is of a domain that is served here, and DMARC does not prove it"
_NOT_ONE = "550 5.7.1 From: must be one address"
_LATER = "451 4.7.1 From: cannot be verified at the moment, try again later"

_IN_WORDS = re.compile(rb'\([^()]*\)|"[^"]*"')
_DKIM = re.compile(_BY + rb"dkim=[^;]*(?:;\s*dkim(?:-atps)?=[^;]*)*")

_ATOM = rb'[^\s<>()\[\],;:@\\"]+'
_ADDRESS = _ATOM + rb"@(" + DOMAIN + rb")"
# One address, with a name before <it> or a comment after it (RFC 5322 3.4), and no way to read it as another.
_FROM = re.compile(
    rb'(?:(?:"(?:[^"\\]|\\.)*"|[^<>()\[\],;:@\\"])*<' + _ADDRESS + rb">|" + _ADDRESS + rb")(?:\s*\([^()<>@\\]*\))?",
    re.DOTALL,
)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, hosted: Hosted | None = None) -> None:
    """Follow one session: no message leaves it with a result that is not sound.

    Args:
        reader: what sendmail says.
        writer: what it is told.
        hosted: what is known of this service; None: it does not matter whom a message claims to be from.
    """
    actions = protocol.CHANGES_HEADERS | protocol.ADDS_HEADERS
    await protocol.converse(reader, writer, _Session(hosted).answer, unwanted=protocol.HEADERS_ONLY, actions=actions)


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
        return dmarc[2].lower() == domain
    return _SPF.fullmatch(result) is not None or _DKIM.fullmatch(_IN_WORDS.sub(b"", result)) is not None


def dmarc_of(results: Sequence[bytes]) -> bytes | None:
    """Return the DMARC result in a message's sound Authentication-Results, such as b"pass"; None without one."""
    found = [dmarc[1] for each in results if (dmarc := _DMARC.fullmatch(each)) is not None]
    return found[0] if len(found) == 1 else None


class _Session:
    """Keeps a message's From: and Authentication-Results until the message has ended."""

    def __init__(self, hosted: Hosted | None) -> None:
        self._hosted = hosted
        self._senders: list[bytes] = []
        self._results: list[bytes] = []

    async def answer(self, command: bytes, data: bytes) -> Sequence[bytes]:
        if command in {protocol.MAIL, protocol.ABORT}:
            self._forget()
        elif command == protocol.HEADER:
            name, _, value = data.partition(b"\0")
            if (folded := name.strip().lower()) == b"from":
                self._senders.append(value.rstrip(b"\0"))
            elif folded == _RESULTS.lower():
                self._results.append(value.rstrip(b"\0"))
        elif command == protocol.END_OF_MESSAGE:
            packets = self._judged()
            self._forget()
            return packets
        return [protocol.CONTINUE]

    def _judged(self) -> list[bytes]:
        domain = domain_of(self._senders)
        unsound = [number for number, each in enumerate(self._results, 1) if not is_sound(each, domain)]
        if unsound:
            log.warning("results_removed", fields=len(unsound))
        removals = [protocol.removal(_RESULTS, number) for number in reversed(unsound)]
        dmarc = dmarc_of([each for each in self._results if is_sound(each, domain)])
        return [*removals, *self._about_sender(domain, dmarc)]

    def _about_sender(self, domain: bytes | None, dmarc: bytes | None) -> list[bytes]:
        """Return the verdict on a message from this domain with this DMARC result, and what goes with it.

        A From: that is not one address counts as of a hosted domain: readers differ in which they show, and where there
        is none sendmail writes the envelope's sender into it.
        """
        hosted = self._hosted
        try:
            if hosted is None or dmarc == _PASS or (domain is not None and not hosted.has(domain)):
                return [protocol.CONTINUE]
        except (OSError, ValueError) as error:
            log.error("domains_unreadable", error=str(error))
            return [protocol.TEMPFAIL]
        log.info("hosted_sender_unproved", refused=hosted.refuses)
        if not hosted.refuses:
            return [protocol.insertion(_RESULTS, hosted.mark(domain)), protocol.CONTINUE]
        if domain is None:
            return [protocol.reply(_NOT_ONE)]
        return [protocol.reply(_LATER if dmarc in _NO_ANSWER else _UNPROVED)]

    def _forget(self) -> None:
        self._senders.clear()
        self._results.clear()
