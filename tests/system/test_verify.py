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

FORGED = "Authentication-Results: smtp-in.mail.example.com; dkim=pass header.d=forged.test"


@pytest.fixture(scope="module")
def verifier(world: World) -> Iterator[Beside]:
    """A relay that verifies."""
    with beside(world, Tier.SMTP_IN, environment={"RECONFIGURE_VERIFY_HEADERS": "yes"}) as container:
        assert container.ready(60), container.logs()[-2000:]
        yield container


def _results(mail: Mail, verifier: Beside, letter: Letter, text: bytes) -> str:
    """Bring a message to the verifier and return the lines of the header that say what was found."""
    door = dataclasses.replace(mail.doors[Tier.SMTP_IN], host=verifier.host)
    with dialogue.session(door) as talk:
        assert talk.mail(letter.sender).good
        assert talk.rcpt("alice@example.com").good
        assert talk.data(text).good
    mail.delivered(letter, "alice")
    with mailbox.reading(mail.box, "alice", PASSWORD) as client:
        arrived = mailbox.text_of(client, letter.ident)
    assert arrived is not None
    header = arrived.split(b"\r\n\r\n")[0].decode().replace("\r\n\t", " ").replace("\r\n ", " ")
    return "\n".join(line for line in header.splitlines() if line.startswith("Authentication-Results:"))


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

    assert "dkim=pass" in said
    assert "dmarc=" in said
    assert "dkim=pass" not in other
    assert "dkim=fail" in other


def test_result_that_a_stranger_wrote_in_our_name_is_taken_out(mail: Mail, verifier: Beside) -> None:
    letter = dataclasses.replace(Letter.to("alice@example.com"), headers=[FORGED])

    said = _results(mail, verifier, letter, letter.text)

    assert "forged.test" not in said


def test_mail_comes_in_while_the_verifiers_are_away(mail: Mail, verifier: Beside) -> None:
    verifier.run("supervisorctl", "stop", "verify:*")
    letter = Letter.to("alice@example.com")
    try:
        _results(mail, verifier, letter, letter.text)
    finally:
        verifier.run("supervisorctl", "start", "verify:*")


def test_nothing_is_verified_where_nobody_asks_for_it(world: World) -> None:
    assert world.programs(Tier.SMTP_IN)["verify:opendkim"].state == "STOPPED"
