"""Certificates as authorities of the world issue them: for servers alone, and with the authority's own left out."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVERS = (ExtendedKeyUsageOID.SERVER_AUTH,)
CLIENTS = (ExtendedKeyUsageOID.CLIENT_AUTH,)


class Authority(NamedTuple):
    """Who issues certificates; trusted by whoever has `pem`."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return _pem(self.certificate)

    def issue(self, names: Sequence[str], usage: Sequence[x509.ObjectIdentifier]) -> tuple[str, str]:
        """Return a certificate for hosts of these names and its key, as PEM text."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(names[0], self.certificate.subject, key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), False)
        form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        return _pem(builder.sign(self.key, hashes.SHA256())), key.private_bytes(*form).decode()


def authority(name: str, *, of: Authority | None = None) -> Authority:
    """Return an authority that vouches for itself, or that another one vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(name, of.certificate.subject if of else subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    return Authority(builder.sign(of.key if of else key, hashes.SHA256()), key)


@contextmanager
def safe_folder() -> Iterator[Path]:
    """Make a folder for keys: sendmail uses none that lies where others may write, as pytest's do."""
    within = "/run" if os.geteuid() == 0 else Path.home()
    with tempfile.TemporaryDirectory(prefix="rc-", dir=within) as made:
        yield Path(made)


def install(folder: Path, *, trusted: str, certificate: str, key: str) -> None:
    """Write a tier's secrets where its sendmail looks for them."""
    for name, text in {"ca-bundle.pem": trusted, "tls.crt": certificate, "tls.key": key}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
