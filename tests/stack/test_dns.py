from collections.abc import Iterator, Mapping

import dkim
import dns.message
import dns.query
import pytest
from dns.rcode import NXDOMAIN, SERVFAIL

from stack.dns import NameService
from tests.stack.processes import LOOPBACK, free_ports, service


@pytest.fixture(scope="module")
def port(made: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    port, control = free_ports(2)
    told = ("--port", str(port), "--http", str(control), "--cert-domain", "mail.example.com")
    with service("stack.lab.dns", *told, environ=made):
        yield port, control


@pytest.fixture
def names(port: tuple[int, int]) -> NameService:
    return NameService(LOOPBACK, port[0], f"http://{LOOPBACK}:{port[1]}")


def test_a_signature_with_the_worlds_key_is_valid_by_its_name_service(
    made: Mapping[str, str], names: NameService
) -> None:
    message = b"From: shop@acme.example.com\r\nSubject: x\r\n\r\nHello\r\n"
    header = dkim.sign(message, b"cabal", b"acme.example.com", made["DKIM_PRIVATE_KEY"].encode())
    assert dkim.verify(header + message, dnsfunc=lambda name, timeout=5: names.txt(name))  # noqa: ARG005 dkimpy's own
    assert not dkim.verify(header + message + b"!", dnsfunc=lambda name, timeout=5: names.txt(name))  # noqa: ARG005


def test_it_answers_over_udp_and_tcp_to_an_ordinary_client(port: tuple[int, int]) -> None:
    question = dns.message.make_query("acme.example.com", "MX")
    for ask in (dns.query.udp, dns.query.tcp):
        answer = ask(question, LOOPBACK, port=port[0], timeout=5)
        assert [str(each) for each in answer.answer[0]] == ["10 smtp-in.mail.example.com."]


def test_a_failure_is_seen_as_such_until_it_is_forgotten(port: tuple[int, int], names: NameService) -> None:
    question = dns.message.make_query("elsewhere.test", "MX")
    names.set("elsewhere.test", "*", failure="SERVFAIL")
    assert dns.query.udp(question, LOOPBACK, port=port[0], timeout=5).rcode() == SERVFAIL
    names.forget()
    assert names.mx("elsewhere.test") == ["10 mx.world.test."]


def test_what_does_not_exist_is_said_not_to(port: tuple[int, int], names: NameService) -> None:
    question = dns.message.make_query("nowhere.test", "A")
    assert dns.query.udp(question, LOOPBACK, port=port[0], timeout=5).rcode() == NXDOMAIN
    assert names.query("nowhere.test", "A") == []
