"""The page that says what each reason code means knows every code, and none besides."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/quarantine.md"


def codes_of(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name in {"Unfit", "Refusal"} and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value)


def test_the_page_names_each_reason_code_and_no_other() -> None:
    in_code = {code for source in (ROOT / "reconfigure/directory").glob("*.py") for code in codes_of(source)}
    on_page = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(in_code) > 15
    assert set(on_page) == in_code
    assert len(on_page) == len(set(on_page))
