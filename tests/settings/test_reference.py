"""The committed reference page is what the fields say."""

import os
import subprocess
import sys
from pathlib import Path

from reconfigure.settings import reference
from reconfigure.settings.fields import SPECS

PROJECT = Path(__file__).parents[2]
PAGE = PROJECT / "docs" / "reference" / "settings.md"


def test_the_committed_page_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "run: python -m reconfigure.settings > docs/reference/settings.md"
    )


def test_the_module_writes_the_page_to_standard_output() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "reconfigure.settings"],
        cwd=PROJECT,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.decode() == reference()


def test_every_setting_has_one_row_with_both_names_and_a_sentence() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) == len(SPECS)
    for row, spec in zip(rows, SPECS, strict=True):
        names, field, default, meaning = (cell.strip() for cell in row.strip("|").split("|"))
        assert f"`{spec.env}`" in names
        assert field == f"`{spec.field}`"
        assert default
        assert meaning.endswith(".")
