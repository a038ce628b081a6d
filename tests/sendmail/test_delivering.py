"""Only the tiers that relay may deliver, whoever else shares the network: real listeners, and real TLS."""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from reconfigure.settings.comparable import fingerprint
from tests.sendmail.certificates import CLIENTS, SERVERS, Authority, authority, install, safe_folder
from tests.sendmail.configured import configure
from tests.sendmail.listening import SECONDS, Listener, listening

NEIGHBOUR = "127.0.0.2"
HOSTED = "shop@acme.example.com"
REFUSED = (451, "4.7.1")


class World(NamedTuple):
    """A delivery tier with the certificate that it shares with the relays."""

    listener: Listener
    folder: Path
    trusted: Authority
    certificate: str
    key: str


@contextmanager
def delivery(folder: Path, trusted: Authority, names: list[str], *, networks: Sequence[str] = ()) -> Iterator[World]:
    certificate, key = trusted.issue(names, SERVERS)
    with safe_folder() as secrets:
        install(secrets, trusted=trusted.pem, certificate=certificate, key=key)
        tier = configure(
            "imap",
            folder,
            secrets_dir=str(secrets),
            tls_fingerprint=fingerprint(certificate),
            delivery_prefixes=networks,
        )
        with listening(tier) as listener:
            yield World(listener, folder, trusted, certificate, key)


@pytest.fixture(scope="module")
def root() -> Authority:
    return authority("The world's")


@pytest.fixture(scope="module")
def world(root: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose certificate is one of the world's, and whose tiers have all of its chain but the root."""
    with delivery(tmp_path_factory.mktemp("delivery"), authority("Between", of=root), ["*.control.example"]) as world:
        yield world


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with an authority of its own, which issues certificates for clients, too."""
    with delivery(tmp_path_factory.mktemp("private"), authority("A private one"), ["imap.control.example"]) as private:
        yield private


def said(world: World, shown: tuple[str, str] | None, *, source: str = NEIGHBOUR, tls: bool = True) -> tuple[int, str]:
    """Return code and enhanced code of the answer to MAIL; `shown` is the client's certificate and its key."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if shown is not None:
        (world.folder / "shown.pem").write_text("".join(shown))
        context.load_cert_chain(world.folder / "shown.pem")
    with smtplib.SMTP("127.0.0.1", world.listener.port, "client.example", SECONDS, (source, 0)) as smtp:
        smtp.ehlo()
        if tls:
            smtp.starttls(context=context)
            smtp.ehlo()
        code, text = smtp.mail("someone@elsewhere.example")
        return code, text.decode().partition(" ")[0]


def test_a_neighbour_without_a_certificate_delivers_nothing(world: World) -> None:
    assert said(world, None, tls=False) == REFUSED
    assert said(world, None) == REFUSED


def test_a_neighbour_with_a_certificate_of_its_own_delivers_nothing(world: World) -> None:
    names = ["smtp-in.control.example"]
    assert said(world, authority("Its own").issue(names, CLIENTS)) == REFUSED
    assert said(world, authority("Between").issue(names, [*SERVERS, *CLIENTS])) == REFUSED


def test_a_client_with_the_certificate_of_the_tiers_delivers(world: World) -> None:
    assert said(world, (world.certificate, world.key))[0] == 250


def test_the_container_itself_is_answered(world: World) -> None:
    assert said(world, None, source="127.0.0.1", tls=False)[0] == 250


def test_networks_that_are_named_deliver_without_a_certificate(root: Authority, tmp_path: Path) -> None:
    many = [f"10.77.{number}.{last}" for number in range(10) for last in range(128, 256)]
    with delivery(tmp_path, root, ["imap.control.example"], networks=[*many, "127.0.0.2"]) as world:
        assert said(world, None, tls=False)[0] == 250
        assert said(world, None, tls=False, source="127.0.0.3") == REFUSED
        assert said(world, None, tls=False, source="127.0.0.20") == REFUSED


@pytest.mark.parametrize("name", ["smtp-in.control.example", "smtp-out.control.example", "*.control.example"])
def test_a_relay_with_another_certificate_of_the_same_authority_delivers(private: World, name: str) -> None:
    assert said(private, private.trusted.issue([name, "else.example"], [*SERVERS, *CLIENTS]))[0] == 250


def test_what_the_authority_vouches_for_under_other_names_delivers_nothing(private: World) -> None:
    for name in ("imap.control.example", "*.smtp-in.control.example", "*.example", "control.example"):
        assert said(private, private.trusted.issue([name], CLIENTS)) == REFUSED
    assert said(private, authority("Another").issue(["smtp-in.control.example"], CLIENTS)) == REFUSED


@pytest.mark.parametrize("tier", ["smtp-in", "smtp-out"])
def test_what_a_relay_has_taken_reaches_the_delivery_tier(
    world: World, root: Authority, tier: str, tmp_path: Path
) -> None:
    with safe_folder() as secrets:
        install(secrets, trusted=root.pem + world.trusted.pem, certificate=world.certificate, key=world.key)
        relay = configure(tier, tmp_path, secrets_dir=str(secrets), imap_internal_host="127.0.0.1")
        with (tmp_path / "sendmail.cf").open("a") as text:
            text.write(f"O ClientPortOptions=Family=inet, Addr={NEIGHBOUR}\n")
        user = {"auth_authen": "alice", "auth_type": "PLAIN"} if tier == "smtp-out" else {}
        with listening(relay, macros=user, internet=world.listener.port) as listener:
            with listener.talk() as talk:
                assert talk.say("MAIL FROM:<>").startswith("250 ")
                assert talk.say(f"RCPT TO:<{HOSTED}>").startswith("250 ")
                assert talk.say("DATA").startswith("354 ")
                assert talk.say(f"From: <{HOSTED}>\r\nSubject: from {tier}\r\n\r\nHello.\r\n.").startswith("250 ")
            assert listener.work_off() == []
    assert any(f"from {tier}".encode() in path.read_bytes() for path in (world.folder / "queue").glob("qf*"))
