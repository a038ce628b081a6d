"""What the chaos scripts share: a tier whose sources are in memory, and a look from outside at what is live.

The pass is the real one in every step but the reading: real templates, real makemap, real files. Whether what is live
is whole is judged without the package's own checks: by hashes, and by what makemap reads back.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import structlog

from reconfigure import assembly
from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, Directory
from reconfigure.observe import Observer
from reconfigure.phases import Phases
from reconfigure.reconcile import Checkpoint, Reconciler
from reconfigure.reporting.orders import PINNED_NAME
from reconfigure.settings import load

USERS = [
    CognitoUser(name, confirmed=True, enabled=True, osid=str(2001 + at)) for at, name in enumerate(("alice", "bob"))
]


def directory_of(addresses: Iterable[str]) -> Directory:
    """Return a directory with these addresses, all of them shared by alice and bob."""
    return assemble([[{"address": {"S": address}, "user": {"S": "alice/bob"}} for address in addresses]], USERS)


OLD = directory_of(f"shop{n}@acme.example.com" for n in range(6))
NEW = directory_of([*(f"shop{n}@acme.example.com" for n in range(6)), "new@another.example.com"])
LOSS = directory_of(["shop0@acme.example.com"])


@dataclass(frozen=True, kw_only=True)
class Memory(Observer):
    """Sources that say what `directory` returns."""

    directory: Callable[[], Directory]

    def everything(self) -> Directory:
        return self.directory()


@dataclass(frozen=True, kw_only=True)
class FromMemory(Reconciler):
    """A reconciler with such sources."""

    directory: Callable[[], Directory]

    def observer(self, phases: Phases, *, attempts: int, checkpoint: Checkpoint = lambda: None) -> Memory:
        return Memory(
            settings=self.settings,
            clients=self.clients,
            phases=phases,
            attempts=attempts,
            checkpoint=checkpoint,
            directory=self.directory,
        )


class Tier:
    """A tier in a folder; `says` is what its sources say."""

    def __init__(self, folder: Path, says: Directory, *, kind: str = "imap", **more: str) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        self.state = folder / "state"
        self.says = says
        self.settings = load(
            {
                "TIER": kind,
                "CERT_DOMAIN": "mail.example.com",
                "AWS_REGION": "eu-west-1",
                "COGNITO_POOL_ID": "eu-west-1_none",
                "COGNITO_CLIENT_ID": "none",
                "RECONFIGURE_STATE_DIR": str(self.state),
                "RECONFIGURE_HOMES_DIR": str(folder / "home"),
                "RECONFIGURE_SECRETS_DIR": str(folder / "secrets"),
                "RECONFIGURE_SUPERVISOR_SOCKET": str(folder / "none.sock"),
                "RECONFIGURE_HTTP": "off",  # its port would be one for all
                "RECONFIGURE_ABSENT_PROGRAMS": "skip",
                "RECONFIGURE_GUARD_MINIMUM": "2",
                "RECONFIGURE_LOCK_WAIT": "10",
                **more,
            }
        )
        made = assembly.reconciler(self.settings)
        parts = {field.name: getattr(made, field.name) for field in fields(made)}
        self.reconciler = FromMemory(**parts, directory=lambda: self.says)
        self.store = made.store

    def pass_(self, says: Directory | None = None) -> str:
        """Make a pass and return its outcome, and the reason when it is not good."""
        self.says = says or self.says
        result = self.reconciler.reconcile("operator")
        return str(result.outcome) + (f": {result.reason}" if result.reason else "")

    def live(self) -> str | None:
        """Return the input digest of what is live, or None; fails when that, or another generation, is not whole."""
        for manifest in (self.state / "generations").glob("[!.]*/manifest.json"):
            digest_of_whole(manifest.parent)
        current = self.state / "current"
        return digest_of_whole(current.resolve(strict=True)) if current.is_symlink() else None

    def digest(self, says: Directory) -> str:
        """Return the input digest that a generation of a directory has."""
        return self.reconciler.input_digest(says)

    def leftovers(self) -> list[str]:
        """Return what should not be there after a pass, and what should; a pin is no leftover while it is in force."""
        known = {"current", "previous", "generations", "held.json", "lock", "woken", "status.json", "history.jsonl"}
        if self.reconciler.orders.pin() is not None:
            known.add(PINNED_NAME)
        found = [path.name for path in self.state.iterdir() if path.name not in known]
        generations = (self.state / "generations").iterdir()
        return found + [path.name for path in generations if not (path / "manifest.json").is_file()]


def digest_of_whole(folder: Path) -> str:
    """Return the input digest of a generation; fails unless it is as its manifest says, and each map as its text."""
    document: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert present == {*document["files"], "manifest.json"}, f"{present} are there"
    digests = {}
    for path, record in document["files"].items():
        digests[path] = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        assert digests[path] == record["sha256"], f"{path} is not what the manifest says"
    for path, digest in digests.items():
        if path.endswith(".db"):
            agree(folder / path.removesuffix(".db"), digests[path.removesuffix(".db")], digest)
    return str(document["input_digest"])


_agreed: set[tuple[str, str]] = set()


def agree(text: Path, text_sha256: str, database_sha256: str) -> None:
    """Fail when a map does not say what its text says; each pair of contents is read back once."""
    if (text_sha256, database_sha256) in _agreed:
        return
    options = ["-t", ":"] if text.name == "aliases" else []
    # A copy, because sendmail's programs open no hard link below a folder that everyone may write to, such as /tmp.
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(f"{text}.db", folder)
        command = ["makemap", "-C", "/dev/null", *options, "-u", "btree", copy.removesuffix(".db")]
        ended = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    wanted = [line for line in text.read_text().splitlines() if not line.startswith("#")]
    assert ended.stdout.splitlines() == wanted, f"{text.name}.db does not say what {text.name} says"
    _agreed.add((text_sha256, database_sha256))
