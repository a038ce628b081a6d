"""What a signature holds: the shipped sendmail and opendkim sign, the internet is a sink, dkimpy is the receiver."""

import re
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from stack.sink import Sink
from tests.milter.conftest import Filter, safe, start
from tests.sendmail.configured import configure
from tests.sendmail.listening import listening
from tests.smtp_out.conftest import Signer
from tests.stack.processes import LOOPBACK, free_ports, service
from tests.system.signatures import signatures

__all__ = ["safe", "start"]  # fixtures

Leave = Callable[[str], bytes]
HEADER = {
    "From": "Shop <shop@acme.example.com>",
    "To": "Someone <someone@world.example>",
    "Subject": "hello",
    "Date": "Mon, 23 Nov 2026 08:00:00 +0000",
    "Message-ID": "<1@acme.example.com>",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Transfer-Encoding": "8bit",
}
ONCE = ["From", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]


def text(fields: dict[str, str]) -> str:
    return "\r\n".join([*(f"{name}: {value}" for name, value in fields.items()), "", "Hello."])


@pytest.fixture
def leave(signer: Signer, start: Callable[..., Filter], safe: Path, tmp_path: Path) -> Iterator[Leave]:
    """Submit a message as alice and return it as it has left."""
    smtp, http = free_ports(2)
    folder = tmp_path / "tier"
    folder.mkdir()
    start()
    tier = configure("smtp-out", folder, filters={"complete": safe / "complete", "opendkim": signer.socket})
    user = {"auth_authen": "alice", "auth_type": "PLAIN"}
    sink = Sink(f"http://{LOOPBACK}:{http}")
    with (
        service("stack.lab.sink", "--smtp", f"{LOOPBACK}:{smtp}", "--http", f"{LOOPBACK}:{http}", environ={}),
        listening(tier, macros=user, internet=smtp, milters=True) as listener,
    ):

        def leave(message: str) -> bytes:
            sink.clear()
            with listener.talk() as talk:
                assert talk.say("MAIL FROM:<shop@acme.example.com>").startswith("250 ")
                assert talk.say("RCPT TO:<someone@world.example>").startswith("250 ")
                assert talk.say("DATA").startswith("354 ")
                assert (said := talk.say(f"{message}\r\n.")).startswith("250 "), said
            assert listener.work_off() == []
            [left] = sink.messages()
            return left.data

        yield leave


def holds(message: bytes, signer: Signer) -> bool:
    [found] = signatures(message, txt=lambda _: signer.record)
    return found.valid


def test_a_second_field_or_a_first_where_none_was_ends_the_signature(signer: Signer, leave: Leave) -> None:
    for missing in (None, *ONCE[1:]):
        left = leave(text({name: value for name, value in HEADER.items() if name != missing}))
        assert holds(left, signer), missing
        for name in ONCE:
            for added in (name, name.lower()):
                assert not holds(f"{added}: another\r\n".encode() + left, signer), (missing, name)


@pytest.mark.parametrize("name", [name for name in HEADER if name != "To"])
def test_a_field_that_is_changed_or_taken_away_ends_the_signature(signer: Signer, leave: Leave, name: str) -> None:
    left = leave(text(HEADER))
    field = f"{name}: {HEADER[name]}\r\n".encode()
    assert holds(left, signer)
    assert field in left
    assert not holds(left.replace(field, b""), signer)
    assert not holds(left.replace(field, f"{name}: another\r\n".encode()), signer)


@pytest.mark.parametrize("missing", ["Date", "Message-ID", "Subject", "To"])
def test_what_a_client_left_out_is_added_before_it_is_signed(signer: Signer, leave: Leave, missing: str) -> None:
    for header in ({name: value for name, value in HEADER.items() if name != missing}, {"From": HEADER["From"]}):
        left = leave(text(header))
        assert holds(left, signer)
        [date], [identifier] = (message_from_bytes(left).get_all(name, []) for name in ("Date", "Message-ID"))
        assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 3600 or date == header.get("Date")
        assert re.fullmatch(r"<\w+@smtp-out\.control\.example>", identifier) or identifier == header.get("Message-ID")


@pytest.mark.parametrize("name", ["Date", "Message-ID", "Subject", "MIME-Version", "Content-Type"])
def test_a_field_without_a_value_leaves_with_a_signature_that_holds(signer: Signer, leave: Leave, name: str) -> None:
    for value in ("", " ", "\r\n "):
        assert holds(leave(text(HEADER | {name: value})), signer), value
