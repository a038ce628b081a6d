"""Certificates and keys: valid now and for the right name, and the signing key the one that DNS publishes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dns.exception
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from reconfigure.checkup.finding import Absent, Check, Harm
from reconfigure.errors import ReconfigureError
from reconfigure.explaining import live
from reconfigure.explaining.domain import private_key
from reconfigure.explaining.records import SELECTOR, Names, public_key, published_keys
from reconfigure.generations.store import GenerationStore
from reconfigure.settings import Settings, Tier

SOON = timedelta(days=21)
DOMAINS = 10  # asked about; with more, these stand for the rest

RENEW = "give a new one by TLS_CERT and TLS_KEY, and replace the task"


def checks(settings: Settings, *, resolver: str | None) -> dict[str, Check]:
    """Return the checks of certificate and signing key; `resolver` is asked in place of the system's name server."""
    return {
        "certificate": lambda: _certificate(settings, now=datetime.now(UTC)),
        "dkim": lambda: _dkim(settings, resolver),
    }


def _certificate(settings: Settings, *, now: datetime) -> str:
    certificate = x509.load_pem_x509_certificates(_read(settings.secrets_dir / "tls.crt", settings.tls_cert))[0]
    ends = certificate.not_valid_after_utc
    means = "clients and the other tiers refuse TLS here; what they would bring waits"
    if not certificate.not_valid_before_utc <= now < ends:
        raise Harm(f"valid from {certificate.not_valid_before_utc} to {ends}, not now", means=means, fix=RENEW)
    if not any(_fits(name, settings.host_name) for name in _names(certificate)):
        names = ", ".join(_names(certificate)) or "nothing"
        raise Harm(f"it is for {names}, not for {settings.host_name}", means=means, fix=RENEW)
    key = load_pem_private_key(_read(settings.secrets_dir / "tls.key", settings.tls_key), password=None)
    if _der(key.public_key()) != _der(certificate.public_key()):
        raise Harm("certificate and key do not belong together", means=means, fix=RENEW)
    left = ends - now
    if left < SOON:
        raise Harm(f"ends in {left.days} days, at {ends}", means=f"then: {means}", fix=RENEW, state="warning")
    return f"for {settings.host_name}, until {ends:%Y-%m-%d} ({left.days} days)"


def _dkim(settings: Settings, resolver: str | None) -> str:
    if settings.tier is not Tier.SMTP_OUT:
        raise Absent("smtp-out signs")
    try:
        key = public_key(private_key(settings))
        names = Names(resolver)
    except ValueError as error:
        raise Harm(str(error), means="nothing is signed, so nothing leaves", fix="look at DKIM_PRIVATE_KEY") from error
    if key is None:
        raise Harm("there is no signing key", means="nothing is signed, so nothing leaves", fix="set DKIM_PRIVATE_KEY")
    store = GenerationStore(settings.state_dir)
    try:
        domains = list(live.snapshot(store.path(live.active(store).id), "domains"))
    except ReconfigureError as error:
        raise Absent(str(error)) from error
    wrong, silent = [], []
    for domain in domains[:DOMAINS]:
        try:
            if published_keys(names, domain) != [key]:
                wrong.append(domain)
        except dns.exception.DNSException:
            silent.append(domain)
    fix = f"reconfigure explain {(wrong or silent or ['DOMAIN'])[0]}, which shows the record to publish"
    if wrong:
        raise Harm(
            f"{SELECTOR}._domainkey of {', '.join(wrong)} is not the key that signs here",
            means="receivers take this mail for forged",
            fix=fix,
        )
    if silent:
        raise Harm(
            f"no answer from DNS about {', '.join(silent)}",
            means="whether receivers can check signatures is not known",
            fix=fix,
            state="warning",
        )
    more = f" (and {len(domains) - DOMAINS} more that were not asked)" if len(domains) > DOMAINS else ""
    return f"the key that signs is published for {len(domains[:DOMAINS])} domains{more}"


def _read(path: Path, setting: object) -> bytes:
    """Return a file that `prepare` wrote; where it may not be read, what the setting says."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Absent(f"no {path}: prepare has written no secrets here") from None
    except PermissionError as error:
        revealed = getattr(setting, "reveal", None)
        if revealed is None:
            raise Absent(f"{path} may not be read by this account; ask as root") from error
        return str(revealed()).encode()


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        )
    except x509.ExtensionNotFound:
        return []


def _fits(pattern: str, name: str) -> bool:
    """Tell whether a certificate's name is that of a host; `*` stands for one label (RFC 6125, 6.4.3)."""
    if pattern.startswith("*."):
        return name.partition(".")[2].lower() == pattern[2:].lower()
    return pattern.lower() == name.lower()


def _der(key: object) -> bytes:
    made: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return made
