"""Clients of all kinds at the helper's sockets: many, slow, broken and hostile ones."""

import os
import random
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from embedded import sample
from embedded.faults import Fault, FaultProxy
from reconfigure.settings import Tier
from tests.login.conftest import Helper, dovecot_asks, sasl_answer, sasl_request, timed

Start = Callable[..., Helper]


def test_hundred_logins_do_not_wait_for_a_slow_one(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.IMAP, timeout="30", guesses_address="1000", guesses="1000", guesses_user="1000")
    proxy.fail("InitiateAuth", Fault.delayed(25), times=1)
    with ThreadPoolExecutor(101) as clients:
        slow = clients.submit(helper.dovecot, "alice", "slow")
        while proxy.count("InitiateAuth") == 0:
            time.sleep(0.01)
        with timed(15):
            answers = list(clients.map(lambda n: helper.dovecot("bob", f"Guess-{n}"), range(99)))
            assert answers == ["no"] * 99
            assert helper.dovecot("bob", sample.PASSWORD) == "yes"
        assert not slow.done()
        helper.process.kill()  # or it would be waited for


def test_five_connections_of_one_mail_client_ask_cognito_once(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.IMAP)
    proxy.fail("InitiateAuth", Fault.delayed(0.5))
    with ThreadPoolExecutor(5) as clients:
        answers = list(clients.map(lambda _: helper.dovecot("alice", sample.PASSWORD), range(5)))
    assert answers == ["yes"] * 5
    assert proxy.count("InitiateAuth") == 1


def test_wrong_password_that_a_client_repeats_reaches_cognito_once_and_is_one_guess(
    start: Start, proxy: FaultProxy
) -> None:
    helper = start(Tier.IMAP, guesses="2")
    assert [helper.dovecot("alice", "Old-password-1") for _ in range(10)] == ["no"] * 10
    assert proxy.count("InitiateAuth") == 1
    assert helper.dovecot("alice", sample.PASSWORD) == "yes"


def test_guesser_is_put_off_and_the_owner_elsewhere_is_not(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.IMAP)
    answers = [helper.dovecot("alice", f"Guess-{n}", "203.0.113.5") for n in range(10)]
    assert answers[:2] == ["no"] * 2
    assert answers[2:] == ["unavailable"] * 8
    assert proxy.count("InitiateAuth") == 2
    assert helper.dovecot("alice", sample.PASSWORD, "203.0.113.5") == "unavailable", "a right guess is not given away"
    assert helper.dovecot("alice", sample.PASSWORD, "192.0.2.77") == "yes"


def test_more_logins_than_may_wait_are_told_to_come_back(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.IMAP, threads="2", timeout="3", guesses="1000", guesses_user="1000")
    proxy.fail("InitiateAuth", Fault.delayed(10))
    with ThreadPoolExecutor(20) as clients, timed(15):
        answers = list(clients.map(lambda n: helper.dovecot("alice", f"Guess-{n}"), range(20)))
    assert answers == ["unavailable"] * 20
    assert sum(line["reason"] == "busy" for line in helper.logins()) == 16


def test_connection_serves_many_requests_one_after_the_other(start: Start) -> None:
    helper = start(Tier.IMAP)
    with helper.connect("dovecot") as client:
        assert dovecot_asks(client, "alice", sample.PASSWORD) == "yes"
        assert dovecot_asks(client, "alice", "Guess-1") == "no"
        assert dovecot_asks(client, "bob", sample.PASSWORD, "2001:db8::7") == "yes"
    assert [line["address"] for line in helper.logins()] == ["192.0.2.1", "192.0.2.1", "2001:db8::7"]


def test_request_that_comes_byte_by_byte_is_read(start: Start) -> None:
    helper = start(Tier.SMTP_OUT)
    with helper.connect("mux") as client:
        for byte in sasl_request("alice", sample.PASSWORD, "smtp", ""):
            client.sendall(bytes([byte]))
        assert sasl_answer(client) == "OK"


