"""The package as `pip install .` puts it, outside of any checkout."""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from reconfigure.settings import Tier

CHECKOUT = Path(__file__).parents[1]
NEEDED = ("pyproject.toml", "README.md", "LICENSE", "reconfigure", "templates", "docs/runbooks")

LOAD = """
import sys
from reconfigure import assembly
from reconfigure.settings import Settings, Tier
settings = Settings(tier=Tier(sys.argv[1]), cert_domain="mail.example.com", aws_region="eu-west-1")
print(settings.templates_dir, len(assembly.templates(settings)[0].files))
"""


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the package installed, and what it depends on as it is here."""
    source, venv = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("venv")
    for name in NEEDED:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / name, source / name)
    _run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    libraries = venv / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    # A path of its own, not the whole folder as a site: its .pth files would lead back to the checkout.
    (libraries / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(venv / "bin/python"))
    _run(*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", str(source))
    shutil.rmtree(source)
    return venv


@pytest.mark.parametrize("tier", Tier)
def test_it_finds_the_templates_that_were_installed_with_it(venv: Path, tier: Tier) -> None:
    found, files = _run(str(venv / "bin/python"), "-I", "-c", LOAD, tier).split()
    assert found == str(venv / "share/reconfigure/templates")
    assert int(files) > 0


def test_it_finds_the_runbooks_that_were_installed_with_it(venv: Path) -> None:
    pages = sorted(page.name for page in (CHECKOUT / "docs/runbooks").glob("*.md"))
    assert sorted(page.name for page in (venv / "share/reconfigure/runbooks").iterdir()) == pages
    tier = {"TIER": Tier.SMTP_IN, "CERT_DOMAIN": "mail.example.com", "AWS_REGION": "eu-west-1"}
    assert "heartbeat was missed" in _run(str(venv / "bin/reconfigure"), "runbook", "1", env=tier)


def _run(*command: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd="/", env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
