import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconfigure.cli.diff import KEYS


def _json(result: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_without_arguments_it_says_what_the_last_change_did(
    changed: Any,  # noqa: ARG001
    run: Any,
    generations: Callable[[], list[str]],
) -> None:
    result = run("diff")
    assert result.exit_code == 0
    old, new = generations()
    assert result.stdout.splitlines() == [
        f"{old} -> {new}",
        "addresses  1 gained, 1 lost, 1 changed",
        "  + new@acme.example.com  active  carol",
        "  - orders@acme.example.com  active  bob",
        "  ~ shop@acme.example.com  active  alice -> suspended  alice",
        "files",
        "  mail/access         1 added, 1 removed, 1 changed",
        "  mail/virtusertable  1 added, 2 removed",
    ]


def test_users_are_shown_before_files(live: Any, run: Any) -> None:
    live.add_user("dave", 2004)
    live.put("dave@example.net", "dave")
    assert run("once").exit_code == 0
    lines = run("diff").stdout.splitlines()
    assert lines.index("  + dave  uid 2004") < lines.index("files")
    assert lines.index("  + example.net") < lines.index("files")


def test_the_first_generation_is_all_gain(live: Any, run: Any, active: Callable[[], str]) -> None:  # noqa: ARG001
    result = run("diff", "--limit", "2")
    assert result.stdout.startswith(f"nothing -> {active()}\naddresses  8 gained\n")
    assert "  ... and 6 more; see them with --limit 8" in result.stdout
    assert re.search(r"mail/virtusertable +8 added \(new\)", result.stdout)


def test_one_generation_is_compared_with_what_is_live_and_two_with_each_other(
    changed: Any, run: Any, generations: Callable[[], list[str]]
) -> None:
    changed.put("third@example.com", "bob")
    assert run("once").exit_code == 0
    first, second, third = generations()
    assert run("diff", first).stdout.startswith(f"{first} -> {third}\n")
    assert run("diff", second, first).stdout.startswith(f"{second} -> {first}\n")
    assert "+ orders@acme.example.com  active  bob" in run("diff", second, first).stdout
    assert run("diff", third, third).stdout == f"{third} -> {third}\n  no difference\n"


def test_a_generation_may_be_named_by_a_part_of_its_id_or_by_what_it_is(
    changed: Any,  # noqa: ARG001
    run: Any,
    generations: Callable[[], list[str]],
) -> None:
    old, new = generations()
    assert run("diff", old[-6:], new[:23]).stdout.startswith(f"{old} -> {new}\n")
    assert run("diff", "active", "before").stdout.startswith(f"{new} -> {old}\n")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("20991231T000000.000Z-00000000", "there is no generation"),
        ("2026", "may be any of|there is no generation"),
        ("", "there is no generation"),
        ("../../etc", "there is no generation"),
        (".", "there is no generation"),
        ("held", "nothing is held"),
        ("\x1b[2J\nx", "there is no generation"),
    ],
)
def test_a_generation_that_is_not_there_is_an_error_of_one_line(changed: Any, run: Any, name: str, why: str) -> None:  # noqa: ARG001
    result = run("diff", name)
    assert result.exit_code == 1
    assert re.search(why, result.stderr)
    assert "\x1b" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [["a", "b", "c"], ["a", "b", "--held"], ["--source", "--held"], ["a", "--source"]]
)
def test_too_many_generations_are_a_usage_error(live: Any, run: Any, arguments: list[str]) -> None:  # noqa: ARG001
    assert run("diff", *arguments).exit_code == 2


def test_against_the_source_nothing_is_applied(live: Any, run: Any, active: Callable[[], str], state: Path) -> None:
    before = active()
    assert "no difference" in run("diff", "--source").stdout
    live.put("new@acme.example.com", "carol")
    result = run("diff", "--source")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{before} -> source\naddresses  1 gained\n")
    assert re.search(r"mail/access +1 added", result.stdout)
    assert active() == before
    assert len(list((state / "generations").iterdir())) == 1


def test_what_is_held_is_mentioned_and_can_be_looked_at(
    held: Any,  # noqa: ARG001
    run: Any,
    generations: Callable[[], list[str]],
) -> None:
    first, second = generations()
    mentioned = " ".join(run("diff").stdout.split())
    assert f"{second} is held" in mentioned
    assert "reconfigure diff --held" in mentioned
    looked = run("diff", "--held").stdout
    assert looked.startswith(f"{first} -> {second}\naddresses  4 lost\n")
    assert "is held" not in looked
    assert run("diff", "active", "held").stdout == looked
    assert _json(run("diff", "--json"))["held"] == second
    assert _json(run("diff", "--held", "--json"))["held"] is None


def test_files_are_shown_line_by_line_up_to_the_limit(changed: Any, run: Any) -> None:  # noqa: ARG001
    result = run("diff", "--files", "--limit", "2")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    start = lines.index("mail/access 1 added, 1 removed, 1 changed")
    assert lines[start + 1 : start + 4] == [
        "+to:new@acme.example.com RELAY",
        "-to:orders@acme.example.com RELAY",
        "... and 1 more; see them with --limit 3",
    ]
    everything = run("diff", "--files").stdout
    assert "451 Address suspended" in everything
    assert "more; see" not in everything


def test_the_json_document_has_the_documented_keys_and_the_same_content(
    changed: Any,  # noqa: ARG001
    run: Any,
    generations: Callable[[], list[str]],
) -> None:
    document = _json(run("diff", "--json", "--files", "--limit", "2"))
    assert set(document) == KEYS.keys()
    assert [document["from"], document["to"]] == generations()
    assert document["different"] is True
    addresses = document["addresses"]
    assert (addresses["gained"], addresses["lost"], addresses["changed"]) == (1, 1, 1)
    assert addresses["listed"] == [
        {
            "name": "new@acme.example.com",
            "change": "gained",
            "old": None,
            "new": {"state": "active", "users": ["carol"]},
        },
        {
            "name": "orders@acme.example.com",
            "change": "lost",
            "old": {"state": "active", "users": ["bob"]},
            "new": None,
        },
    ]
    assert document["users"] == {"gained": 0, "lost": 0, "changed": 0, "listed": []}
    access, virtusertable = document["files"]
    assert (access["path"], access["added"], access["removed"], access["changed"]) == ("mail/access", 1, 1, 1)
    assert virtusertable["lines"][0] == {"old": None, "new": "new@acme.example.com\tcarol"}


def test_no_generation_at_all_is_said(run: Any) -> None:
    for arguments in (["diff"], ["diff", "--held"], ["diff", "active"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "no generation is active yet" in result.stderr or "nothing is held" in result.stderr


def test_a_file_that_is_gone_from_a_generation_is_said(changed: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    (state / "previous" / "mail" / "access").unlink()
    result = run("diff")
    assert result.exit_code == 1
    assert "mail/access" in result.stderr


def test_a_damaged_snapshot_is_shown_without_harm(changed: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    (state / "previous" / "directory" / "addresses").write_bytes(b"\xff\xfe\n\n\x1b[31m\n zzz\tactive\n\t\t\t\t\n")
    (state / "previous" / "directory" / "users").write_bytes(b"alice\nbob\tmany\tmore\n")
    result = run("diff")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert run("diff", "--json").exit_code == 0
