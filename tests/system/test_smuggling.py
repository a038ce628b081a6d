"""A second message hidden behind what one server takes for the end of the first: none of these ends is taken so."""

import smtplib
from collections.abc import Mapping
from contextlib import suppress

import pytest

from reconfigure.settings import Tier
from tests.system import dialogue
from tests.system.letters import STRANGER, Letter, new_ident
from tests.system.mail import Mail

TRUE_END = b"\r\n.\r\n"
SMUGGLED = {
    "LF . LF": b"\n.\n",
    "LF . CRLF": b"\n.\r\n",
    "CRLF . LF": b"\r\n.\n",
    "CR . CR": b"\r.\r",
    "CR . CRLF": b"\r.\r\n",
    "CRLF . CR": b"\r\n.\r",
    "CR . LF": b"\r.\n",
    "LF . CR": b"\n.\r",
    "CRLF NUL . CRLF": b"\r\n\0.\r\n",
    "CRLF . NUL CRLF": b"\r\n.\0\r\n",
    "CRCRLF . CRLF": b"\r\r\n.\r\n",
    "CRLF . CRCRLF": b"\r\n.\r\r\n",
}


@pytest.fixture(scope="module")
def smuggled(mail: Mail) -> Mapping[str, bool]:
    """Whether the message behind each false end is in a mailbox, when a good letter behind them all has arrived."""
    sent = {}
    for name, end in {**SMUGGLED, "CRLF . CRLF": TRUE_END}.items():
        outer, inner = new_ident("outer"), new_ident("inner")
        with suppress(OSError):
            _smuggle(mail, end, outer=outer, inner=inner)
        sent[name] = inner
    last = Letter.to("bob@example.com")
    assert mail.arrive(last).good
    mail.delivered(last, "bob")
    there = {*mail.inbox("bob"), *mail.inbox("alice")}
    return {name: inner in there for name, inner in sent.items()}


def _smuggle(mail: Mail, end: bytes, *, outer: str, inner: str) -> None:
    with dialogue.session(mail.doors[Tier.SMTP_IN]) as talk:
        assert talk.mail(STRANGER).good
        assert talk.rcpt("alice@example.com").good
        assert talk.step("data", "DATA").good
        letter = Letter(recipients=["bob@example.com"], ident=inner)
        second = b"MAIL FROM:<ceo@example.com>\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n"
        first = Letter(recipients=["alice@example.com"], ident=outer).text.rstrip(b"\r\n")
        with suppress(smtplib.SMTPException):
            if end == TRUE_END:  # after this one, and only this one, there is an answer to wait for
                talk.smtp.send(first + end)
                assert talk.smtp.getreply()[0] == 250
                first = end = b""
            talk.smtp.send(first + end + second)
            talk.smtp.send(letter.text + TRUE_END)
            talk.smtp.getreply()


@pytest.mark.parametrize("name", list(SMUGGLED))
def test_message_behind_a_false_end_is_not_a_message(smuggled: Mapping[str, bool], name: str) -> None:
    assert not smuggled[name]


def test_message_behind_a_true_end_is_one(smuggled: Mapping[str, bool]) -> None:
    assert smuggled["CRLF . CRLF"], "the way in which the false ends are tried does not work"
