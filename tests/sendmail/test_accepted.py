"""What smtp-in takes from strangers the delivery tier takes too: nothing returns to a sender who may be forged.

Both are real listeners. The relay's own hop is added here, as the way between the two wants TLS.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sendmail.configured import NO_PAUSE, SETTINGS, configure
from tests.sendmail.listening import Listener, listening

HOSTED = "<shop@acme.example.com>"
HOP = "Received: from a.example by b.example with ESMTP; Mon, 23 Nov 2026 08:00:00 +0000"
ADDED = [HOP, "Authentication-Results: smtp-in.control.example; " + "x" * 1000]

SENDERS = {
    "<someone@elsewhere.example>": True,
    "<some.one+tag=x@else_where.example>": True,
    "<SRS0=a/b=c=elsewhere.example=some!one@forwarder.example>": True,
    '<"some one"@elsewhere.example>': True,
    '<"some:one;<x@y>,"@elsewhere.example>': True,
    "<someone@[192.0.2.1]>": True,
    "<someone@[IPv6:2001:db8::1]>": True,
    "<>": True,
    "<some\\one@elsewhere.example>": False,
    '<"some\\one"@elsewhere.example>': False,
    '<some"one"@elsewhere.example>': False,
    "<some\x01one@elsewhere.example>": False,
    '<"some\x01one"@elsewhere.example>': False,
    '<"some\tone"@elsewhere.example>': False,
    "<some\x7fone@elsewhere.example>": False,
    "<some\xe9one@elsewhere.example>": False,
    "<someone@else\x01where.example>": False,
    "<someone@else\\where.example>": False,
    "<x:;>": False,
}


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    tier = configure("smtp-in", tmp_path_factory.mktemp("relay"), connection_rate="100000")
    with listening(tier) as listener:
        yield listener


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    with listening(configure("imap", tmp_path_factory.mktemp("delivery"))) as listener:
        yield listener


def sent(listener: Listener, fields: list[str], *, body: str = "Hello.", sender: str = "<>") -> str:
    """Return the answer to a message, or to what came before it and was refused."""
    with listener.talk() as talk:
        for line in (f"MAIL FROM:{sender}", f"RCPT TO:{HOSTED}"):
            if not (said := talk.say(line)).startswith("250 "):
                return said
        assert talk.say("DATA").startswith("354 ")
        return talk.say("\r\n".join([*fields, "Subject: hello", "", body, "."]))


def filled(size: int) -> list[str]:
    """Return fields of so many bytes."""
    return [f"X-Filler: {'x' * 988}"] * (size // 1000)


def test_a_message_of_as_many_hops_as_the_relay_takes_is_delivered(relay: Listener, delivery: Listener) -> None:
    answers = {count: sent(relay, [HOP] * count) for count in range(95, 106)}
    taken = [count for count, answer in answers.items() if answer.startswith("250 ")]
    assert taken == list(range(95, 101))
    assert {answers[count][:9] for count in answers if count > 100} == {"554 5.4.6"}
    assert sent(delivery, [*ADDED, *[HOP] * max(taken)]).startswith("250 ")


def test_headers_as_large_as_the_relay_takes_are_delivered(relay: Listener, delivery: Listener) -> None:
    taken = [size for size in range(60_000, 70_000, 1000) if sent(relay, filled(size)).startswith("250 ")]
    assert max(taken) < 69_000, "the relay sets no limit"
    assert sent(delivery, [*ADDED, *filled(max(taken))]).startswith("250 ")


def test_a_message_as_large_as_the_relay_takes_is_delivered(relay: Listener, delivery: Listener) -> None:
    limit = SETTINGS["message_bytes"]
    assert isinstance(limit, int)
    line = "x" * 98  # a byte more in the queue, where a line ends with one character
    body = "\r\n".join([line] * (limit // 99 - 2))
    assert sent(relay, [], body=body).startswith("250 ")
    assert sent(relay, ADDED, body=body).startswith("552 ")
    assert sent(delivery, ADDED, body=body).startswith("250 ")


@pytest.mark.parametrize(("sender", "good"), SENDERS.items())
def test_a_sender_that_other_servers_cannot_read_is_refused_in_the_session(
    relay: Listener, sender: str, *, good: bool
) -> None:
    with relay.talk() as talk:
        said = talk.say(f"MAIL FROM:{sender}")
    # Whether a domain is there is asked of DNS, which tests do not have: that is another matter, and not for good.
    if good:
        assert said.startswith(("250 ", "451 4.1.8", "553 5.1.8")), said
    else:
        assert said.startswith(("553 5.1.7", "553 5.1.3", "501 5.1.7")), said


def test_each_refused_recipient_costs_a_pause_however_few_of_them_a_message_has(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    messages, each = 6, 3
    tier = configure("smtp-in", tmp_path_factory.mktemp("guesses"))
    # Run by an account without rights, as sendmail runs every program of a map.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        pauses, pause = Path(folder, "pauses"), Path(folder, "pause")
        pause.write_text(f'#!/bin/sh\necho "$@" >>{pauses}\n')
        pause.chmod(0o755)
        text = (tier.folder / "sendmail.cf").read_text()
        assert NO_PAUSE in text
        (tier.folder / "sendmail.cf").write_text(text.replace(NO_PAUSE, f"\nKpause program {pause}\n"))
        with listening(tier) as listener, listener.talk() as talk:
            for _ in range(messages):
                assert talk.say("MAIL FROM:<>").startswith("250 ")
                for guess in range(each):
                    assert talk.say(f"RCPT TO:<guess{guess}@acme.example.com>").startswith("550 5.1.1")
                assert talk.say(f"RCPT TO:{HOSTED}").startswith("250 ")
                assert talk.say("RSET").startswith("250 ")
        assert pauses.read_text().split() == ["1"] * messages * each
