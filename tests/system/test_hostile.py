"""What an attacker may try on running daemons: hostile rows, smuggled messages, nonsense, too much of everything.

Nothing of it opens a relay, names a program, adds a recipient, or ends a process.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress

import pytest

from embedded import sample
from embedded.sample import SampleAddress
from reconfigure.settings import Tier
from stack.world import World
from tests.system import dialogue
from tests.system.letters import STRANGER, Letter, new_ident
from tests.system.mail import Mail
from tests.system.patience import until, until_running

HOSTILE = (
    SampleAddress("@world.test", "alice"),
    SampleAddress("*@world.test", "alice"),
    SampleAddress("a@example.com\tRELAY\nto:b@world.test", "alice"),
    SampleAddress("a@example.com\nhosted:world.test", "alice"),
    SampleAddress("|/bin/sh@example.com", "alice"),
    SampleAddress("bob+news@example.com", "alice"),
    SampleAddress("BOB@EXAMPLE.COM", "alice"),
    SampleAddress("pipe@example.com", "|/bin/sh"),
    SampleAddress("file@example.com", "/tmp/file"),
    SampleAddress("list@example.com", ":include:/etc/passwd"),
    SampleAddress("away@example.com", "someone@world.test"),
    SampleAddress("root@example.com", "root"),
    SampleAddress("lines@example.com", "carol\nroot: |/bin/sh"),
    SampleAddress("commas@example.com", "carol, dave"),
)
TRUE_END = b"\r\n.\r\n"


@pytest.fixture(scope="module", autouse=True)
def _nothing_ends(world: World) -> Iterator[None]:
    # The loop is started last of all, when mail is flowing already.
    for tier in Tier:
        until_running(world, tier, "reconfigure")
    before = _pids(world)
    yield
    assert _pids(world) == before


def _pids(world: World) -> Mapping[str, int | None]:
    return {f"{tier} {name}": each.pid for tier in Tier for name, each in world.programs(tier).items()}


@pytest.fixture(scope="module")
def rows(world: World, mail: Mail) -> Iterator[None]:
    """The hostile rows, and one good one behind them that shows when they have been read."""
    for each in HOSTILE:
        # An empty part is absent, as a key of DynamoDB may not be empty and the parts are optional.
        world.admin.put({name: value for name, value in sample.row(each).items() if value != {"S": ""}})
    world.admin.create("behind@example.com", "carol", quietly=True)
    world.admin.tell(event="resync")  # a change that names an address would read that row alone
    for tier in Tier:
        mail.says(tier, "behind@example.com", "250")
    yield
    for each in HOSTILE:
        world.admin.revoke(each.name, quietly=True)
    world.admin.revoke("behind@example.com")


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("tier", [Tier.SMTP_IN, Tier.IMAP])
@pytest.mark.parametrize(
    "recipient", ["anyone@world.test", "b@world.test", "someone@world.test", "alice%world.test@elsewhere.test"]
)
def test_hostile_row_opens_no_relay(mail: Mail, tier: Tier, recipient: str) -> None:
    assert mail.ask(tier, recipient).verdict == "550 5.7.1"


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", ["pipe", "file", "list", "away", "root", "lines", "commas"])
def test_program_file_list_or_second_address_as_a_user_gets_no_mail(mail: Mail, name: str) -> None:
    assert mail.ask(Tier.SMTP_IN, f"{name}@example.com").verdict == "450 4.2.1"
    assert mail.ask(Tier.IMAP, f"{name}@example.com").verdict == "451 4.2.1"


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("tier", list(Tier))
def test_nothing_of_a_hostile_row_is_in_a_map(world: World, tier: Tier) -> None:
    folder = "/var/lib/reconfigure/current/mail"
    names = world.exec(tier, "ls", folder).split()
    maps = [world.exec(tier, "cat", f"{folder}/{name}") for name in names if not name.endswith((".db", ".tmp"))]

    text = "\n".join(maps)

    assert "to:alice@example.com" in text
    for part in ("world.test", "/bin/sh", "|", "include", "passwd", "bob+news", "BOB"):
        assert part not in text, part
    assert json.loads(world.exec(tier, "cat", "/var/lib/reconfigure/current/manifest.json"))["quarantine"]


@pytest.mark.usefixtures("rows")
def test_row_does_not_take_the_mail_of_another(mail: Mail) -> None:
    tagged, upper = Letter.to("bob+news@example.com"), Letter.to("BOB@EXAMPLE.COM")

    assert mail.arrive(tagged).good
    assert mail.arrive(upper).good

    for letter in (tagged, upper):
        mail.delivered(letter, "bob")
    assert not {tagged.ident, upper.ident} & set(mail.inbox("alice"))


@pytest.mark.parametrize(
    "recipient",
    [
        "someone%world.test@example.com",
        "@example.com:someone@world.test",
        '"someone@world.test"@example.com',
        "world.test!someone",
        "someone@world.test@example.com",
        "|/bin/sh",
        '"|/bin/sh"@example.com',
        "/etc/passwd",
        ":include:/etc/passwd",
        "root",
        "alice",
        "alice@localhost",
        "alice@[127.0.0.1]",
    ],
)
@pytest.mark.parametrize("tier", [Tier.SMTP_IN, Tier.IMAP])
def test_no_way_of_writing_an_address_is_a_way_around(mail: Mail, tier: Tier, recipient: str) -> None:
    said = mail.ask(tier, recipient)

    assert said.code // 100 in {4, 5}, said


def test_whoever_speaks_before_the_greeting_is_sent_away(mail: Mail) -> None:
    with socket.create_connection((mail.doors[Tier.SMTP_IN].host, 25), timeout=30) as line:
        line.sendall(b"EHLO eager.elsewhere.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<alice@example.com>\r\n")

        assert _heard(line).startswith(b"554")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\0\0\0\0\r\n",
        bytes(range(256)) * 20 + b"\r\n",
        b"X" * 200_000 + b"\r\n",
        b"MAIL FROM:<" + b"a" * 100_000 + b"@elsewhere.test>\r\n",
        b"MAIL FROM:<" + b"@a," * 5_000 + b":b@elsewhere.test>\r\n",
        b"RCPT TO:<alice@example.com>\r\n" * 500,
        b"NOOP\r\n" * 500,
        b"EHLO x\r\n" * 200,
        b"AUTH PLAIN AGFsaWNlAHg=\r\nETRN example.com\r\nVRFY alice\r\nEXPN team\r\nDEBUG\r\nWIZ\r\nVERB\r\n",
        b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
    ],
    ids=["nul", "bytes", "line", "sender", "route", "rcpt", "noop", "ehlo", "verbs", "http"],
)
@pytest.mark.parametrize("tier", list(Tier))
def test_nonsense_is_refused_and_mail_goes_on(mail: Mail, tier: Tier, nonsense: bytes) -> None:
    door = mail.doors[tier]
    with socket.create_connection((door.host, door.port), timeout=30) as line:
        assert _line(line).startswith(b"220")
        heard = b""
        with suppress(OSError):
            line.sendall(b"EHLO client.elsewhere.test\r\n" + nonsense)
            line.shutdown(socket.SHUT_WR)
            heard = _heard(line)
    answers = [each for each in heard.splitlines() if each[3:4] == b" "][1:]

    good = [each for each in answers if each.startswith((b"235", b"354")) or b"ecipient ok" in each]
    assert not good, good
    assert mail.ask(tier, "alice@example.com").good


@pytest.mark.parametrize("verb", ["VRFY alice@example.com", "EXPN team@acme.example.com", "ETRN example.com"])
@pytest.mark.parametrize("tier", list(Tier))
def test_nobody_is_told_who_is_here(mail: Mail, tier: Tier, verb: str) -> None:
    with dialogue.session(mail.doors[tier]) as talk:
        said = talk.step("connect", verb)

    assert said.code in {252, 500, 502, 530, 550, 458, 459}, said
    assert "alice" not in said.text.replace("alice@example.com", "")


def test_message_that_is_too_large_is_refused_before_it_is_sent(mail: Mail) -> None:
    with dialogue.session(mail.doors[Tier.SMTP_IN]) as talk:
        assert talk.mail(STRANGER, "SIZE=999999999").code == 552


def test_header_without_end_is_refused(mail: Mail) -> None:
    letter = Letter(recipients=["alice@example.com"], headers=[f"X-{number}: {'x' * 900}" for number in range(300)])

    said = mail.arrive(letter)

    assert said.code // 100 == 5, said


def test_body_line_of_a_million_characters_does_no_harm(mail: Mail) -> None:
    letter = Letter(recipients=["alice@example.com"], ident=new_ident("line"), body="x" * 1_000_000)

    if mail.arrive(letter).good:
        mail.delivered(letter, "alice")


def test_recipients_beyond_the_limit_are_asked_to_come_again(mail: Mail) -> None:
    with dialogue.session(mail.doors[Tier.SMTP_IN]) as talk:
        assert talk.mail(STRANGER).good
        codes = [talk.rcpt(f"bob+{number}@example.com").code for number in range(103)]

        assert codes == [250] * 100 + [452] * 3
        letter = Letter.to("bob@example.com")
        assert talk.data(letter.text).good
    mail.delivered(letter, "bob")


def test_thousand_recipients_at_once_keep_nobody_else_waiting(mail: Mail) -> None:
    with dialogue.session(mail.doors[Tier.SMTP_IN]) as talk:
        assert talk.mail(STRANGER).good
        talk.smtp.send("".join(f"RCPT TO:<bob+{number}@example.com>\r\n" for number in range(1000)))
        letter = Letter.to("alice@example.com")

        assert mail.arrive(letter).good

        mail.delivered(letter, "alice")
        talk.smtp.close()  # each one beyond the limit is answered a second later: nobody waits for that


def test_slow_clients_keep_nobody_else_waiting(mail: Mail) -> None:
    door = mail.doors[Tier.SMTP_IN]
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection((door.host, 25), timeout=30)) for _ in range(30)]
        for line in lines:
            assert _line(line).startswith(b"220")
            line.sendall(b"EHL")
        letter = Letter.to("alice@example.com")

        assert mail.arrive(letter).good
        mail.delivered(letter, "alice")

        for line in lines:
            line.sendall(b"O slow.elsewhere.test\r\n")
            assert _line(line).startswith(b"250")
    until(lambda: mail.ask(Tier.SMTP_IN, "alice@example.com").good, "smtp-in answers")


def _line(line: socket.socket) -> bytes:
    """Return one line, or what there was of it."""
    heard = b""
    while not heard.endswith(b"\n") and (byte := line.recv(1)):
        heard += byte
    return heard


def _heard(line: socket.socket) -> bytes:
    """Return all that is said until the other side has done."""
    heard = b""
    with suppress(OSError):
        while part := line.recv(65536):
            heard += part
    return heard
