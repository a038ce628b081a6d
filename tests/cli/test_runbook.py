"""`runbook`: the pages, from wherever they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from reconfigure.cli.runbook import KEYS

FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONFIGURE_RUNBOOKS_DIR", str(FOLDER))


def test_without_a_name_all_are_listed(run: Any) -> None:
    told = run("runbook").stdout
    document = json.loads(run("runbook", "--json").stdout)
    assert [one["number"] for one in document["pages"]] == list(range(1, 18))
    assert set(document) <= KEYS.keys()
    for one in document["pages"]:
        assert one["title"] in told


@pytest.mark.parametrize("name", ["8", "08", "dead-letters", "08-dead-letters", "dead"])
def test_a_page_is_found_by_number_name_and_part_of_a_name(run: Any, name: str) -> None:
    text = (FOLDER / "08-dead-letters.md").read_text(encoding="utf-8")
    assert run("runbook", name).stdout == text
    document = json.loads(run("runbook", name, "--json").stdout)
    assert (document["number"], document["text"]) == (8, text)


@pytest.mark.parametrize(
    ("name", "why"), [("99", "names no page"), ("heartbeat", "names several pages"), ("../README", "names no page")]
)
def test_a_name_that_fits_none_or_several_says_which_there_are(run: Any, name: str, why: str) -> None:
    done = run("runbook", name)
    assert done.exit_code == 1
    assert why in done.stderr
    assert "01-heartbeat-missed" in done.stderr


def test_no_pages_say_how_to_have_them(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONFIGURE_RUNBOOKS_DIR", str(tmp_path))
    assert "set RECONFIGURE_RUNBOOKS_DIR" in run("runbook").stderr
