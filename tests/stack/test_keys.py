import socket
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from embedded import sample
from reconfigure.settings import Tier
from stack import keys


def handshake(made: Mapping[str, str], folder: Path, *, name: str, prefix: str = "TLS") -> None:
    """Let a client that trusts the authority alone meet a server with one of the certificates."""
    chain = folder / "chain.pem"
    chain.write_text(made[f"{prefix}_CERT"] + made[f"{prefix}_KEY"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    client = ssl.create_default_context(cadata=made["TLS_CA_BUNDLE"])
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    theirs, ours = socket.socketpair()

    def serve() -> None:
        with theirs:
            try:
                server.wrap_socket(theirs, server_side=True).close()
            except (ssl.SSLError, OSError):
                return  # the client did not like it, and says so

    thread = threading.Thread(target=serve)
    thread.start()
    with ours:
        try:
            client.wrap_socket(ours, server_hostname=name).close()
        finally:
            ours.close()
            thread.join()


@pytest.mark.parametrize("tier", list(Tier))
def test_a_tiers_certificate_is_good_for_its_name(made: Mapping[str, str], tmp_path: Path, tier: Tier) -> None:
    handshake(made, tmp_path, name=f"{tier}.{sample.CERT_DOMAIN}")


def test_the_sinks_certificate_is_good_for_its_name(made: Mapping[str, str], tmp_path: Path) -> None:
    handshake(made, tmp_path, name="mx.world.test", prefix="SINK_TLS")


@pytest.mark.parametrize("name", ["mx.world.test", "imap.mail.example.net", "a.imap.mail.example.com"])
def test_a_tiers_certificate_is_good_for_no_other_name(made: Mapping[str, str], tmp_path: Path, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, tmp_path, name=name)


def test_another_worlds_authority_does_not_vouch_for_it(made: Mapping[str, str], tmp_path: Path) -> None:
    other = keys.load_or_make(tmp_path / "keys.json", cert_domain=sample.CERT_DOMAIN)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake({**made, "TLS_CA_BUNDLE": other["TLS_CA_BUNDLE"]}, tmp_path, name=f"imap.{sample.CERT_DOMAIN}")


def test_keys_are_made_once_and_for_their_owner_alone(made: Mapping[str, str], keys_file: Path) -> None:
    assert keys.load_or_make(keys_file, cert_domain=sample.CERT_DOMAIN) == made
    assert keys_file.stat().st_mode & 0o777 == 0o600
