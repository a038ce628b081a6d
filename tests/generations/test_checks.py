"""The daemons' own checkers against candidates: real sendmail under a host name with a domain, and real opendkim."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconfigure.directory.model import Directory
from reconfigure.errors import GenerationError

SENDMAIL = "sendmail opens every map and finds its first key"
OPENDKIM = "opendkim takes its tables"
HERE = Path(__file__).resolve()
# Of one's own: sendmail sleeps a minute on a host name without a domain, and hosts of tests often have none.
HOST = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--uts"]
NAMED = [*HOST, "sh", "-c", 'hostname check.example.com && exec "$@"', "sh"]

MakeDirectory = Callable[..., Directory]
MakeWorkshop = Callable[..., Any]
MakeProgram = Callable[[str, str], Path]
BuildNamed = Callable[..., dict[str, Any]]


def installed(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def build_named(tmp_path: Path, templates: Path) -> BuildNamed:
    """Build a generation of smtp-in on a host with a domain, and return what came of it."""
    tried = subprocess.run([*NAMED, "true"], check=False, capture_output=True, text=True, timeout=30)
    if tried.returncode:
        pytest.skip(f"no UTS namespace of one's own here: {tried.stderr}")

    def build_named(*, makemap: Path | str = "makemap") -> dict[str, Any]:
        script = [sys.executable, str(HERE.with_name("build_some.py"))]
        command = [*NAMED, *script, str(tmp_path / "state"), "smtp-in", str(templates), str(makemap), "1"]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parents[2])}
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100, env=environment)
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        left = [path.name for path in (tmp_path / "state" / "generations").rglob(".*")]
        assert left == []
        return found

    return build_named


@installed("sendmail")
def test_sendmail_opens_the_maps_of_a_candidate(build_named: BuildNamed) -> None:
    assert build_named()["checks"] == [{SENDMAIL: "passed"}]


@installed("sendmail")
@pytest.mark.skipif(os.geteuid() != 0, reason="sendmail wants the whole path to be root's")
def test_sendmail_opens_maps_that_three_generations_share(templates: Path) -> None:
    """Hard links are fine where no folder on the way may be written to by others, so not below /tmp."""
    script = [sys.executable, str(HERE.with_name("build_some.py")), "/mnt/state"]
    mounted = 'mount -t tmpfs -o mode=0755 none /mnt && hostname check.example.com && exec "$@"'
    command = ["unshare", "--mount", "--uts", "sh", "-c", mounted, "sh", *script, "imap", str(templates)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[2])}
    ended = subprocess.run(
        [*command, "makemap", "3"], check=False, capture_output=True, text=True, timeout=100, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"checks": [{SENDMAIL: "passed"}] * 3, "links": 3}


CHEATING = """
if [[ "$*" == *-u* ]]; then exec cat "${@: -1}"; fi
%s
"""


@installed("sendmail")
@pytest.mark.parametrize(
    ("what_it_does", "complaint"),
    [
        ('grep -v "^hosted" | makemap "$@"', "no match"),
        ('echo "no database" >"${@: -1}.db"', "cannot open|not found|no match"),
    ],
)
def test_sendmail_refuses_a_map_that_it_cannot_use(
    build_named: BuildNamed, program: MakeProgram, what_it_does: str, complaint: str
) -> None:
    """Even one that reading back did not find: this makemap errs both ways."""
    found = build_named(makemap=program("cheating-makemap", CHEATING % what_it_does))
    assert f"the check '{SENDMAIL}' refused the candidate" in found["error"]
    assert any(part in found["error"] for part in complaint.split("|")), found["error"]
    assert found["error"].endswith("the active generation serves on")


def test_without_a_domain_in_the_host_name_the_sendmail_check_is_skipped_and_said(
    workshop: MakeWorkshop, directory: MakeDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "nodomain")
    if shutil.which("sendmail") is None:
        pytest.skip("sendmail is not installed")
    assert workshop("smtp-in").build(directory()).checks == {SENDMAIL: "skipped: the host name has no domain"}


def test_a_checker_that_is_not_installed_is_said(
    workshop: MakeWorkshop,
    directory: MakeDirectory,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    makemap = shutil.which("makemap")
    assert makemap is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "makemap").symlink_to(makemap)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    made = workshop("smtp-out").build(directory())
    assert made.checks == {SENDMAIL: "not installed", OPENDKIM: "not installed"}


@installed("opendkim")
def test_opendkim_takes_the_tables_of_a_candidate(workshop: MakeWorkshop, directory: MakeDirectory) -> None:
    made = workshop("smtp-out").build(directory())
    assert made.checks[OPENDKIM] == "passed"


@installed("opendkim")
@pytest.mark.parametrize("table", ["KeyTable", "SigningTable", "TrustedHosts"])
def test_opendkim_refuses_a_candidate_without_its_tables(
    workshop: MakeWorkshop, directory: MakeDirectory, templates: Path, tmp_path: Path, table: str
) -> None:
    other = shutil.copytree(templates, tmp_path / "templates")
    manifest = other / "smtp-out" / "tier.yaml"
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text("".join(line for line in lines if f"path: opendkim/{table}," not in line))
    at = workshop("smtp-out", templates=other)
    with pytest.raises(GenerationError, match=rf"the check '{OPENDKIM}' refused the candidate .*{table}"):
        at.build(directory())
    assert list(at.store.folder.iterdir()) == []


def test_a_checker_that_hangs_is_ended_and_nothing_is_left(
    workshop: MakeWorkshop,
    directory: MakeDirectory,
    program: MakeProgram,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    program("opendkim", "exec sleep 600")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    at = workshop("smtp-out", timeout=0.5)
    with pytest.raises(GenerationError, match=f"the check '{OPENDKIM}' took longer than 0.5 s and was ended"):
        at.build(directory())
    assert list(at.store.folder.iterdir()) == []
