"""A certificate that ended, and a DKIM key that is not the published one."""

import re
from collections.abc import Iterator

import pytest

from reconfigure.settings import Tier
from stack import keys
from stack.world import World
from tests.drills.conftest import Read, drilled
from tests.system.letters import Letter
from tests.system.mail import Mail

RECORD = "cabal._domainkey.acme.example.com"
PUBLISHED = re.compile(r"v=DKIM1;[^\"'\n]*p=[A-Za-z0-9+/=]+")


@pytest.fixture
def ended(world: World) -> Iterator[World]:
    """The same world as described by somebody who forgot to renew the certificate; put right at the end."""
    certificate, key = keys.ended(world.name(Tier.IMAP))
    yield drilled({"TLS_CERT": certificate, "TLS_KEY": key})
    if world.try_exec(Tier.IMAP, "reconfigure", "doctor", "--only", "certificate").returncode != 0:
        world.recreate(Tier.IMAP)
        world.wait_ready(Tier.IMAP)


def test_drill_16_the_certificate_ended(world: World, ended: World, mail: Mail, read: Read) -> None:
    ended.recreate(Tier.IMAP)
    ended.wait_ready(Tier.IMAP)
    page = read(16, "The certificate does not do", tier=Tier.IMAP)

    page.confirms()
    kept = Letter.to("alice@example.com")
    assert mail.arrive(kept).good
    page.mends()
    world.recreate(Tier.IMAP)
    world.wait_ready(Tier.IMAP)
    page.verifies()

    mail.delivered(kept, "alice")


def test_drill_16_the_dkim_key_is_another(world: World, read: Read) -> None:
    world.dns.set(RECORD, "TXT", "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDAbCdE")
    page = read(16, "The DKIM key is not the published one", tier=Tier.SMTP_OUT)

    page.confirms()
    page.mends()
    shown = world.try_exec(Tier.SMTP_OUT, "sh", "-c", "COLUMNS=2000 reconfigure explain acme.example.com").stdout
    (wanted,) = {record for record in PUBLISHED.findall(shown) if "AbCdE" not in record}
    world.dns.set(RECORD, "TXT", wanted)
    page.verifies()
