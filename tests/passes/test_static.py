"""The daemons' own configuration: written by `prepare` from settings alone, where it is asked for."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"
SECRETS = {"TLS_CA_BUNDLE": CERTIFICATE, "TLS_CERT": CERTIFICATE, "TLS_KEY": KEY}
TEXT = """\
name {{ settings.host_name }}
key {{ settings.secrets_dir }}/tls.key
size {{ settings.message_bytes }}
{% if settings.tls_key %}
tls
{% endif %}
{% if settings.master_password %}
master
{% endif %}
"""

# A daemon that takes sizes up to 50 MiB.
CHECKER = """
import sys
size = int(open(sys.argv[1]).read().split("size ")[1].split()[0])
sys.exit(f"{sys.argv[1]}: size {size} is more than I take" if size > 52_428_800 else 0)
"""


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """The templates as shipped, with a daemon's configuration as the only static one."""
    folder = tmp_path / "templates"
    shutil.copytree(TEMPLATES, folder)
    path = folder / "smtp-in" / "tier.yaml"
    document = yaml.safe_load(path.read_text())
    check = [sys.executable, "-c", CHECKER, "{file}"]
    document["static"] = [{"path": "daemon.conf", "template": "daemon.conf.j2", "mode": "0640", "check": check}]
    path.write_text(yaml.safe_dump(document))
    (folder / "smtp-in" / "daemon.conf.j2").write_text(TEXT)
    return folder


@pytest.fixture
def asked(templates: Path, tmp_path: Path) -> dict[str, str]:
    return SECRETS | {
        "RECONFIGURE_TEMPLATES_DIR": str(templates),
        "RECONFIGURE_STATIC_DIR": str(tmp_path / "static"),
    }


def ended(daemon: "Daemon") -> int:
    return daemon.process.wait(timeout=60)


def test_a_daemons_configuration_says_what_the_settings_say_and_names_secrets_by_their_files(
    run: Run, world: "World", asked: dict[str, str], tmp_path: Path
) -> None:
    world.put("info@acme.example.com")
    prepare = run("prepare", **asked, RECONFIGURE_MESSAGE_BYTES="1000000")
    assert ended(prepare) == 0, prepare.err.read_text()
    (written,) = (tmp_path / "static").iterdir()
    assert written.read_text() == (
        f"name smtp-in.mail.example.com\nkey {tmp_path}/secrets/tls.key\nsize 1000000\ntls\n"
    )
    assert written.stat().st_mode & 0o7777 == 0o640
    assert prepare.wait("static_written")["files"] == 1


def test_what_changed_since_the_last_start_is_logged(run: Run, world: "World", asked: dict[str, str]) -> None:
    world.put("info@acme.example.com")
    said = []
    for size in ("1000000", "1000000", "2000000"):
        prepare = run("prepare", **asked, RECONFIGURE_MESSAGE_BYTES=size)
        assert ended(prepare) == 0, prepare.err.read_text()
        said.append(prepare.wait("static_written").get("changed"))
    assert said == [None, [], ["daemon.conf"]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "daemon.conf.j2"),
        ("one\n{{ settings.nothing_such }}\n", "daemon.conf.j2:2 of tier smtp-in"),
        ("one\n{{ world.domains }}\n", "daemon.conf.j2:2 of tier smtp-in"),
        ("key {{ settings.tls_key }}\n", "it would hold a secret"),
        ("url {{ settings.healthcheck_ping_url }}\n", "it would hold a secret"),
    ],
    ids=["missing", "unknown setting", "the world", "a secret", "the ping URL"],
)
def test_a_template_that_cannot_be_rendered_ends_with_78_before_anything_is_written(
    run: Run, asked: dict[str, str], templates: Path, tmp_path: Path, text: str | None, complaint: str
) -> None:
    template = templates / "smtp-in" / "daemon.conf.j2"
    template.unlink() if text is None else template.write_text(text)
    prepare = run("prepare", **asked)
    assert ended(prepare) == 78
    assert complaint in prepare.err.read_text()
    assert "MIGHAgEAMBMGByqGSM49AgEG" not in prepare.err.read_text() + prepare.out.read_text()
    assert not (tmp_path / "static").exists()
    assert not (tmp_path / "secrets").exists()
    assert not prepare.state.exists()


def test_a_template_that_only_an_image_has_is_not_missed_where_nothing_is_to_be_written(
    run: Run, world: "World", asked: dict[str, str], templates: Path
) -> None:
    world.put("info@acme.example.com")
    (templates / "smtp-in" / "daemon.conf.j2").unlink()
    assert ended(run("prepare", **asked | {"RECONFIGURE_STATIC_DIR": ""})) == 0


def test_preflight_covers_the_daemons_configuration(run: Run, world: "World", asked: dict[str, str]) -> None:
    world.put("info@acme.example.com")
    assert ended(run("prepare", **asked, PREFLIGHT="1")) == 0
    assert (Path(asked["RECONFIGURE_STATIC_DIR"]) / "daemon.conf").exists()


def test_preflight_fails_with_what_the_daemons_own_checker_says(
    run: Run, world: "World", asked: dict[str, str]
) -> None:
    world.put("info@acme.example.com")
    preflight = run("prepare", **asked, PREFLIGHT="1", RECONFIGURE_MESSAGE_BYTES="60000000")
    assert ended(preflight) == 1
    assert "size 60000000 is more than I take" in preflight.err.read_text()
    assert preflight.err.read_text().startswith("not ready: ")


def test_a_start_says_what_a_daemon_will_not_take_and_goes_on_with_the_others(
    run: Run, world: "World", asked: dict[str, str]
) -> None:
    world.put("info@acme.example.com")
    prepare = run("prepare", **asked, RECONFIGURE_MESSAGE_BYTES="60000000")
    assert ended(prepare) == 0
    refused = prepare.wait("configuration_refused")
    assert refused["file"] == "daemon.conf"
    assert "more than I take" in refused["error"]
