"""The milter protocol, a milter's side of it: packets, the negotiation, and a conversation to its end.

A packet is its length in four bytes, a command letter and data; text ends in NUL. See libmilter's mfdef.h and mfapi.h.
sendmail gives a milter 65,535 bytes of data at most, and ends the conversation over a header field that is longer.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence

LONGEST_PACKET = 65_536  # with the letter
SESSION_SECONDS = 3600.0  # without a word; sendmail's own limit for a command is as long

# What sendmail says.
CONNECT, HELO, MAIL, RECIPIENT, HEADER, END_OF_MESSAGE, ABORT = b"C", b"H", b"M", b"R", b"L", b"E", b"A"
MACROS = b"D"  # the letter of the command that they are for, then names and values, each ended by NUL
_NEGOTIATE, _QUIT = b"O", b"Q"
_UNANSWERED = frozenset({MACROS, b"A", b"K"})  # macros, the end of a message, the end of a session in a kept connection

# What a milter says.
CONTINUE, ACCEPT, TEMPFAIL = b"c", b"a", b"t"
_CHANGE_HEADER, _ADD_HEADER, _INSERT_HEADER, _REPLY = b"m", b"h", b"i", b"y"

# What sendmail need not tell (SMFIP_NOCONNECT and so on).
NO_CONNECT, NO_HELO, NO_RCPT, NO_BODY, NO_HEADERS, NO_END_OF_HEADER, NO_UNKNOWN, NO_DATA = (
    0x01,
    0x02,
    0x08,
    0x10,
    0x20,
    0x40,
    0x100,
    0x200,
)
HEADERS_ONLY = NO_CONNECT | NO_HELO | NO_RCPT | NO_BODY | NO_END_OF_HEADER | NO_UNKNOWN | NO_DATA
ADDS_HEADERS = 0x01  # SMFIF_ADDHDRS
CHANGES_HEADERS = 0x10  # SMFIF_CHGHDRS

_LENGTH = struct.Struct("!I")
_NEGOTIATION = struct.Struct("!III")
_VERSION = 6

Answer = Callable[[bytes, bytes], Awaitable[Sequence[bytes]]]
"""Takes a command and its data; returns the packets to send back, the last of them the verdict."""


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, *, unwanted: int, actions: int = 0
) -> None:
    """Follow one session of sendmail's to its end.

    It ends early, which is a failure of the milter to sendmail, where sendmail speaks another protocol or does not let
    the milter do what it is there for.

    Args:
        reader: what sendmail says.
        writer: what it is told.
        answer: is asked for each command but the negotiation; what it says to one that has no answer is not sent.
        unwanted: the steps that need not be told, where sendmail can leave them out; `answer` may be asked for each.
        actions: what the milter does to messages.
    """
    try:
        while True:
            async with asyncio.timeout(SESSION_SECONDS):
                command, data = await _packet(reader)
            if command == _QUIT:
                return
            if command == _NEGOTIATE:
                packets: Sequence[bytes] = [_negotiated(data, unwanted=unwanted, actions=actions)]
            else:
                packets = await answer(command, data)
            if command not in _UNANSWERED:
                writer.write(b"".join(map(_framed, packets)))
                await writer.drain()
    except (EOFError, TimeoutError, ValueError):
        return


def removal(name: bytes, index: int) -> bytes:
    """Return the packet that removes a header field: the `index`-th of its name, from 1, as they came."""
    return _CHANGE_HEADER + _LENGTH.pack(index) + name + b"\0\0"


def addition(name: bytes, value: bytes) -> bytes:
    """Return the packet that puts a header field behind all others."""
    return _ADD_HEADER + name + b"\0" + value + b"\0"


def insertion(name: bytes, value: bytes) -> bytes:
    """Return the packet that puts a header field before all others."""
    return _INSERT_HEADER + _LENGTH.pack(0) + name + b"\0" + value + b"\0"


def reply(text: str) -> bytes:
    """Return the verdict that sendmail says in these words.

    Args:
        text: a code and an enhanced one (RFC 3463) and a line of ASCII; without a per cent sign, which sendmail reads
            as the beginning of a format.
    """
    return _REPLY + text.encode("ascii") + b"\0"


def macros(data: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return which command a packet of macros is for, and the macros: `{auth_authen}` has its braces."""
    texts = data[1:].split(b"\0")
    return data[:1], dict(zip(texts[::2], texts[1::2], strict=False))


async def _packet(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if not 1 <= length <= LONGEST_PACKET:
        raise ValueError(f"a packet of {length} bytes")
    packet = await reader.readexactly(length)
    return packet[:1], packet[1:]


def _negotiated(offer: bytes, *, unwanted: int, actions: int) -> bytes:
    if len(offer) < _NEGOTIATION.size:
        raise ValueError("a negotiation that is too short")
    version, allowed, steps = _NEGOTIATION.unpack_from(offer)
    if actions & ~allowed:
        raise ValueError("a message may not be changed as it must be")
    return _NEGOTIATE + _NEGOTIATION.pack(min(version, _VERSION), actions, steps & unwanted)


def _framed(packet: bytes) -> bytes:
    return _LENGTH.pack(len(packet)) + packet
