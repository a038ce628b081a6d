"""Secrets as files: right from their first moment, and never half."""

import os
from pathlib import Path
from typing import Any

import pytest

from reconfigure.errors import ReconfigureError
from reconfigure.secrets import write_secrets
from reconfigure.settings import Settings, load
from reconfigure.tiers import SecretSpec

SPEC = SecretSpec(setting="master_password", path="master-password", mode=0o600)


def settings(tmp_path: Path, **more: str) -> Settings:
    return load(
        {
            "TIER": "imap",
            "CERT_DOMAIN": "mail.example.com",
            "AWS_REGION": "us-east-1",
            "COGNITO_POOL_ID": "us-east-1_abc",
            "COGNITO_CLIENT_ID": "abc",
            "RECONFIGURE_SECRETS_DIR": str(tmp_path / "secrets"),
            **more,
        }
    )


def spec(**changes: Any) -> SecretSpec:
    return SecretSpec(**{"setting": "master_password", "path": "master-password", "mode": 0o600, **changes})


def test_a_secret_becomes_a_file_that_ends_with_a_line_end(tmp_path: Path) -> None:
    (path,) = write_secrets(settings(tmp_path, MASTER_PASSWORD="open sesame, mountain"), [SPEC])
    assert path == tmp_path / "secrets" / "master-password"
    assert path.read_text() == "open sesame, mountain\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_secret_has_the_mode_of_the_manifest_and_its_folder_lets_nobody_look_around(
    tmp_path: Path, mode: int
) -> None:
    before = os.umask(0o077)
    try:
        (path,) = write_secrets(settings(tmp_path, MASTER_PASSWORD="x" * 12), [spec(mode=mode)])
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == mode
    assert path.parent.stat().st_mode & 0o7777 == 0o711


def test_a_secret_that_is_not_set_makes_no_file(tmp_path: Path) -> None:
    assert write_secrets(settings(tmp_path), [SPEC]) == []
    assert list((tmp_path / "secrets").iterdir()) == []


def test_a_secret_is_replaced_and_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "public").write_text("as it was")
    (tmp_path / "secrets" / "master-password").symlink_to(tmp_path / "public")
    write_secrets(settings(tmp_path, MASTER_PASSWORD="the new password"), [SPEC])
    assert (tmp_path / "public").read_text() == "as it was"
    assert (tmp_path / "secrets" / "master-password").read_text() == "the new password\n"
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["master-password"]


def test_without_daemons_a_secret_whose_reader_is_not_installed_stays_our_own(tmp_path: Path) -> None:
    (written,) = write_secrets(settings(tmp_path, MASTER_PASSWORD="x" * 12), [spec(owner="nobody-at-all")])
    assert (written.stat().st_uid, written.stat().st_mode & 0o777) == (os.geteuid(), 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_secret_whose_reader_does_not_exist_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ReconfigureError, match="should belong to nobody-at-all"):
        write_secrets(
            settings(tmp_path, MASTER_PASSWORD="x" * 12, RECONFIGURE_STATIC_DIR=str(tmp_path / "static")),
            [spec(owner="nobody-at-all")],
        )
    assert list((tmp_path / "secrets").iterdir()) == []


def test_a_secret_that_cannot_be_written_is_said_without_saying_it_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "secrets" / "master-password").mkdir(parents=True)
    with pytest.raises(ReconfigureError, match=r"writing secrets to .* failed") as caught:
        write_secrets(settings(tmp_path, MASTER_PASSWORD="open sesame, mountain"), [SPEC])
    assert "sesame" not in str(caught.value)
    assert [path.name for path in (tmp_path / "secrets").iterdir()] == ["master-password"]
