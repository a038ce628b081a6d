"""Whatever docs/security.md says is held by a test is: the test is in the file that stands before it."""

import ast
import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "security.md"
NAMED = re.compile(r"\]\((\.\./tests/[\w/]+\.py)\)|`(test_\w+)`")


def test_every_test_that_is_named_is_in_its_file() -> None:
    file, names = Path(), set[str]()
    found = []
    for path, name in NAMED.findall(PAGE.read_text(encoding="utf-8")):
        if path:
            file = PAGE.parent / path
            tree = ast.parse(file.read_text(encoding="utf-8"))
            names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        else:
            assert name in names, f"{file.name} has no {name}"
            found.append(name)
    assert len(found) > 30
