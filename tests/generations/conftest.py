"""The real pipeline in a folder: templates of the tiers, makemap, and directories made from rows in memory.

`Workshop` builds generations of one tier as a pass does, without the sources; `restored` is what makemap reads back.
"""

import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, Directory
from reconfigure.generations.build import Builder
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.maps import Makemap
from reconfigure.generations.store import GenerationStore
from reconfigure.phases import Phases
from reconfigure.rendering import Renderer
from reconfigure.tiers import TierManifest, load_manifest

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
USERS = {"alice": 2001, "bob": 2002, "carol": 2003}
ROWS = {
    "alice@example.com": "alice",
    "bob@example.net": "bob",
    "info@acme.example.com": "carol",
    "shop@acme.example.com": "alice/bob",
}
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def directory_of(
    rows: Mapping[str, str] = ROWS, users: Mapping[str, int] = USERS, *, suspended: Iterable[str] = ()
) -> Directory:
    """Return the directory of rows (address → user field) and users (name → UID)."""
    out = set(suspended)
    page = [
        {"address": {"S": name}, "user": {"S": owner}, "suspended": {"BOOL": name in out}}
        for name, owner in rows.items()
    ]
    return assemble(
        [page], [CognitoUser(name, confirmed=True, enabled=True, osid=str(uid)) for name, uid in users.items()]
    )


@dataclass
class Workshop:
    """Builds generations of one tier."""

    tier: TierManifest
    store: GenerationStore
    templates: Path = TEMPLATES
    makemap: Makemap = field(default_factory=Makemap)
    timeout: float = 120.0

    def build(self, directory: Directory, *, digest: str = "d" * 64, now: datetime = NOW) -> Manifest:
        self.store.prepare()
        settings = {
            "tier": self.tier.tier,
            "cert_domain": "mail.example.com",
            "imap_internal_host": "imap.mail.example.com",
            "secrets_dir": str(self.store.state_dir / "secrets"),
            "homes_dir": "/home",
        }
        renderer = Renderer(self.tier, self.templates, settings)
        builder = Builder(self.store, self.tier, renderer=renderer, makemap=self.makemap, timeout=self.timeout)
        return builder.build(
            directory, input_digest=digest, created=now, phases=Phases(), checkpoint=lambda: None
        )

    def live(self, directory: Directory) -> Manifest:
        """Build a generation and make it the active one."""
        made = self.build(directory)
        self.store.activate(made.id)
        return made

    def file(self, manifest: Manifest, path: str) -> Path:
        return self.store.path(manifest.id) / path


@pytest.fixture
def directory() -> Callable[..., Directory]:
    return directory_of


@pytest.fixture
def rows() -> dict[str, str]:
    return dict(ROWS)


@pytest.fixture
def templates() -> Path:
    return TEMPLATES


@pytest.fixture
def workshop(tmp_path: Path) -> Callable[..., Workshop]:
    def workshop(tier: str = "imap", *, templates: Path = TEMPLATES, **parts: Any) -> Workshop:
        return Workshop(load_manifest(templates, tier), GenerationStore(tmp_path / tier), templates, **parts)

    return workshop


@pytest.fixture
def restored() -> Callable[..., list[str]]:
    """What a compiled map says, as makemap reads it back: lines of key and value."""

    def restored(database: Path, *, options: Sequence[str] = ()) -> list[str]:
        command = ["makemap", "-C", "/dev/null", *options, "-u", "btree", str(database).removesuffix(".db")]
        ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
        return ended.stdout.splitlines()

    return restored


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write an executable shell script, such as a makemap that errs on the way to the real one."""

    def program(name: str, script: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        return path

    return program


@pytest.fixture
def seen() -> Callable[[Path], dict[str, tuple[int, ...]]]:
    """Everything below a folder with inode, mode, size and times: equal before and after means nothing was touched."""

    def seen(folder: Path) -> dict[str, tuple[int, ...]]:
        return {
            str(path.relative_to(folder)): (found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_nlink)
            for path in sorted(folder.rglob("*"))
            for found in (path.lstat(),)
        }

    return seen
