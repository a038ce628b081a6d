"""Templates are data: a new file needs no Python, and a mistake in one is named with its template and line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reconfigure.directory.assemble import assemble
from reconfigure.directory.model import CognitoUser, Directory
from reconfigure.errors import ConfigurationError
from reconfigure.rendering import Renderer, View
from reconfigure.tiers import load_manifest


@pytest.fixture
def world() -> Directory:
    rows = [{"address": {"S": f"{name}@acme.example"}, "user": {"S": "alice/bob"}} for name in ("shop", "info")]
    return assemble([rows], [CognitoUser("alice", True, True, "1000"), CognitoUser("bob", True, True, "1001")])


@pytest.fixture
def copy(templates: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(templates, tmp_path / "templates"))


def add(copy: Path, name: str, text: str, tier: str = "imap") -> None:
    (copy / name).write_text(text, encoding="utf-8")
    manifest = copy / tier / "tier.yaml"
    entry = f"  - {{path: mail/new, template: {Path(name).name if name.startswith(tier) else name}, map: btree}}\n"
    manifest.write_text(manifest.read_text().replace("files:\n", f"files:\n{entry}"))


def test_a_new_file_is_a_template_and_an_entry(
    copy: Path, renderer_of: Callable[..., Renderer], world: Directory
) -> None:
    add(copy, "imap/new.j2", "{% for user in world.users %}\n{{ user.name }}\t{{ user.uid }}\n{% endfor %}\n")
    [spec] = [spec for spec in load_manifest(copy, "imap").files if spec.path == "mail/new"]
    content = b"".join(renderer_of("imap", copy).stream(spec.template, View(world)))
    assert content == b"alice\t1000\nbob\t1001\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("first\n{{ nobody_knows }}\n", "broken.j2:2"),
        ("{{ settings.nobody_knows }}\n", "broken.j2:1"),
        ("\n\n{{ world.nobody_knows }}\n", "broken.j2:3"),
        ("{% for user in world.users %}\n\n{{ user.password }}\n{% endfor %}\n", "broken.j2:3"),
        ("a\n{% for %}\n", "broken.j2:2"),
        ("a\n\n{{ world | nobody_knows }}\n", "broken.j2:3"),
        ("a\n{% for name, target in world.addresses %}\n{{ name }}\n{% endfor %}\n", "broken.j2:2"),
        ("a\n{{ world.users + 1 }}\n", "broken.j2:2"),
        ("a\n{% include 'absent.j2' %}\n", "broken.j2:2"),
        ("a\n{% include 'shared/inner.j2' %}\n", "shared/inner.j2:2"),
    ],
)
def test_a_mistake_in_a_template_is_named_by_template_and_line(
    copy: Path, renderer_of: Callable[..., Renderer], world: Directory, text: str, place: str
) -> None:
    (copy / "shared/inner.j2").write_text("inner\n{{ nobody_knows }}\n")
    (copy / "imap/broken.j2").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        list(renderer_of("imap", copy).stream("broken.j2", View(world)))
    assert f"rendering {place} of tier imap failed: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_would_not_be_ascii_is_refused(
    copy: Path, renderer_of: Callable[..., Renderer], world: Directory
) -> None:
    (copy / "imap/broken.j2").write_text("# a comment → with an arrow\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"broken\.j2.*not ASCII"):
        list(renderer_of("imap", copy).stream("broken.j2", View(world)))


def test_what_a_template_may_look_at_can_be_looped_over_again_and_again(
    copy: Path, renderer_of: Callable[..., Renderer], world: Directory
) -> None:
    loops = "".join(f"{{% for one in world.{name} %}}{{{{ one }}}}{{% endfor %}}.\n" for name in
                    ("addresses", "active", "groups", "domains", "users"))  # fmt: skip
    (copy / "imap/twice.j2").write_text(loops * 2)
    lines = b"".join(renderer_of("imap", copy).stream("twice.j2", View(world))).splitlines()
    assert len(lines) == 10
    assert all(len(line) > 1 for line in lines)
    assert lines[:5] == lines[5:]


def digests(renderer_of: Callable[..., Renderer], copy: Path, **settings: str) -> dict[str, str]:
    return {tier: renderer_of(tier, copy, **settings).digest() for tier in ("imap", "smtp-in", "smtp-out")}


@pytest.mark.parametrize(
    "name", ["imap/access.j2", "shared/passwd.j2", "imap/tier.yaml", "shared/check-sendmail.cf.j2"]
)
def test_the_digest_changes_with_whatever_decides_the_bytes(
    copy: Path, renderer_of: Callable[..., Renderer], name: str
) -> None:
    before = renderer_of("imap", copy).digest()
    with (copy / name).open("a") as file:
        file.write("# more\n")
    assert renderer_of("imap", copy).digest() != before


@pytest.mark.parametrize("name", ["smtp-in/lent.j2", "lent.j2", "smtp-in/lent.txt"])
def test_the_digest_knows_a_template_wherever_it_lies(
    copy: Path, renderer_of: Callable[..., Renderer], name: str
) -> None:
    add(copy, name, "a\tb\n")
    before = renderer_of("imap", copy).digest()
    (copy / name).write_text("a\tc\n")
    assert renderer_of("imap", copy).digest() != before


def test_the_digest_changes_with_a_setting_and_with_nothing_else(
    copy: Path, renderer_of: Callable[..., Renderer], templates: Path
) -> None:
    assert digests(renderer_of, copy) == digests(renderer_of, templates)
    assert len(set(digests(renderer_of, copy).values())) == 3
    assert digests(renderer_of, copy, homes_dir="/srv")["imap"] != digests(renderer_of, copy)["imap"]
