"""SMTP as a client speaks it, one step after the other, with the server's reply to each step kept as it came."""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from tests.system.letters import Letter

SECONDS = 60.0  # a server that is slower than this with one reply is down, for whoever waits

_ENHANCED_PARTS = 3


class Reply(NamedTuple):
    """What a server said to a step: "connect", "greeting", "starttls", "auth", "mail", "rcpt", "data" or "end"."""

    step: str
    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463) that the text begins with; "" without one."""
        first = self.text.partition(" ")[0]
        return first if first.count(".") == _ENHANCED_PARTS - 1 and first.replace(".", "").isdigit() else ""

    @property
    def verdict(self) -> str:
        """Code and enhanced code, as in "550 5.1.1"."""
        return f"{self.code} {self.enhanced}".strip()

    @property
    def good(self) -> bool:
        """Whether the server did what it was asked for."""
        return self.code in _GOOD[self.step]


_GOOD = MappingProxyType(
    {
        "connect": {220},
        "greeting": {250},
        "starttls": {220},
        "auth": {235},
        "mail": {250},
        "rcpt": {250, 251},
        "data": {354},
        "end": {250},
    }
)


class NotTakenError(Exception):
    """A step was refused where the caller counted on it."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"refused at {reply.step}: {reply.code} {reply.text}")
        self.reply = reply


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where and how to speak: `tls` is "none", "starttls" or "implicit", checked against `authorities` and `name`.

    `shown` is a file with the client's own certificate and key.
    """

    host: str
    port: int
    name: str
    tls: str = "none"
    authorities: str | None = None
    shown: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return the TLS side, which believes in the given authorities only."""
        context = ssl.create_default_context(cafile=self.authorities)
        if self.shown is not None:
            context.load_cert_chain(self.shown)
        return context


class Dialogue:
    """One session. Steps return the reply, whatever it says; broken connections raise OSError or SMTPException."""

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self.smtp = smtp

    def step(self, name: str, command: str) -> Reply:
        """Say a line and return the reply."""
        code, text = self.smtp.docmd(command)
        return Reply(name, code, text.decode(errors="replace"))

    def mail(self, sender: str, *options: str) -> Reply:
        """Name the envelope's sender."""
        return self.step("mail", " ".join((f"MAIL FROM:<{sender}>", *options)))

    def rcpt(self, recipient: str) -> Reply:
        """Name a recipient."""
        return self.step("rcpt", f"RCPT TO:<{recipient}>")

    def login(self, user: str, password: str, *, mechanism: str = "PLAIN") -> Reply:
        """Log in with a mechanism whether or not the server offers it."""
        self.smtp.user, self.smtp.password = user, password
        try:
            if mechanism == "PLAIN":
                code, text = self.smtp.auth("PLAIN", self.smtp.auth_plain)
            else:
                code, text = self.smtp.auth("LOGIN", self.smtp.auth_login, initial_response_ok=False)
        except smtplib.SMTPAuthenticationError as error:
            code, text = error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else b""
        return Reply("auth", code, text.decode(errors="replace"))

    def data(self, text: bytes) -> Reply:
        """Hand over a message; dots are doubled here."""
        begun = self.step("data", "DATA")
        if not begun.good:
            return begun
        doubled = text.replace(b"\r\n.", b"\r\n..")
        self.smtp.send(doubled + b".\r\n")
        code, said = self.smtp.getreply()
        return Reply("end", code, said.decode(errors="replace"))

    def send(self, letter: Letter) -> Reply:
        """Send a letter to all of its recipients; return the first refusal, or the last reply when all went well."""
        reply = self.mail(letter.sender)
        for recipient in letter.recipients:
            if not reply.good:
                break
            reply = self.rcpt(recipient)
        if reply.good:
            reply = self.data(letter.text)
        if not reply.good:
            with suppress(smtplib.SMTPException, OSError):
                self.smtp.rset()
        return reply


class _Smtp(smtplib.SMTP):
    def __init__(self, name: str) -> None:
        super().__init__(timeout=SECONDS, local_hostname="client.elsewhere.test")
        self._host = name  # what the certificate is checked for; the connection goes to the address


class _Smtps(smtplib.SMTP_SSL):
    def __init__(self, name: str, context: ssl.SSLContext) -> None:
        super().__init__(timeout=SECONDS, local_hostname="client.elsewhere.test", context=context)
        self._host = name


@contextmanager
def session(door: Door, *, user: str | None = None, password: str = "") -> Iterator[Dialogue]:
    """Connect, greet, take TLS and log in as far as asked for; quit at the end.

    Raises:
        NotTakenError: the server refused one of these steps.
        OSError, smtplib.SMTPException: the connection could not be made, or broke.
    """
    smtp = _Smtps(door.name, door.context()) if door.tls == "implicit" else _Smtp(door.name)
    try:
        dialogue = Dialogue(smtp)
        _demand("connect", smtp.connect(door.host, door.port))
        _demand("greeting", smtp.ehlo())
        if door.tls == "starttls":
            _demand("starttls", _start_tls(smtp, door))
            _demand("greeting", smtp.ehlo())
        if user is not None and not (reply := dialogue.login(user, password)).good:
            raise NotTakenError(reply)
        yield dialogue
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
    finally:
        smtp.close()


def _start_tls(smtp: smtplib.SMTP, door: Door) -> tuple[int, bytes]:
    try:
        return smtp.starttls(context=door.context())
    except smtplib.SMTPResponseException as error:
        return error.smtp_code, error.smtp_error if isinstance(error.smtp_error, bytes) else error.smtp_error.encode()


def _demand(step: str, answer: tuple[int, bytes]) -> None:
    reply = Reply(step, answer[0], answer[1].decode(errors="replace"))
    if not reply.good:
        raise NotTakenError(reply)


def ask(door: Door, recipient: str, *, sender: str, user: str | None = None, password: str = "") -> Reply:
    """Return what a session of its own is told about a recipient; nothing is sent."""
    with session(door, user=user, password=password) as dialogue:
        reply = dialogue.mail(sender)
        return dialogue.rcpt(recipient) if reply.good else reply


def send(door: Door, letters: Sequence[Letter], *, user: str | None = None, password: str = "") -> list[Reply]:
    """Send letters in one session of their own; return a reply for each."""
    with session(door, user=user, password=password) as dialogue:
        return [dialogue.send(letter) for letter in letters]
