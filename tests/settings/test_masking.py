"""No representation of settings, and no message about them, holds a secret."""

import copy
import dataclasses
import hashlib
import json
import ssl
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reconfigure.errors import ConfigurationError
from reconfigure.settings import Secret, Settings, load
from reconfigure.settings.fields import SPECS

Environment = dict[str, str]

EMPTY = Path("/dev/null")  # a file that says nothing: fixtures and hypothesis do not mix
MASK = "********"
unhurried = hypothesis_settings(deadline=None)
SECRET_NAMES = ["TLS_CA_BUNDLE", "TLS_CERT", "TLS_KEY", "DKIM_PRIVATE_KEY", "MASTER_PASSWORD"]

# Long and odd enough not to stand anywhere by chance; the marker is what must never be seen.
markers = st.text("BCDFGHJKLMNPQRSTVWXZ", min_size=12, max_size=20)
noise = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
wrappings = st.sampled_from(
    [
        "{}",
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        "-----BEGIN {}-----",
        "\x00{}",
        "{}\n",
    ]
)
url_wrappings = st.sampled_from(
    [
        "https://hc.example.com/ping/{}",
        "https://hc.example.com/ping/{}?a=b",
        "https://u:{}@hc.example.com/ping",
        "https://u:{}@hc.example.com:8000",
        "https://u:a?{}@hc.example.com/",
        "https://u:a@{}@hc.example.com/",
        "https://hc.example.com/?token={}",
        "https://hc.example.com/#{}",
        "ftp://u:{}@hc.example.com/",
        "u:{}@hc.example.com",
        "https://u:{}@[::1/",
    ]
)


def everything_said(environ: Environment, config_path: Path) -> str:
    """Return all that loading these settings shows to anyone."""
    try:
        settings = load(environ, config_path=config_path, secrets_required=True)
    except ConfigurationError as error:
        return f"{error}{error!r}{error.problems}"
    fields = dataclasses.asdict(settings) | {"healthcheck_ping_url": None}  # the one whose field is a plain string
    return f"{settings}{settings!r}{settings.shown()}{json.dumps(settings.shown())}{settings.warnings}{fields}"


def test_a_secret_is_masked_in_every_representation_and_revealed_on_demand() -> None:
    secret = Secret("hunter2")
    assert {str(secret), repr(secret), f"{secret}", f"{secret!r}", "%s" % secret, f"{copy.deepcopy(secret)}"} == {MASK}  # noqa: UP031
    assert f"{secret:>10}" == "  ********"
    assert repr([secret]) == f"[{MASK}]"
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_secrets_are_equal_by_what_they_hide() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_shown_names_every_setting_by_its_variable_and_masks_secrets(imap: Environment, secrets: Environment) -> None:
    shown = load(imap | secrets | {"MASTER_PASSWORD": "hunter2 and more"}).shown()
    assert list(shown) == [spec.env for spec in SPECS]
    assert [shown[name] for name in SECRET_NAMES] == [MASK] * 5
    assert shown["TIER"] == "imap"
    assert shown["RECONFIGURE_INTERVAL"] == 900
    assert shown["RECONFIGURE_STATE_DIR"] == "/var/lib/reconfigure"
    assert shown["SQS_QUEUE_URL"] is None
    assert json.loads(json.dumps(shown)) == shown


def test_shown_says_of_the_ping_url_only_where_it_leads(imap: Environment) -> None:
    settings = load(imap | {"HEALTHCHECK_PING_URL": "https://me:pw@hc.example.com:8443/ping/9f2c?x=y"})
    assert settings.healthcheck_ping_url == "https://me:pw@hc.example.com:8443/ping/9f2c?x=y"
    assert settings.shown()["HEALTHCHECK_PING_URL"] == "https://hc.example.com:8443/…"


def test_a_wrong_secret_is_named_and_masked(imap: Environment, secrets: Environment) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(imap | secrets | {"TLS_KEY": secrets["TLS_CERT"], "MASTER_PASSWORD": "hunter2\nroot::0:0"})
    key, password = caught.value.problems
    assert key == (
        "TLS_KEY: has no line -----BEGIN PRIVATE KEY----- (given '********'); set a private key in PEM, line ends kept"
    )
    assert password.startswith("MASTER_PASSWORD: holds a control character or a line end (given '********'); set")


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())])
def test_real_keys_and_certificates_are_taken_as_they_are(
    imap: Environment, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, form: PrivateFormat
) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.com")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, datetime(2026, 1, 1), datetime(2046, 1, 1))  # noqa: DTZ001
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    pem = {"TLS_KEY": private, "TLS_CERT": certificate, "TLS_CA_BUNDLE": certificate * 3}
    loaded = load(imap | pem, secrets_required=True)
    der = ssl.PEM_cert_to_DER_cert(certificate)
    assert loaded.tls_fingerprint.replace(":", "").lower() == hashlib.sha256(der).hexdigest()
    assert [loaded.tls_key, loaded.tls_cert, loaded.tls_ca_bundle] == [*map(Secret, pem.values())]


@unhurried
@given(markers, st.dictionaries(st.sampled_from(SECRET_NAMES), wrappings), url_wrappings, st.booleans())
def test_no_secret_in_the_environment_is_ever_said(
    marker: str,
    wrapped: Environment,
    url: str,
    everything_else_is_right: bool,  # noqa: FBT001
) -> None:
    environ = {name: wrapping.format(marker) for name, wrapping in wrapped.items()}
    environ |= {"TIER": "smtp-in", "AWS_REGION": "us-east-1", "HEALTHCHECK_PING_URL": url.format(marker)}
    if everything_else_is_right:
        block = "-----BEGIN {}-----\n" + marker
        environ |= {"CERT_DOMAIN": "example.com", "TLS_KEY": block.format("RSA PRIVATE KEY")}
        environ |= dict.fromkeys(("TLS_CERT", "TLS_CA_BUNDLE"), block.format("CERTIFICATE"))
    else:
        environ |= {"AWS_ENDPOINT_URL": url.format(marker)} if "@" in url else {}
    said = everything_said(environ, EMPTY)
    assert marker not in said
    assert said


@unhurried
@given(
    markers,
    noise,
    noise,
    st.sampled_from(["MASTER_PASSWORD", "tls_key"]),
    st.sampled_from([": ", ":", "=", ": |\n", ": |\n "]),
)
def test_no_secret_in_yaml_is_ever_said_however_broken_the_file_is(
    tmp_path_factory: pytest.TempPathFactory, marker: str, before: str, after: str, key: str, colon: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "broken.yaml"
    file.write_text(f"interval: 60\n{key}{colon}{before}{marker}{after}\npoll_seconds: 99\n", encoding="utf-8")
    assert marker not in everything_said({"TIER": "smtp-in"}, file)


def test_no_field_that_holds_a_secret_is_a_plain_string() -> None:
    secret = {field.name for field in dataclasses.fields(Settings) if "Secret" in str(field.type)}
    assert {spec.env for spec in SPECS if spec.field in secret} == set(SECRET_NAMES)


def test_a_traceback_of_a_wrong_secret_does_not_show_it() -> None:
    program = "import os; from reconfigure.settings import load; load(os.environ)"
    environ = {"MASTER_PASSWORD": "hunter2\n", "TLS_KEY": "hunter2", "RECONFIGURE_CONFIG": str(EMPTY)}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 1
    assert "ConfigurationError" in ran.stderr
    assert "hunter2" not in ran.stderr
