import smtplib
from collections.abc import Iterator, Mapping

import pytest

from stack.sink import Sink
from tests.stack.processes import LOOPBACK, free_ports, service

MESSAGE = b"Subject: x\r\n\r\n.dots\r\n..and more\r\n\xc3\xa4\r\n"


@pytest.fixture(scope="module")
def ports(made: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    smtp, http = free_ports(2)
    told = ("--smtp", f"{LOOPBACK}:{smtp}", "--http", f"{LOOPBACK}:{http}")
    environ = {"TLS_CERT": made["SINK_TLS_CERT"], "TLS_KEY": made["SINK_TLS_KEY"]}
    with service("stack.lab.sink", *told, environ=environ):
        yield smtp, http


@pytest.fixture
def sink(ports: tuple[int, int]) -> Sink:
    sink = Sink(f"http://{LOOPBACK}:{ports[1]}")
    sink.clear()
    sink.behave("accept")
    sink.offer_tls(True)
    return sink


@pytest.fixture
def smtp(ports: tuple[int, int]) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP(LOOPBACK, ports[0], local_hostname="client.test", timeout=20) as smtp:
        yield smtp


def test_it_keeps_envelope_and_every_byte(sink: Sink, smtp: smtplib.SMTP) -> None:
    smtp.sendmail("a@example.com", ["b@world.test", "C@elsewhere.test"], MESSAGE)
    (kept,) = sink.messages()
    assert (kept.sender, kept.recipients) == ("a@example.com", ("b@world.test", "C@elsewhere.test"))
    assert (kept.data, kept.helo, kept.tls) == (MESSAGE, "client.test", None)


def test_numbers_go_on_after_it_was_cleared(sink: Sink, smtp: smtplib.SMTP) -> None:
    smtp.sendmail("a@example.com", ["b@world.test"], MESSAGE)
    first = sink.messages()[0].number
    sink.clear()
    assert (sink.messages(), sink.count()) == ([], 0)
    smtp.sendmail("a@example.com", ["b@world.test"], MESSAGE)
    assert [each.number for each in sink.messages(since=first)] == [first + 1]


@pytest.mark.parametrize(("behaviour", "code"), [("tempfail", 450), ("refuse", 550)])
def test_one_recipient_is_refused_as_told_and_others_are_not(
    sink: Sink, smtp: smtplib.SMTP, behaviour: str, code: int
) -> None:
    sink.behave(behaviour, "b@world.test")
    refused = smtp.sendmail("a@example.com", ["B@world.test", "c@world.test"], MESSAGE)
    assert {name: reply[0] for name, reply in refused.items()} == {"B@world.test": code}
    assert [each.recipients for each in sink.messages()] == [("c@world.test",)]


def test_a_message_is_refused_after_its_last_byte_as_told(sink: Sink, smtp: smtplib.SMTP) -> None:
    sink.behave("data-tempfail")
    with pytest.raises(smtplib.SMTPDataError, match="451"):
        smtp.sendmail("a@example.com", ["b@world.test"], MESSAGE)
    assert sink.count() == 0


def test_a_connection_is_dropped_as_told(sink: Sink, smtp: smtplib.SMTP) -> None:
    sink.behave("close")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.sendmail("a@example.com", ["b@world.test"], MESSAGE)
    assert sink.count() == 0


def test_a_behaviour_that_it_does_not_know_is_refused(sink: Sink) -> None:
    with pytest.raises(RuntimeError, match="explode"):
        sink.behave("explode")


def test_tls_is_offered_and_noted_and_can_be_withdrawn(
    sink: Sink, smtp: smtplib.SMTP, ports: tuple[int, int], made: Mapping[str, str]
) -> None:
    context = smtplib.ssl.create_default_context(cadata=made["TLS_CA_BUNDLE"])  # type: ignore[attr-defined]
    smtp._host = "mx.world.test"  # type: ignore[attr-defined]
    smtp.starttls(context=context)
    smtp.sendmail("a@example.com", ["b@world.test"], MESSAGE)
    assert (sink.messages()[0].tls or "").startswith("TLSv1")
    sink.offer_tls(False)
    with smtplib.SMTP(LOOPBACK, ports[0], timeout=20) as another:
        another.ehlo()
        assert not another.has_extn("starttls")
