"""The benchmarks at a size that takes seconds: that they measure real passes, not what they say of speed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SIZE = 200


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    figures = tmp_path_factory.mktemp("bench") / "figures.json"
    ended = subprocess.run(
        [sys.executable, "-m", "bench", "--sizes", str(SIZE), "--runs", "1", "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Against the goals" in ended.stdout
    document = json.loads(figures.read_text())
    assert document["machine"].keys() == {"cores", "python"}
    results: list[dict[str, Any]] = document["full"]["results"]
    return results


def test_each_tier_is_measured_in_three_passes_beside_makemap(measured: list[dict[str, Any]]) -> None:
    assert [one["tier"] for one in measured] == ["imap", "smtp-in", "smtp-out"]
    for one in measured:
        assert one["size"] == SIZE
        assert one["passes"].keys() == {"first", "unchanged", "one more"}
        assert {"read users", "read", "validate", "render", "compile", "check", "write"} <= one["passes"]["first"][
            "phases"
        ].keys()
        assert one["makemap"].keys() == {"cpu", "wall", "peak_mb"}
        assert one["goals"]["ratio"] == 3.0
        assert {"ratio", "ratio_again"} <= one.keys()
        for passed in one["passes"].values():
            assert {"cpu", "wall", "peak_mb", "rest_mb", "counts", "checks"} <= passed.keys()


def test_what_is_measured_is_a_generation_with_every_address_of_the_world(measured: list[dict[str, Any]]) -> None:
    for one in measured:
        counts = one["passes"]["first"]["counts"]
        assert counts["rows"] == SIZE
        assert counts["addresses"] == SIZE
        assert counts["suspended"] == SIZE // 100
        assert counts["dangling"] == SIZE // 200
        assert counts["users"] == 10
        assert one["passes"]["one more"]["counts"]["addresses"] == SIZE + 1


def test_a_pass_with_nothing_changed_makes_no_generation_and_one_change_writes_only_what_it_changes(
    measured: list[dict[str, Any]],
) -> None:
    for one in measured:
        passes = one["passes"]
        assert [passes[name]["outcome"] for name in ("first", "unchanged", "one more")] == [
            "changed",
            "unchanged",
            "changed",
        ]
        assert set(passes["first"]["files"].values()) == {"written"}
        assert passes["unchanged"]["files"] == {}
        assert passes["one more"]["files"]["mail/access.db"] == "written"
        assert passes["one more"]["files"]["mail/domains.db"] == "linked"
