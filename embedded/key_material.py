"""The TLS and DKIM keys of the embedded tiers, made once and kept: `prepare` writes them to files as it does elsewhere.

One self-signed certificate serves all tiers and is its own authority. Nobody outside this machine ever sees them.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

_YEARS = 10


def load_or_make(path: Path, *, cert_domain: str, now: datetime | None = None) -> Mapping[str, str]:
    """Return environment name → PEM text, from the file if it is there; else make the keys and write it (mode 0600).

    Args:
        path: the JSON file.
        cert_domain: the certificate is for this domain and all names right below it.
        now: when the certificate begins to be valid.
    """
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        made = _make(cert_domain, now or datetime.now(UTC))
        beside = path.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(made, file)
        beside.replace(path)
        return made
    return kept


def _make(cert_domain: str, now: datetime) -> dict[str, str]:
    # Imported here: needed once in the life of a checkout, and slow to load.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    def text(key: rsa.RSAPrivateKey) -> str:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    tls, dkim = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, cert_domain)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(tls.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(cert_domain), x509.DNSName(f"*.{cert_domain}")]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(tls, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )
    return {
        "TLS_CA_BUNDLE": certificate,
        "TLS_CERT": certificate,
        "TLS_KEY": text(tls),
        "DKIM_PRIVATE_KEY": text(dkim),
    }
