"""The real pipeline in a folder: templates of the tiers, makemap, and directories made from rows in memory.

`Workshop` builds generations of one tier as a pass does, without the sources; `Tier` makes whole passes against an AWS
double over HTTP; `restored` is what makemap reads back.
"""

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconfigure import assembly
from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, Directory, RawRow
from reconfigure.generations.build import Builder
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.maps import Makemap
from reconfigure.generations.store import GenerationStore
from reconfigure.outcome import Outcome, PassResult
from reconfigure.phases import Phases
from reconfigure.rendering import Renderer
from reconfigure.settings import Settings, load
from reconfigure.sources.aws import Clients
from reconfigure.tiers import TierManifest, load_manifest

REGION = "eu-west-1"
MANY = [f"shop{n}@acme.example.com" for n in range(20)]
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
    page: list[RawRow] = [
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
        return builder.build(directory, input_digest=digest, created=now, phases=Phases(), checkpoint=lambda: None)

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
def restored(tmp_path: Path) -> Callable[..., list[str]]:
    """What a compiled map says, as makemap reads it back: lines of key and value."""

    def restored(database: Path, *, options: Sequence[str] = ()) -> list[str]:
        # A copy, because sendmail's programs open no hard link below a folder that everyone may write to, such as /tmp.
        copy = shutil.copy(database, tmp_path / "copy.db")
        command = ["makemap", "-C", "/dev/null", *options, "-u", "btree", str(copy).removesuffix(".db")]
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
            str(path.relative_to(folder)): (
                is_.st_ino,
                is_.st_mode,
                is_.st_size,
                is_.st_mtime_ns,
                is_.st_nlink,
            )
            for path in sorted(folder.rglob("*"))
            for is_ in (path.lstat(),)
        }

    return seen


class Tier:
    """A tier as it runs: a whole Reconciler on an AWS double over HTTP, and a hand on what the sources say."""

    def __init__(self, aws: Clients, settings: Settings) -> None:
        self.aws = aws
        self.settings = settings
        self.reconciler = assembly.reconciler(settings)
        self.store = self.reconciler.store

    def put(self, *addresses: str, user: str = "alice") -> None:
        for address in addresses:
            item = {"address": {"S": address}, "user": {"S": user}}
            self.aws.dynamodb.put_item(TableName=self.settings.addresses_table, Item=item)

    def drop(self, *addresses: str) -> None:
        for address in addresses:
            self.aws.dynamodb.delete_item(TableName=self.settings.addresses_table, Key={"address": {"S": address}})

    def enroll(self, name: str, osid: int) -> None:
        pool = str(self.settings.cognito_pool_id)
        self.aws.cognito.admin_create_user(
            UserPoolId=pool, Username=name, UserAttributes=[{"Name": "custom:osid", "Value": str(osid)}]
        )
        self.aws.cognito.admin_set_user_password(UserPoolId=pool, Username=name, Password="Passw0rd!", Permanent=True)

    def pass_(self) -> PassResult:
        return self.reconciler.reconcile("operator")

    def at(self, **later: int) -> None:
        """Let time pass for the reconciler: `timedelta`'s arguments."""
        now = self.reconciler.now() + timedelta(**later)
        self.reconciler = replace(self.reconciler, now=lambda: now)

    def served(self, path: str = "mail/access") -> str:
        return (self.store.current / path).read_text()


@pytest.fixture(scope="session")
def aws(double_url: str) -> Iterator[Clients]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.delenv("AWS_PROFILE", raising=False)
        clients = Clients(REGION, double_url)
        yield clients
        clients.close()


@pytest.fixture
def tier(aws: Clients, tmp_path: Path) -> Iterator[Callable[..., Tier]]:
    """Make a tier with a table of its own, and the users alice, bob and carol in a pool of its own."""
    name = f"addresses-{uuid.uuid4().hex}"
    aws.dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "address", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "address", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    named = ("osid", "sending_limit")
    schema = [{"Name": one, "AttributeDataType": "String", "Mutable": True} for one in named]
    answer = aws.cognito.create_user_pool(PoolName=name, Schema=schema)  # type: ignore[arg-type]
    pool = answer["UserPool"]["Id"]
    made: list[Tier] = []

    def tier(kind: str = "imap", **more: str) -> Tier:
        settings = load(
            {
                "TIER": kind,
                "CERT_DOMAIN": "mail.example.com",
                "AWS_REGION": REGION,
                "AWS_ENDPOINT_URL": aws.dynamodb.meta.endpoint_url,
                "ADDRESSES_TABLE": name,
                "COGNITO_POOL_ID": pool,
                "COGNITO_CLIENT_ID": "client",
                "RECONFIGURE_STATE_DIR": str(tmp_path / "state"),
                "RECONFIGURE_HOMES_DIR": str(tmp_path / "home"),
                "RECONFIGURE_SECRETS_DIR": str(tmp_path / "secrets"),
                "RECONFIGURE_SUPERVISOR_SOCKET": "/nowhere/supervisor.sock",
                "RECONFIGURE_ABSENT_PROGRAMS": "skip",
                "RECONFIGURE_LOCK_WAIT": "20",
                **more,
            }
        )
        tier = Tier(aws, settings)
        if not made:
            for user, uid in USERS.items():
                tier.enroll(user, uid)
        made.append(tier)
        return tier

    yield tier
    for one in made:
        one.reconciler.clients.close()
    aws.dynamodb.delete_table(TableName=name)
    aws.cognito.delete_user_pool(UserPoolId=pool)


@pytest.fixture
def imap(tier: Callable[..., Any]) -> Any:
    """The delivery tier with twenty addresses live."""
    imap = tier("imap")
    imap.put(*MANY)
    assert imap.pass_().outcome is Outcome.CHANGED
    return imap
