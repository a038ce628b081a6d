"""The README's tables are what the files say, and its links lead somewhere."""

import re

from tests.terraform.module import FOLDER
from tests.terraform.readme import FILE, written

TEXT = FILE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_files() -> None:
    assert written(TEXT) == TEXT, "run make docs"


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert len(links) > 3
    assert not [link for link in links if not (FOLDER / link).exists()]
