import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconfigure.cli.history import KEYS


def test_passes_and_generations_are_listed_newest_first(
    changed: Any,  # noqa: ARG001
    run: Any,
    generations: Callable[[], list[str]],
) -> None:
    result = run("history")
    assert result.exit_code == 0
    old, new = generations()
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[2:4] for line in lines[1:3]] == [["changed", "operator"], ["changed", "operator"]]
    assert lines[1][6:] == ["addr", "+1", "-2"]
    assert [line[0] for line in lines if line and line[0] in {old, new}] == [new, old]
    assert next(line for line in lines if line and line[0] == new)[3:] == ["active", "8", "3", "3", "addr", "+1", "-2"]
    assert next(line for line in lines if line and line[0] == old)[3:] == ["before", "8", "3", "3", "the", "first"]


def test_the_json_document_has_the_documented_keys_and_the_same_content(
    held: Any,  # noqa: ARG001
    run: Any,
    generations: Callable[[], list[str]],
) -> None:
    document = json.loads(run("history", "--json").stdout)
    assert set(document) == KEYS.keys()
    assert [line["outcome"] for line in document["passes"]] == ["held", "changed"]
    second, first = document["generations"]
    assert [first["id"], second["id"]] == generations()
    assert set(first) == {"id", "created", "parent", "marks", "counts", "changes", "error"}
    assert (first["marks"], second["marks"]) == (["active"], ["held"])
    assert second["parent"] == first["id"]
    assert second["changes"] == {"addresses lost": 4, "domains lost": 1}
    assert second["counts"]["addresses"] == 4


def test_what_was_taken_away_while_a_generation_is_held_stands_beside_its_own(live: Any, run: Any) -> None:
    for address in ("alice@example.com", "shop@acme.example.com", "seeds@garden.example.org", "carol@example.com"):
        live.put(address, "bob")
    live.delete("orders@acme.example.com")
    assert run("once").exit_code == 1
    document = json.loads(run("history", "--json").stdout)
    held, less, first = document["generations"]
    assert (first["marks"], less["marks"], held["marks"]) == (["before"], ["active"], ["held"])
    assert (less["parent"], held["parent"]) == (first["id"], less["id"])
    assert (less["changes"], held["changes"]) == ({"addresses lost": 1}, {"addresses reassigned": 4})
    assert "what was revoked is live all the same" in " ".join(run("history").stdout.split())
    assert "what was revoked is live" in json.loads(run("status", "--json").stdout)["report"]["last_error"]["error"]


def test_the_limit_is_kept(changed: Any, run: Any) -> None:  # noqa: ARG001
    document = json.loads(run("history", "--json", "--limit", "1").stdout)
    assert len(document["passes"]) == len(document["generations"]) == 1
    document = json.loads(run("history", "--json", "--limit", "0").stdout)
    assert document == {"passes": [], "generations": []}


def test_the_reason_of_a_pass_that_was_not_good_is_told(held: Any, run: Any) -> None:  # noqa: ARG001
    assert "4 of 8 addresses would be gone" in " ".join(run("history").stdout.split())


def test_before_the_first_pass_there_is_nothing_to_list(run: Any, state: Path) -> None:
    result = run("history")
    assert result.exit_code == 0
    assert "no generations in" in result.stdout
    assert json.loads(run("history", "--json").stdout) == {"passes": [], "generations": []}
    assert not state.exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"files": {}}', b'{"id": "x"', b'{"files": {"a": 1}}'])
def test_a_damaged_manifest_hides_no_other_generation(
    changed: Any,  # noqa: ARG001
    run: Any,
    state: Path,
    generations: Callable[[], list[str]],
    content: bytes,
) -> None:
    old, new = generations()
    (state / "generations" / old / "manifest.json").write_bytes(content)
    result = run("history")
    assert result.exit_code == 0
    assert "damaged" in next(line for line in result.stdout.splitlines() if line.startswith(old))
    assert "active" in next(line for line in result.stdout.splitlines() if line.startswith(new))
    by_id = {one["id"]: one for one in json.loads(run("history", "--json").stdout)["generations"]}
    assert "manifest.json" in by_id[old]["error"]
    assert by_id[new]["error"] is None


def test_damaged_and_strange_lines_of_the_history_do_no_harm(changed: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    with (state / "history.jsonl").open("ab") as file:
        file.write(b'{"time": "\\u001b[2J", "outcome": ["x"], "changes": 7, "seconds": "long", "by": {}}\n')
        file.write(b'{"time": 3, "changes": {"addresses": null, "\\u001b[1m lost": 2}, "reason": ["a", "b"]}\n')
        file.write(b"[]\n\xff\xff\n{}\n" + b'{"torn": ')
    result = run("history")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert result.stdout.count("operator") == 2
    assert run("status").exit_code == 0
    assert run("history", "--json").exit_code == 0