@pytest.mark.parametrize(
    "sent",
    [
        sasl_request("alice", "x" * 1100, "smtp", ""),
        b"\xff\xff" + b"x" * 100_000,
        sasl_request("alice", "a\0b", "smtp", ""),
        b"\x00\x05alice\x00\x02\xff\xfe\x00\x00\x00\x00",
    ],
    ids=["long", "as long as can be", "NUL", "no UTF-8"],
)
def test_malformed_saslauthd_request_is_refused(start: Start, proxy: FaultProxy, sent: bytes) -> None:
    helper = start(Tier.SMTP_OUT)
    with helper.connect("mux") as client:
        try:
            client.sendall(sent)
            assert sasl_answer(client) == "NO"
        except (BrokenPipeError, ConnectionResetError):
            pass  # hung up on while it was still talking
    assert proxy.count("InitiateAuth") == 0
    assert helper.sasl("alice", sample.PASSWORD) == "OK"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /check HTTP/1.1\r\n\r\n",
        b"POST /other HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
        b"POST /check HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",
        b"POST /check HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /check HTTP/1.1\r\n\r\n",
        b"POST /check HTTP/1.1\r\nContent-Length: 14\r\n\r\nusername=alice",
        b"POST /check HTTP/1.1\r\nContent-Length: 40\r\n\r\nusername=alice&password=a&password=bbbbbb",
        b"POST /check HTTP/1.1\r\nX: " + b"x" * 10_000 + b"\r\n\r\n",
        b"\r\n\r\n\r\n",
    ],
)
def test_malformed_http_request_is_refused(start: Start, proxy: FaultProxy, sent: bytes) -> None:
    helper = start(Tier.IMAP)
    with helper.connect("dovecot") as client:
        client.sendall(sent)
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert proxy.count("InitiateAuth") == 0
    assert helper.dovecot("alice", sample.PASSWORD) == "yes"


@pytest.mark.parametrize("name", ["mux", "gate"])
def test_garbage_and_silence_do_no_harm(start: Start, name: str) -> None:
    helper = start(Tier.SMTP_OUT)
    chance = random.Random(1)  # noqa: S311 - no secret
    silent = [helper.connect(name) for _ in range(50)]
    for _ in range(50):
        with helper.connect(name) as client:
            try:
                client.sendall(chance.randbytes(chance.randrange(1, 3000)))
                client.shutdown(socket.SHUT_WR)
                client.recv(100)
            except (BrokenPipeError, ConnectionResetError):
                pass
    with timed(5):
        assert helper.sasl("alice", sample.PASSWORD) == "OK"
        assert helper.greeted() == b"c"
    assert len(silent) == 50


def test_client_that_says_nothing_is_hung_up_on(start: Start) -> None:
    helper = start(Tier.SMTP_OUT)
    with helper.connect("mux") as client, timed(15):
        client.sendall(b"\x00\x05al")
        assert sasl_answer(client) == "NO"


def test_sigterm_ends_it_within_a_second_whatever_is_under_way(start: Start, proxy: FaultProxy) -> None:
    helper = start(Tier.SMTP_OUT, timeout="30")
    proxy.fail("InitiateAuth", Fault.delayed(25))
    clients = [helper.connect("mux") for _ in range(5)]
    for client in clients:
        client.sendall(sasl_request("alice", "slow", "smtp", ""))
    helper.connect("gate")
    while proxy.count("InitiateAuth") == 0:
        time.sleep(0.01)
    assert helper.stop() < 1


def test_killed_helper_is_replaced_on_the_same_sockets(start: Start) -> None:
    helper = start(Tier.IMAP)
    before = os.stat(helper.sockets / "dovecot").st_ino  # noqa: PTH116
    helper.process.kill()
    helper.process.wait()
    again = start(Tier.IMAP, dir=str(helper.sockets))
    again.sockets = helper.sockets
    assert again.dovecot("alice", sample.PASSWORD) == "yes"
    assert before


def test_sockets_are_closed_to_others(start: Start) -> None:
    helper = start(Tier.SMTP_OUT)
    for name in ("mux", "gate"):
        found = (helper.sockets / name).stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o660


def test_tier_without_logins_refuses_to_run_the_helper() -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "TIER": "smtp-in",
        "CERT_DOMAIN": "mail.example.com",
        "AWS_REGION": "us-east-1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "reconfigure", "login"], env=environ, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 78
    assert b"nobody logs in on smtp-in" in done.stderr


def test_memory_stays_small_after_a_thousand_guesses(start: Start) -> None:
    helper = start(Tier.IMAP, guesses="100000", guesses_address="100000", guesses_user="100000")
    with helper.connect("dovecot") as client:
        for number in range(100):
            dovecot_asks(client, "alice", f"Guess-{number}")
        before = resident(helper.process.pid)
        for number in range(1000):
            dovecot_asks(client, f"nobody{number}", f"Guess-{number}")
    assert resident(helper.process.pid) - before < 3
    assert before < 60


def resident(pid: int) -> float:
    """Return a process's resident memory in MB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
