"""A tier's manifest: what the shipped ones say, and that every mistake in one is reported at once, with its place."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconfigure.errors import ConfigurationError
from reconfigure.generations.compare import SNAPSHOT_FOLDER
from reconfigure.generations.store import MANIFEST_NAME
from reconfigure.tiers import MapSpec, Reload, load_manifest

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
FILE = {"path": "mail/access", "template": "access.j2"}


@pytest.fixture
def problems(tmp_path: Path) -> Callable[[Any], list[str]]:
    """Return what is wrong with a document, place and all; nothing when it loads."""
    (tmp_path / "imap").mkdir()
    (tmp_path / "shared").mkdir()
    for name in ("imap/access.j2", "imap/check.j2", "shared/domains.j2"):
        (tmp_path / name).write_text("")

    def load(document: Any) -> list[str]:
        text = document if isinstance(document, bytes) else json.dumps(document).encode()  # JSON is YAML
        (tmp_path / "imap/tier.yaml").write_bytes(text)
        try:
            load_manifest(tmp_path, "imap")
        except ConfigurationError as error:
            return [problem.replace(f"{tmp_path}/imap/tier.yaml: ", "") for problem in error.problems]
        return []

    return load


@pytest.mark.parametrize(
    ("tier", "files"),
    [
        ("imap", {"virtusertable", "access", "aliases", "domains", "passwd", "group", "shadow"}),
        ("smtp-in", {"access", "mailertable", "domains"}),
        (
            "smtp-out",
            {
                "access",
                "mailertable",
                "senders",
                "domains",
                "KeyTable",
                "SigningTable",
                "TrustedHosts",
                "limits",
                "passwd",
                "group",
                "shadow",
            },
        ),
    ],
)
def test_each_tier_has_the_files_that_daemons_are_configured_with(tier: str, files: set[str]) -> None:
    manifest = load_manifest(TEMPLATES, tier)
    assert {Path(spec.path).name for spec in manifest.files} == files
    for spec in manifest.files:
        assert (spec.map is not None) == spec.path.startswith("mail/")
        # On imap processes run as users: who has which address is not theirs to read.
        private = spec.path == "passwd/shadow" or (tier == "imap" and spec.map is not None)
        assert spec.mode == (0o640 if private else 0o644)
    assert manifest.homes is (tier == "imap")


def test_opendkim_is_never_sent_the_signal_that_ends_it() -> None:
    reloads = load_manifest(TEMPLATES, "smtp-out").reloads
    assert reloads == {
        Reload("mail:opendkim", "signal:USR1"): ("opendkim/KeyTable", "opendkim/SigningTable"),
        Reload("mail:opendkim", "restart"): ("opendkim/TrustedHosts",),
    }
    assert load_manifest(TEMPLATES, "imap").reloads == load_manifest(TEMPLATES, "smtp-in").reloads == {}


def test_defaults_are_a_plain_file_that_everyone_reads(tmp_path: Path) -> None:
    (tmp_path / "imap").mkdir()
    (tmp_path / "imap/access.j2").write_text("")
    (tmp_path / "imap/tier.yaml").write_text("files: [{path: mail/access, template: access.j2}]")
    manifest = load_manifest(tmp_path, "imap")
    [spec] = manifest.files
    assert (spec.mode, spec.owner, spec.map, spec.reload, spec.files) == (0o644, None, None, None, ("mail/access",))
    assert (manifest.checks, manifest.secrets, manifest.homes) == ((), (), False)


def test_a_map_is_two_files() -> None:
    [aliases] = [spec for spec in load_manifest(TEMPLATES, "imap").files if spec.path == "mail/aliases"]
    assert aliases.map == MapSpec(kind="btree", separator=":")
    assert aliases.files == ("mail/aliases", "mail/aliases.db")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("text", "files[0]: not a mapping"),
        ({**FILE, "maps": "hash"}, "files[0]: unknown key 'maps'"),
        ({"path": "mail/access"}, "files[0]: template is missing or not a string"),
        ({"template": "access.j2"}, "files[0]: path is missing or not a string"),
        ({**FILE, "path": 5}, "files[0]: path is missing or not a string"),
        ({**FILE, "template": "absent.j2"}, "files[0]: template 'absent.j2' is neither in"),
        ({**FILE, "template": "../x.j2"}, "files[0]: template '../x.j2' must be a plain relative path"),
        *(
            ({**FILE, "path": path}, f"files[0]: path {path!r} must be a plain relative path")
            for path in ("/etc/passwd", "../x", "mail/../../x", "./x", "mail//x", "mail/", ".", "a\nb", "a\0b", "ü")
        ),
        *(
            ({**FILE, "path": path}, f"files: {path} is a place that generations keep for themselves")
            for path in (MANIFEST_NAME, f"{SNAPSHOT_FOLDER}/x", f"{MANIFEST_NAME}/x", ".check.conf", ".x/y")
        ),
        ({**FILE, "map": "dbm"}, "files[0]: map is 'dbm'; one of btree, hash"),
        ({**FILE, "map": "hash", "separator": "::"}, "files[0]: separator is '::'; one character, and only of a map"),
        ({**FILE, "separator": ":"}, "files[0]: separator is ':'; one character, and only of a map"),
        *(
            ({**FILE, "mode": mode}, f"files[0]: mode is {mode!r}; four octal digits in quotes, such as '0644'")
            for mode in (420, "644", "4755", "0888", "", "rw-r--r--", ["0644"], "0644\n")
        ),
        ({**FILE, "owner": 0}, "files[0]: owner is missing or not a string"),
        ({**FILE, "reload": "restart"}, "files[0].reload: not a mapping"),
        ({**FILE, "reload": {"how": "restart"}}, "files[0].reload: program is missing or not a string"),
        ({**FILE, "reload": {"program": "x"}}, "files[0].reload: how is missing or not a string"),
        ({**FILE, "reload": {"program": "x", "how": "kill -9"}}, "files[0].reload: how is 'kill -9'; 'restart' or"),
        ({**FILE, "reload": {"program": "x", "how": "signal:usr1"}}, "files[0].reload: how is 'signal:usr1'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_one_problem_at_its_place(
    problems: Callable[[Any], list[str]], entry: Any, problem: str
) -> None:
    found = problems({"files": [entry]})
    assert any(one.startswith(problem) for one in found), found
    assert len(found) == 1 or not isinstance(entry, dict), found


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (None, "the document: not a mapping"),
        ([], "the document: not a mapping"),
        ({}, "files: a tier without files has nothing to reconcile"),
        ({"files": {}}, "files: not a list"),
        ({"files": [FILE, FILE]}, "files: two entries make mail/access"),
        ({"files": [{**FILE, "map": "hash"}, {**FILE, "path": "mail/access.db"}]}, "files: two entries make mail/acc"),
        ({"files": [FILE, {**FILE, "path": "mail"}]}, "files: mail/access would lie within the file mail"),
        (
            {"files": [FILE], "static": [{"path": "x", "template": "x.j2", "check": ["daemon", "-t"]}]},
            "static[0]: check does not name {file}",
        ),
        ({"files": [FILE], "homes": "yes"}, "homes: homes is 'yes'; true or false"),
        ({"files": [FILE], "check": []}, "the document: unknown key 'check'"),
        ({"files": [FILE], "checks": [{}]}, "checks[0]: name is missing or not a string"),
        (
            {"files": [FILE], "checks": [{"name": "x", "command": "sendmail -bt", "config": "check.j2"}]},
            "checks[0]: command is not a list of strings",
        ),
        ({"files": [FILE], "checks": [{"name": "x", "command": ["x"], "config": "check.j2"}] * 2}, "checks: two"),
        ({"files": [FILE], "secrets": [{"setting": "tls_key", "path": "/etc/x"}]}, "secrets[0]: path '/etc/x' must be"),
        ({"files": [FILE], "secrets": [{"setting": "tls_key", "path": "x"}] * 2}, "secrets: two entries make x"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_document_is_named(problems: Callable[[Any], list[str]], document: Any, problem: str) -> None:
    assert any(one.startswith(problem) for one in problems(document))


def test_all_mistakes_are_reported_at_once(problems: Callable[[Any], list[str]]) -> None:
    document = {
        "files": [{**FILE, "mode": 420}, {"path": "/x", "template": "absent.j2"}, {**FILE, "map": "dbm"}],
        "checks": [{"name": "x"}],
        "secrets": [{"path": "x"}],
        "homes": 1,
        "more": True,
    }
    places = [problem.partition(": ")[0] for problem in problems(document)]
    in_files = ["files[0]", "files[1]", "files[1]", "files[2]", "files"]
    assert sorted(places) == sorted(["the document", *in_files, "checks[0]", "checks[0]", "secrets[0]", "homes"])


@pytest.mark.parametrize("text", [b"files: [", b"\xff\xfe\x00", b"a: b: c", b"files: !!python/object:os.system {}"])
def test_what_is_not_yaml_is_said_so(problems: Callable[[Any], list[str]], text: bytes) -> None:
    [problem] = problems(text)
    assert "is not YAML" in problem


def test_a_tier_without_manifest_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="RECONFIGURE_TEMPLATES_DIR"):
        load_manifest(tmp_path, "imap")


def test_the_example_on_the_reference_page_loads(problems: Callable[[Any], list[str]], tmp_path: Path) -> None:
    page = (ROOT / "docs/reference/tier-manifest.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    for name in re.findall(r"[\w/.-]+\.j2", example):
        (tmp_path / "imap" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "imap" / name).write_text("")
    assert problems(example.encode()) == []
    used = {key for entry in yaml.safe_load(example)["files"] for key in entry}
    assert used == {"path", "template", "mode", "owner", "map", "separator", "reload"}
    for key in used | {"command", "config", "probe", "needs_domain", "refuse", "setting", "homes"}:
        assert f"| `{key}` |" in page
