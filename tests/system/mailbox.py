"""A user's mailbox as an IMAP client sees it: log in, look at folders, count letters by their ids."""

import imaplib
import re
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.system.letters import HEADER, ident_of

SECONDS = 60.0

_FOLDER = re.compile(rb'\((?P<flags>[^)]*)\) (?:"[^"]*"|NIL) "?(?P<name>[^"]+)"?$')


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where the mailboxes are; the certificate must be that of `name`, by one of `authorities`."""

    host: str
    name: str
    authorities: str
    port: int = 993
    starttls_port: int = 143

    def context(self) -> ssl.SSLContext:
        """Return the TLS side, which believes in the given authorities only."""
        return ssl.create_default_context(cafile=self.authorities)


class _Imaps(imaplib.IMAP4_SSL):
    """Connects to an address and checks the certificate for a name."""

    def __init__(self, box: Box) -> None:
        self._box = box
        super().__init__(host=box.name, port=box.port, ssl_context=box.context(), timeout=SECONDS)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = socket.create_connection((self._box.host, self._box.port), timeout)
        return self._box.context().wrap_socket(plain, server_hostname=self._box.name)


@contextmanager
def reading(box: Box, user: str, password: str, *, folder: str = "INBOX") -> Iterator[imaplib.IMAP4]:
    """Log in by implicit TLS and open a folder without changing anything in it.

    Raises:
        imaplib.IMAP4.error: the server said no; the message is its own.
        OSError: there was no connection, or it broke.
    """
    client: imaplib.IMAP4 = _Imaps(box)
    try:
        client.login(user, password)
        _ok(client.select(folder, readonly=True))
        yield client
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            client.logout()


@contextmanager
def starting_tls(box: Box) -> Iterator[imaplib.IMAP4]:
    """Connect to the port of STARTTLS and do nothing more: neither TLS nor log in."""
    client = imaplib.IMAP4(box.host, box.starttls_port, timeout=SECONDS)
    client.host = box.name  # what the certificate will be checked for
    try:
        yield client
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            client.logout()


def folders(client: imaplib.IMAP4) -> list[str]:
    """Return the names of all folders that can be opened."""
    names = []
    for line in _ok(client.list()):
        found = _FOLDER.match(line) if isinstance(line, bytes) else None
        if found and b"\\noselect" not in found["flags"].lower():
            names.append(found["name"].decode())
    return names


def letters(client: imaplib.IMAP4) -> Counter[str]:
    """Return how often each letter lies in the folder that is open."""
    counted: Counter[str] = Counter()
    if _ok(client.search(None, "ALL")) == [b""]:
        return counted
    for part in _ok(client.fetch("1:*", f"(BODY.PEEK[HEADER.FIELDS ({HEADER})])")):
        ident = ident_of(part[1]) if isinstance(part, tuple) else None
        if ident:
            counted[ident] += 1
    return counted


def inbox(box: Box, user: str, password: str) -> Counter[str]:
    """Return how often each letter lies in the user's INBOX, in a session of its own."""
    with reading(box, user, password) as client:
        return letters(client)


def everywhere(box: Box, user: str, password: str) -> dict[str, Counter[str]]:
    """Return for each folder of the user what lies in it."""
    found = {}
    with reading(box, user, password) as client:
        for name in folders(client):
            _ok(client.select(f'"{name}"', readonly=True))
            found[name] = letters(client)
    return found


def text_of(client: imaplib.IMAP4, ident: str) -> bytes | None:
    """Return the whole message with that id from the folder that is open; None if it is not there."""
    numbers = _ok(client.search(None, "HEADER", HEADER, ident))
    if not numbers or not numbers[0]:
        return None
    for part in _ok(client.fetch(numbers[0].split()[0].decode(), "(BODY.PEEK[])")):
        if isinstance(part, tuple):
            return bytes(part[1])
    return None


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    status, parts = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"the server answered {status}: {parts!r}")
    return parts
