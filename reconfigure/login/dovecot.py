"""Answers Dovecot: OAuth2's password grant over HTTP on a UNIX socket (RFC 6749 4.3, as Dovecot 2.4 speaks it).

Of the ways to ask somebody else, this is the one that is part of Dovecot itself, asks without blocking or forking,
hands the client's address on and knows "not now". Dovecot 2.4.1 takes every 4xx for a failure of the service, so a
wrong password is a proper answer that says `active: no`, and 503 means that nobody could tell.
"""

import asyncio
import json
from typing import NamedTuple
from urllib.parse import parse_qs

from reconfigure.login.answer import Verdict
from reconfigure.login.checker import Checker
from reconfigure.login.master import Master

PATH = "/check"  # a user's password
MASTER_PATH = "/master"  # the master user's
LONGEST_HEAD = 4096
LONGEST_BODY = 4096
IDLE_SECONDS = 120.0  # Dovecot closes idle connections after 60
REQUEST_SECONDS = 10.0

_REMOTE = "x-dovecot-auth-remote"
_PROTOCOL = "x-dovecot-auth-protocol"
_NAMES = {200: "OK", 400: "Bad Request", 503: "Service Unavailable"}


class MalformedError(Exception):
    """What came in is no request."""


class Request(NamedTuple):
    """Who wants to log in, from where, by which protocol; and whether as the master user."""

    user: str
    password: str
    address: str | None
    protocol: str
    master: bool = False


class Dovecot:
    """Serves connections; any number of requests each, one after the other.

    Args:
        checker: decides about users.
        master: decides about the master user.
    """

    def __init__(self, checker: Checker, master: Master) -> None:
        self._checker = checker
        self._master = master

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until Dovecot closes the connection."""
        try:
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    first = await reader.readexactly(1)
                async with asyncio.timeout(REQUEST_SECONDS):
                    request = await read(reader, first)
                writer.write(await self._answered(request))
                await writer.drain()
        except MalformedError:
            writer.write(_response(400, {"error": "invalid_request"}, close=True))
        except (EOFError, TimeoutError):
            return

    async def _answered(self, request: Request) -> bytes:
        asked = request.user, request.password, request.address
        if request.master:
            answer = self._master.check(*asked, service=request.protocol)
        else:
            answer = await self._checker.check(*asked, service=request.protocol)
        if answer.verdict is Verdict.LATER:
            return _response(503, {})
        active = "yes" if answer.verdict is Verdict.YES else "no"
        # The token is nothing: Dovecot only wants to see one.
        return _response(200, {"access_token": "-", "username": request.user, "active": active})


async def read(reader: asyncio.StreamReader, first: bytes = b"") -> Request:
    """Return one request.

    Args:
        reader: where from.
        first: what was read of it already.

    Raises:
        MalformedError: it is too long, or not what Dovecot sends.
        EOFError: it ended before it was whole.
    """
    try:
        head = first + await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise MalformedError from error
    if len(head) > LONGEST_HEAD:
        raise MalformedError
    start, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, _, target = start.partition(" ")
    # To a proxy, which this is to Dovecot, the target is a whole URL.
    path = target.partition(" ")[0]
    if method != "POST" or not path.endswith((PATH, MASTER_PATH)):
        raise MalformedError
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or not 0 < int(length) <= LONGEST_BODY:
        raise MalformedError
    request = _request(await reader.readexactly(int(length)), headers)
    return request._replace(master=path.endswith(MASTER_PATH))


def _request(body: bytes, headers: dict[str, str]) -> Request:
    try:
        form = parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
        (user,), (password,) = form["username"], form["password"]
    except (KeyError, ValueError) as error:
        raise MalformedError from error
    protocol = headers.get(_PROTOCOL, "")
    return Request(user, password, _address(headers.get(_REMOTE, "")), protocol if protocol.isalnum() else "dovecot")


def _address(remote: str) -> str | None:
    """Return the address of `192.0.2.1:143` or `[2001:db8::1]:143`."""
    host = remote.rpartition(":")[0]
    return host.removeprefix("[").removesuffix("]") or None


def _response(status: int, document: dict[str, str], *, close: bool = False) -> bytes:
    body = json.dumps(document).encode()
    connection = "Connection: close\r\n" if close else ""
    head = f"HTTP/1.1 {status} {_NAMES[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{connection}\r\n".encode() + body
