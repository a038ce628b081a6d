"""Dovecot's two kinds of clients: a mail program over the network, and sendmail on the delivery socket."""

import imaplib
import json
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from embedded import sample
from stack.world import World

SECONDS = 30.0

# Runs in the container as sendmail's account, speaks LMTP word for word, and prints each recipient's last answer.
_LMTP = r"""
import json, socket, sys
order = json.load(sys.stdin)
link = socket.socket(socket.AF_UNIX)
link.settimeout(60)
link.connect("/run/dovecot/lmtp")
stream = link.makefile("rwb")
def answer():
    while True:
        line = stream.readline().decode()
        if line[3:4] != "-":
            return line.strip()
def say(line):
    stream.write(line.encode() + b"\r\n")
    stream.flush()
    return answer()
answer()
say("LHLO test")
answers = []
for text in order["texts"]:
    say("MAIL FROM:<someone@world.test>")
    said = {who: say(f"RCPT TO:<{who}>") for who in order["to"]}
    taken = [who for who in said if said[who].startswith("2")]
    if taken:
        say("DATA")
        stream.write(text.encode() + b"\r\n.\r\n")
        stream.flush()
        said.update((who, answer()) for who in taken)
    say("RSET")
    answers.append(said)
say("QUIT")
print(json.dumps(answers))
"""


class _Imaps(imaplib.IMAP4_SSL):
    """Connects to an address, and checks the certificate for the tier's name."""

    def __init__(self, ip: str, name: str, context: ssl.SSLContext) -> None:
        self._ip = ip
        super().__init__(host=name, port=993, ssl_context=context, timeout=SECONDS)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        plain = socket.create_connection((self._ip, 993), timeout)
        wrapped: ssl.SSLSocket = self.ssl_context.wrap_socket(plain, server_hostname=self.host)
        return wrapped


@dataclass(frozen=True)
class Tier:
    """A container of the delivery tier."""

    world: World
    service: str
    ip: str

    @contextmanager
    def connected(self) -> Iterator[imaplib.IMAP4]:
        """Connect to port 993, without logging in."""
        client = _Imaps(self.ip, self.world.name("imap"), self.world.tls)
        try:
            yield client
        finally:
            with suppress(imaplib.IMAP4.error, OSError):
                client.logout()
            with suppress(OSError):  # logout() closes it only when it is answered
                client.shutdown()

    @contextmanager
    def session(self, user: str, password: str = sample.PASSWORD) -> Iterator[imaplib.IMAP4]:
        """Log in and open INBOX.

        Raises:
            imaplib.IMAP4.error: what the server said to it.
        """
        with self.connected() as client:
            client.login(user, password)
            client.select()
            yield client

    def refusal(self, user: str, password: str = sample.PASSWORD) -> str:
        """Return what a login is refused with; empty when it is let in."""
        with self.connected() as client:
            try:
                client.login(user, password)
            except imaplib.IMAP4.error as error:
                return str(error)
            return ""

    def subjects(self, user: str, password: str = sample.PASSWORD) -> dict[int, str]:
        """Return the subject of each message in INBOX by its UID."""
        with self.session(user, password) as client:
            return subjects(client)

    def deliver(self, *to: str, text: str) -> dict[str, str]:
        """Deliver one message as sendmail does; return the answer for each recipient."""
        return self.deliver_all(to, [text])[0]

    def deliver_all(self, to: Sequence[str], texts: Sequence[str]) -> list[dict[str, str]]:
        """Deliver several messages in one session; return the answers for each."""
        order = json.dumps({"to": list(to), "texts": list(texts)})
        said = self.world.exec(self.service, "python3", "-c", _LMTP, user="smmta", stdin=order, timeout=120)
        answers: list[dict[str, str]] = json.loads(said)
        return answers

    def shell(self, command: str) -> str:
        """Run a command in the container, as root."""
        return self.world.exec(self.service, "sh", "-euc", command).strip()


def letter(subject: str, *, body: str = "Hello.") -> str:
    """Return a message; `subject` tells it from the others."""
    return f"From: someone@world.test\r\nSubject: {subject}\r\n\r\n{body}"


def subjects(client: imaplib.IMAP4) -> dict[int, str]:
    """Return the subject of each message in the folder that is open, by its UID."""
    client.noop()
    found: Any = client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    by_uid = {}
    for part in found[1]:
        if isinstance(part, tuple):
            words = part[0].decode().split()
            by_uid[int(words[words.index("(UID") + 1])] = part[1].decode().partition(":")[2].strip()
    return by_uid
