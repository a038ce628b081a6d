"""Environments that load, to be broken one variable at a time."""

from pathlib import Path

import pytest

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"


@pytest.fixture(scope="session")
def no_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty YAML file, so that no test reads the machine's own."""
    path = tmp_path_factory.mktemp("settings") / "empty.yaml"
    path.touch()
    return path


@pytest.fixture
def smtp_in(no_file: Path) -> dict[str, str]:
    """The least that the smtp-in tier starts with."""
    return {
        "TIER": "smtp-in",
        "CERT_DOMAIN": "mail.example.com",
        "AWS_REGION": "us-east-1",
        "RECONFIGURE_CONFIG": str(no_file),
    }


@pytest.fixture
def imap(smtp_in: dict[str, str]) -> dict[str, str]:
    """The least that the imap tier starts with."""
    return smtp_in | {
        "TIER": "imap",
        "COGNITO_POOL_ID": "us-east-1_AbCdEfGhI",
        "COGNITO_CLIENT_ID": "1h57kf5cpq17m0eml",
    }


@pytest.fixture
def secrets() -> dict[str, str]:
    """Every secret that a tier's daemons may need."""
    return {"TLS_CA_BUNDLE": CERTIFICATE, "TLS_CERT": CERTIFICATE, "TLS_KEY": KEY, "DKIM_PRIVATE_KEY": KEY}
