from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from embedded import key_material

NAMES = {"TLS_CA_BUNDLE", "TLS_CERT", "TLS_KEY", "DKIM_PRIVATE_KEY"}


def test_keys_are_made_once_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    made = key_material.load_or_make(tmp_path / "keys.json", cert_domain="mail.example.com")
    assert set(made) == NAMES
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    assert key_material.load_or_make(tmp_path / "keys.json", cert_domain="mail.example.com") == made


def test_the_certificate_belongs_to_its_key_and_names_the_tiers_hosts(tmp_path: Path) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    made = key_material.load_or_make(tmp_path / "keys.json", cert_domain="mail.example.com", now=now)
    certificate = x509.load_pem_x509_certificate(made["TLS_CERT"].encode())
    key = load_pem_private_key(made["TLS_KEY"].encode(), password=None)
    assert certificate.public_key() == key.public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"mail.example.com", "*.mail.example.com"}
    assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc
