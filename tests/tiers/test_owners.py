"""Whose a generation's files are where the daemons that read them are not installed."""

import shutil
from pathlib import Path

import pytest

from reconfigure import assembly
from reconfigure.settings import Settings, Tier

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """The templates, sendmail's account under a name that no system has."""
    folder = tmp_path / "templates"
    shutil.copytree(TEMPLATES, folder)
    manifest = folder / "imap" / "tier.yaml"
    manifest.write_text(manifest.read_text().replace("root:smmta", "root:nobody-at-all"))
    return folder


@pytest.mark.parametrize(("static_dir", "owner"), [(None, None), ("/run/static", "root:nobody-at-all")])
def test_map_stays_our_own_only_where_no_daemon_is_configured(
    templates: Path, static_dir: str | None, owner: str | None
) -> None:
    settings = Settings(
        tier=Tier.IMAP,
        cert_domain="mail.example.com",
        aws_region="eu-west-1",
        templates_dir=templates,
        static_dir=Path(static_dir) if static_dir else None,
    )
    files = {spec.path: spec for spec in assembly.templates(settings)[0].files}

    assert files["mail/virtusertable"].owner == owner
    assert files["mail/virtusertable"].mode == 0o640
    assert files["passwd/passwd"].owner == "root"
