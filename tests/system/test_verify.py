"""The verifiers of smtp-in, where they are asked for: what they found is in a header, and nothing is refused for it."""

import base64
import dataclasses
from collections.abc import Iterator

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from reconfigure.settings import Tier
from stack.world import World
from tests.system import dialogue, mailbox
from tests.system.letters import Letter
from tests.system.mail import PASSWORD, Mail
from tests.system.tiers import Beside, beside

OURS = "Authentication-Results: mail.example.com; "
FORGED = [
    f"{OURS}dmarc=pass header.from=forged.test",
    "authentication-RESULTS : smtp-in.mail.example.com (forged.test) 1;\r\n\tdkim=pass header.d=forged.test",
    "ARC-Authentication-Results: i=1; mail.example.com; dmarc=pass header.from=forged.test",
    "Received-SPF: pass (mail.example.com: domain of forged.test designates 192.0.2.1 as permitted sender)",
    *(f"{OURS}dkim=pass header.d=forged.test; x={number}" for number in range(60)),
    "\r\n ".join([f"{OURS}dmarc=pass header.from=forged.test", *("x" * 900 for _ in range(50))]),
]


@pytest.fixture(scope="module")
def verifier(world: World) -> Iterator[Beside]:
    """A relay that verifies."""
    with beside(world, Tier.SMTP_IN, environment={"RECONFIGURE_VERIFY_HEADERS": "yes"}) as container:
        assert container.ready(60), container.logs()[-2000:]
        yield container


def _header(mail: Mail, verifier: Beside | None, letter: Letter, text: bytes) -> str:
    """Bring a message to the verifier, or to the relay that the world has, and return its header as it arrived."""
    door = mail.doors[Tier.SMTP_IN]
    if verifier is not None:
        door = dataclasses.replace(door, host=verifier.host)
    with dialogue.session(door) as talk:
        assert talk.mail(letter.sender).good
        assert talk.rcpt("alice@example.com").good
        assert talk.data(text).good
    return _arrived(mail, letter)


def _arrived(mail: Mail, letter: Letter) -> str:
    mail.delivered(letter, "alice")
    with mailbox.reading(mail.box, "alice", PASSWORD) as client:
        arrived = mailbox.text_of(client, letter.ident)
    assert arrived is not None
    return arrived.split(b"\r\n\r\n")[0].decode().replace("\r\n\t", " ").replace("\r\n ", " ")


def _results(mail: Mail, verifier: Beside, letter: Letter, text: bytes) -> str:
    """Bring a message to the verifier and return the lines of the header that say what was found."""
    lines = _header(mail, verifier, letter, text).splitlines()
    return "\n".join(line for line in lines if line.startswith("Authentication-Results:"))


@pytest.fixture(scope="module")
def key(world: World) -> Iterator[bytes]:
    """The private key of a signer in the world, who publishes it."""
    made = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 it guards nothing
    public = base64.b64encode(made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    world.dns.set("small._domainkey.example.org", "TXT", f"v=DKIM1; k=rsa; p={public.decode()}")
    yield made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    world.dns.forget()


def _signed(key: bytes, text: bytes) -> bytes:
    return bytes(dkim.sign(text, b"small", b"example.org", key, include_headers=[b"from", b"subject"])) + text


def test_good_signature_is_named_and_a_broken_one_too(mail: Mail, verifier: Beside, key: bytes) -> None:
    good, broken = (Letter.to("alice@example.com", sender="someone@example.org") for _ in range(2))

    said = _results(mail, verifier, good, _signed(key, good.text))
    other = _results(mail, verifier, broken, _signed(key, broken.text) + b"More.\r\n")

    assert f"{OURS}dkim=pass" in said
    assert f"{OURS}dmarc=" in said
    assert "dkim=pass" not in other
    assert "dkim=fail" in other


@pytest.mark.parametrize("verifying", [True, False])
def test_no_verdict_comes_in_from_outside(mail: Mail, verifier: Beside, *, verifying: bool) -> None:
    letter = dataclasses.replace(Letter.to("alice@example.com"), headers=FORGED)

    header = _header(mail, verifier if verifying else None, letter, letter.text)

    assert "forged.test" not in header
    assert ("Authentication-Results:" in header) is verifying


def test_no_verdict_comes_from_a_user_either(mail: Mail) -> None:
    letter = dataclasses.replace(Letter.to("alice@example.com", sender="alice@example.com"), headers=FORGED)
    assert mail.submit(letter, user="alice").good

    header = _arrived(mail, letter)

    assert "forged.test" not in header
    assert "Authentication-Results:" not in header


def test_header_that_the_milter_cannot_be_shown_is_refused_for_good(mail: Mail, verifier: Beside) -> None:
    letter = dataclasses.replace(Letter.to("alice@example.com"), headers=["\r\n ".join(["X: x", *(["x" * 900] * 77)])])
    door = dataclasses.replace(mail.doors[Tier.SMTP_IN], host=verifier.host)

    [reply] = dialogue.send(door, [letter])

    assert reply.verdict == "552 5.6.0"


def test_signature_writes_no_result_of_another(mail: Mail, verifier: Beside, key: bytes) -> None:
    letter = Letter.to("alice@example.com", sender="someone@example.org")
    made = dkim.DKIM(letter.text)
    forged = b"x=3Bdkim=3Dpass=20header.d=3Dforged.test=20header.i=3D@example.org"
    signature = made.sign(b"small", b"example.org", key, identity=forged, include_headers=[b"from", b"subject"])

    said = _results(mail, verifier, letter, bytes(signature) + letter.text)

    assert f"{OURS}dkim=" in said
    assert "forged.test" not in said
    assert "pass" not in said


def test_sender_writes_no_result_of_its_own(mail: Mail, verifier: Beside) -> None:
    letter = Letter.to("alice@example.com", sender="someone@example.org")
    strange = letter.text.replace(b"example.org>", b"example.org;dmarc=pass>", 1)
    assert strange != letter.text

    said = _results(mail, verifier, letter, strange)

    assert "dmarc=" not in said


@pytest.mark.parametrize(("sender", "marked"), [("bob@example.com", True), ("bob@example.org", False)])
def test_stranger_under_a_hosted_domain_is_marked(mail: Mail, verifier: Beside, sender: str, *, marked: bool) -> None:
    letter = Letter.to("alice@example.com", sender=sender)

    said = _results(mail, verifier, letter, letter.text)

    assert (f"{OURS}x-hosted-from=fail header.from=example.com" in said) is marked


def test_mail_is_put_off_while_the_milter_that_takes_verdicts_away_is_down(mail: Mail, verifier: Beside) -> None:
    letter = dataclasses.replace(Letter.to("alice@example.com"), headers=FORGED)
    door = dataclasses.replace(mail.doors[Tier.SMTP_IN], host=verifier.host)
    verifier.run("supervisorctl", "stop", "mail:milter")
    try:
        [reply] = dialogue.send(door, [letter])
    except dialogue.NotTakenError as refused:
        reply = refused.reply
    finally:
        verifier.run("supervisorctl", "start", "mail:milter")

    assert reply.code // 100 == 4, reply


def test_mail_comes_in_while_the_verifiers_are_away(mail: Mail, verifier: Beside) -> None:
    verifier.run("supervisorctl", "stop", "verify:*")
    letter = Letter.to("alice@example.com")
    try:
        _results(mail, verifier, letter, letter.text)
    finally:
        verifier.run("supervisorctl", "start", "verify:*")


def test_nothing_is_verified_where_nobody_asks_for_it(world: World) -> None:
    assert world.programs(Tier.SMTP_IN)["verify:opendkim"].state == "STOPPED"
