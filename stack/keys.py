"""The keys of one world: an authority, a certificate for the tiers and one for the sink, a DKIM key; made once, kept.

Unlike the embedded world's single self-signed certificate, these are leaf certificates with names, signed by an
authority that signs nothing else, so that verifying them means something.
"""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from stack.lab.zone import MAIL_OF_INTERNET

_DAYS = 3650


def load_or_make(path: Path, *, cert_domain: str) -> dict[str, str]:
    """Return environment name → PEM text, from the file if it is there; else make it all and write it (mode 0600).

    `TLS_CA_BUNDLE`, `TLS_CERT`, `TLS_KEY`, `DKIM_PRIVATE_KEY` are the tiers' settings of these names; `SINK_TLS_CERT`
    and `SINK_TLS_KEY` are the sink's.
    """
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        made = _make(cert_domain)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(made, file)
        beside.replace(path)
        return made
    return kept


def _make(cert_domain: str) -> dict[str, str]:
    authority = _key()
    itself = _certificate("Test world authority", (), authority, signer=None)
    tiers, sink = _key(), _key()
    return {
        "TLS_CA_BUNDLE": _pem(itself),
        "TLS_CERT": _pem(
            _certificate(cert_domain, (cert_domain, f"*.{cert_domain}"), tiers, signer=(itself, authority))
        ),
        "TLS_KEY": _private(tiers),
        "DKIM_PRIVATE_KEY": _private(_key()),
        "SINK_TLS_CERT": _pem(_certificate(MAIL_OF_INTERNET, (MAIL_OF_INTERNET,), sink, signer=(itself, authority))),
        "SINK_TLS_KEY": _private(sink),
    }


def ended(host: str) -> tuple[str, str]:
    """Return a certificate for a host that ended yesterday, and its key, as PEM text; signed by itself."""
    key = _key()
    made = _certificate(host, (host,), key, signer=None, until=datetime.now(UTC) - timedelta(days=1))
    return _pem(made), _private(key)


def _certificate(
    name: str,
    hosts: Sequence[str],
    key: rsa.RSAPrivateKey,
    *,
    signer: tuple[x509.Certificate, rsa.RSAPrivateKey] | None,
    until: datetime | None = None,
) -> x509.Certificate:
    until = until or datetime.now(UTC) + timedelta(days=_DAYS)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer, signing = (signer[0].subject, signer[1]) if signer else (subject, key)
    authority = x509.SubjectKeyIdentifier.from_public_key(signing.public_key())
    extensions: list[tuple[Any, bool]] = [
        (x509.BasicConstraints(ca=signer is None, path_length=0 if signer is None else None), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), False),
        (_usage(signs=signer is None), True),
    ]
    if hosts:
        extensions.append((x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), False))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=_DAYS + 1))
        .not_valid_after(until)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signing, hashes.SHA256())


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=not signs,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _private(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
