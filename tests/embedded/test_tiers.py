import os
import subprocess
from pathlib import Path

import pytest

from embedded import tiers
from embedded.aws import World
from embedded.places import Places
from reconfigure import settings
from reconfigure.settings import Tier


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path / "state")
    places.make()
    return places


@pytest.mark.parametrize("tier", list(Tier))
def test_a_tiers_file_alone_is_a_complete_and_valid_configuration(places: Places, world: World, tier: Tier) -> None:
    tiers.write_config(places, tiers.settings(places, world, tier=tier), tier=tier)
    loaded = settings.load({"RECONFIGURE_CONFIG": str(places.config(tier))}, secrets_required=True)
    assert loaded.tier is tier
    assert loaded.sqs_queue_url == world.tiers[tier].queue_url
    assert loaded.state_dir == places.tier(tier)
    assert loaded.absent_programs == "skip"
    assert loaded.warnings == ()


def test_a_tiers_file_holds_keys_so_only_its_owner_may_read_it(places: Places, world: World) -> None:
    tiers.write_config(places, tiers.settings(places, world, tier=Tier.IMAP), tier=Tier.IMAP)
    assert places.config(Tier.IMAP).stat().st_mode & 0o777 == 0o600


def test_no_two_tiers_share_a_folder_a_socket_or_a_queue(places: Places, world: World) -> None:
    chosen = [tiers.settings(places, world, tier=tier) for tier in Tier]
    for name in ("RECONFIGURE_STATE_DIR", "RECONFIGURE_HOMES_DIR", "RECONFIGURE_SUPERVISOR_SOCKET", "SQS_QUEUE_URL"):
        assert len({each[name] for each in chosen}) == len(Tier)


def test_what_the_shell_says_of_another_aws_reaches_no_tier() -> None:
    shell = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "x", "TIER": "imap", "SQS_QUEUE_URL": "x", "HOME": "/root"}
    base = tiers.base_environment(shell)
    assert base["HOME"] == "/root"
    assert base["AWS_ACCESS_KEY_ID"] == "embedded"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "TIER", "SQS_QUEUE_URL"} & set(base)


def test_a_tiers_command_is_not_confused_by_what_the_shell_has_set(places: Places, world: World) -> None:
    tiers.write_config(places, tiers.settings(places, world, tier=Tier.SMTP_IN), tier=Tier.SMTP_IN)
    tiers.write_launchers(places)
    shell = {"PATH": os.defpath, "TIER": "imap", "AWS_REGION": "nowhere-1", "AWS_PROFILE": "work", "CERT_DOMAIN": "x"}
    done = subprocess.run(
        [places.launchers / "smtp-in", "once", "--dry-run", "--json"],
        env=shell,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, 3}, done.stderr
    assert not (places.tier(Tier.IMAP) / "generations").exists()
