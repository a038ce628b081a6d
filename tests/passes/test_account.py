"""Started as root with an account of its own: what is written for others is root's, the state folder is the account's.

Needs root and the account `daemon`, which every Debian has.
"""

import os
import pwd
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import pytest

from reconfigure import account
from reconfigure.errors import ConfigurationError
from tests.passes.conftest import CHECKOUT

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")

Run = Callable[..., "Daemon"]

ACCOUNT = "daemon"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"
SECRETS = {"TLS_CA_BUNDLE": CERTIFICATE, "TLS_CERT": CERTIFICATE, "TLS_KEY": KEY}


LAY = """
lay() {
    (umask 022; mkdir -p "$2")
    for each in "$1"/* "$1"/.[!.]*; do
        if [ -d "$each" ]; then mkdir "$2/${each##*/}"; elif [ -f "$each" ]; then : >"$2/${each##*/}"; else continue; fi
        mount --bind "$each" "$2/${each##*/}"
    done
}
mount -t tmpfs none /mnt
"""


def cover(place: Path) -> Path | None:
    """Return the topmost folder on the way to a place that root alone may enter; None where everybody may."""
    return next((folder for folder in reversed((place, *place.parents)) if not folder.stat().st_mode & 0o001), None)


def reachable(covers: Mapping[Path, Path]) -> str:
    """Return a script that lays what is below such folders where everybody may enter, in its own view, and goes on."""
    places = [(f"/mnt/{number}", quote(str(place))) for number, place in enumerate(covers)]
    bind = [f"mkdir {kept}; mount --bind {place} {kept}" for kept, place in places]
    hide = [f"mount -t tmpfs -o mode=0755 none {quote(str(folder))}" for folder in set(covers.values())]
    lay = [f"lay {kept} {place}" for kept, place in places]
    return LAY + "\n".join([*bind, *hide, *lay, 'cd "$PWD"', 'exec "$@"'])


@pytest.fixture
def run(run: Run) -> Run:
    # Python and the checkout may lie where root alone may look (in root's home).
    places = {Path(sys.base_prefix), CHECKOUT, *({Path(sys.prefix)} - {CHECKOUT / ".venv"})}
    covers = {place: folder for place in places if (folder := cover(place)) is not None}
    return partial(run, through=["unshare", "--mount", "sh", "-ec", reachable(covers), "sh"]) if covers else run


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other accounts get to, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="rc-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def places(folder: Path) -> dict[str, str]:
    (folder / "settings.yaml").touch()
    return SECRETS | {
        "RECONFIGURE_CONFIG": str(folder / "settings.yaml"),
        "RECONFIGURE_STATE_DIR": str(folder / "state"),
        "RECONFIGURE_SECRETS_DIR": str(folder / "secrets"),
        "RECONFIGURE_SUPERVISOR_SOCKET": str(folder / "s"),
    }


@pytest.fixture
def own(places: dict[str, str]) -> dict[str, str]:
    return places | {"RECONFIGURE_USER": ACCOUNT}


def ended(daemon: "Daemon") -> int:
    return daemon.process.wait(timeout=60)


def owners(folder: Path) -> set[str]:
    return {pwd.getpwuid(path.lstat().st_uid).pw_name for path in (folder, *folder.rglob("*"))}


def test_the_state_folder_is_the_accounts_and_the_secrets_stay_roots(
    run: Run, world: "World", own: dict[str, str], folder: Path
) -> None:
    world.put("info@acme.example.com")
    prepare = run("prepare", **own)
    assert ended(prepare) == 0, prepare.err.read_text()
    assert "info@acme.example.com" in prepare.served()
    assert owners(folder / "state") == {ACCOUNT}
    assert owners(folder / "secrets") == {"root"}


def test_what_an_earlier_start_left_as_roots_is_handed_over_and_no_link_is_followed(
    run: Run, world: "World", places: dict[str, str], folder: Path
) -> None:
    world.put("info@acme.example.com")
    assert ended(run("prepare", **places)) == 0
    assert owners(folder / "state") == {"root"}
    (folder / "outside").mkdir()
    (folder / "outside" / "file").touch()
    (folder / "state" / "generations" / "link").symlink_to(folder / "outside" / "file")
    (folder / "state" / "generations" / "way").symlink_to(folder / "outside")
    world.put("more@acme.example.com")
    again = run("prepare", **places, RECONFIGURE_USER=ACCOUNT)
    assert ended(again) == 0, again.err.read_text()
    assert "more@acme.example.com" in again.served()
    assert owners(folder / "state") == {ACCOUNT}
    assert owners(folder / "outside") == {"root"}


def test_an_operators_pass_in_a_root_shell_leaves_nothing_of_roots(
    run: Run, world: "World", own: dict[str, str], folder: Path
) -> None:
    world.put("info@acme.example.com")
    assert ended(run("prepare", **own)) == 0
    world.put("more@acme.example.com")
    once = run("once", **own)
    assert ended(once) == 0, once.err.read_text()
    rollback = run("rollback", "--yes", **own)
    assert ended(rollback) == 0, rollback.err.read_text()
    assert "more@acme.example.com" not in rollback.served()
    for command in ("pause", "resume", "once"):
        done = run(command, **own)
        assert ended(done) == 0, done.err.read_text()
    assert "more@acme.example.com" in done.served()
    assert owners(folder / "state") == {ACCOUNT}
    assert '"by": "root' in (folder / "state" / "history.jsonl").read_text(), "it still says who asked"


def test_the_loop_runs_as_the_account_and_cannot_go_back(run: Run, world: "World", own: dict[str, str]) -> None:
    world.put("info@acme.example.com")
    assert ended(run("prepare", **own)) == 0
    loop = run("run", **own)
    loop.wait("pass_finished")
    said = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{loop.process.pid}/status").read_text().splitlines()
        if ":\t" in line
    )
    wanted = pwd.getpwnam(ACCOUNT)
    assert said["Uid"].split() == [str(wanted.pw_uid)] * 4
    assert said["Gid"].split() == [str(wanted.pw_gid)] * 4
    assert "0" not in said["Groups"].split()
    assert int(said["CapEff"], 16) == int(said["CapPrm"], 16) == 0
    assert loop.stop() == 0


def test_an_account_that_does_not_exist_is_said_before_anything_is_written(
    run: Run, places: dict[str, str], folder: Path
) -> None:
    prepare = run("prepare", **places, RECONFIGURE_USER="nobody-at-all")
    assert ended(prepare) == 78
    assert "the system has no account nobody-at-all" in prepare.err.read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["settings.yaml"]


def test_a_folder_that_holds_other_things_is_not_handed_over(folder: Path) -> None:
    (folder / "dpkg").mkdir()
    with pytest.raises(ConfigurationError, match="holds dpkg"):
        account.hand_over(ACCOUNT, state_dir=folder, socket=folder / "s")
    assert owners(folder) == {"root"}


def test_a_volume_that_is_new_is_handed_over_whatever_its_file_system_put_there(folder: Path) -> None:
    (folder / "lost+found").mkdir()
    account.hand_over(ACCOUNT, state_dir=folder, socket=folder / "s")
    assert pwd.getpwuid(folder.stat().st_uid).pw_name == ACCOUNT
    assert owners(folder / "lost+found") == {"root"}


def test_supervisords_socket_is_for_root_and_the_accounts_group_alone(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s"))
        account.hand_over(ACCOUNT, state_dir=folder / "state", socket=folder / "s")
    found = (folder / "s").stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o770, 0, pwd.getpwnam(ACCOUNT).pw_gid)
