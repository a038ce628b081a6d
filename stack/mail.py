"""A correspondent and a user of a world: send a message in or out, read a mailbox."""

import email.policy
import email.utils
import imaplib
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser

from embedded import sample
from reconfigure.settings import Tier
from stack.world import World

_SECONDS = 30.0


class _Smtp(smtplib.SMTP):
    """SMTP to an address, where the certificate is for a name."""

    def __init__(self, at: tuple[str, int], *, name: str, helo: str) -> None:
        super().__init__(*at, local_hostname=helo, timeout=_SECONDS)
        self._host = name  # what starttls() verifies


class _Imap(imaplib.IMAP4_SSL):
    """IMAPS to an address, where the certificate is for a name."""

    def __init__(self, at: tuple[str, int], *, name: str, context: ssl.SSLContext) -> None:
        self._name = name
        super().__init__(*at, ssl_context=context, timeout=_SECONDS)

    def _create_socket(self, timeout: float | None) -> ssl.SSLSocket:
        plain = imaplib.IMAP4._create_socket(self, timeout)  # type: ignore[attr-defined] # noqa: SLF001
        return self.ssl_context.wrap_socket(plain, server_hostname=self._name)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Received:
    """A message in a mailbox, as far as a terminal shows it."""

    sender: str
    to: str
    subject: str
    date: str
    text: str


def compose(sender: str, to: str, *, subject: str, body: str) -> EmailMessage:
    """Return a message with everything that one should have."""
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"] = sender, to, subject
    made["Date"] = email.utils.localtime()
    made["Message-ID"] = email.utils.make_msgid(domain=sender.rpartition("@")[2] or "elsewhere.test")
    made.set_content(body)
    return made


def is_hosted(address: str) -> bool:
    """Return whether an address's domain is below one that the sample hosts."""
    domain = address.rpartition("@")[2].lower()
    return any(domain == apex or domain.endswith(f".{apex}") for apex in sample.APEXES)


def send_in(world: World, message: EmailMessage, *, sender: str, to: str) -> str:
    """Send from outside to smtp-in, under TLS; return its last answer.

    Raises:
        smtplib.SMTPException: it was refused.
    """
    with _Smtp(world.at(Tier.SMTP_IN, 25), name=world.name(Tier.SMTP_IN), helo="mx.world.test") as smtp:
        smtp.starttls(context=world.tls)
        return _hand_over(smtp, message, sender=sender, to=to)


def send_out(world: World, message: EmailMessage, *, sender: str, to: str, user: str, password: str) -> str:
    """Submit as a user to smtp-out; return its last answer.

    Raises:
        smtplib.SMTPException: it was refused.
    """
    with _Smtp(world.at(Tier.SMTP_OUT, 587), name=world.name(Tier.SMTP_OUT), helo="laptop.test") as smtp:
        smtp.starttls(context=world.tls)
        smtp.login(user, password)
        return _hand_over(smtp, message, sender=sender, to=to)


def _hand_over(smtp: smtplib.SMTP, message: EmailMessage, *, sender: str, to: str) -> str:
    smtp.ehlo_or_helo_if_needed()
    for code, said in (smtp.mail(sender), smtp.rcpt(to)):
        if code // 100 != 2:  # noqa: PLR2004 2xx
            raise smtplib.SMTPResponseException(code, said)
    code, said = smtp.data(message.as_bytes())
    if code // 100 != 2:  # noqa: PLR2004 2xx
        raise smtplib.SMTPResponseException(code, said)
    return f"{code} {said.decode(errors='replace')}"


def read(world: World, *, user: str, password: str, last: int) -> list[Received]:
    """Return a user's newest messages, oldest of them first.

    Raises:
        imaplib.IMAP4.error: the user may not log in.
    """
    imap = _Imap(world.at(Tier.IMAP, 993), name=world.name(Tier.IMAP), context=world.tls)
    try:
        imap.login(user, password)
        imap.select("INBOX", readonly=True)
        numbers = imap.search(None, "ALL")[1][0].split()[-last:]
        return [_received(imap.fetch(number.decode(), "(BODY.PEEK[])")[1][0][1]) for number in numbers]  # type: ignore[index,arg-type]
    finally:
        imap.logout()


def _received(data: bytes) -> Received:
    message = BytesParser(policy=email.policy.default).parsebytes(data)
    part = message.get_body(("plain",))
    text = part.get_content() if part is not None else ""
    sender, to, subject, date = (str(message.get(name, "")) for name in ("From", "To", "Subject", "Date"))
    return Received(sender, to, subject, date, text)
