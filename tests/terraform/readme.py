"""The tables of terraform/README.md, out of the files: `python -m tests.terraform.readme` writes them (make docs)."""

import json
from collections.abc import Iterator

from tests.terraform.expressions import node
from tests.terraform.marked import replaced
from tests.terraform.module import FOLDER, Module

FILE = FOLDER / "README.md"
BEGIN = "<!-- Written by `make docs` out of variables.tf and outputs.tf. -->\n"


def written(text: str) -> str:
    """Return a text with its tables as the files have them now.

    Raises:
        ValueError: the marks between which they belong are not there.
    """
    return replaced(text, BEGIN, _tables(Module()), file=FILE)


def _tables(module: Module) -> Iterator[str]:
    yield "### Inputs\n"
    yield "| name | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, said in sorted(module.variables.items(), key=lambda pair: ("default" in pair[1], pair[0])):
        default = "required"
        if "default" in said:
            value = module.evaluate(node(said["default"]))
            default = "none" if value is None else f"`{json.dumps(value)}`"
        yield f"| `{name}` | {_type(str(said['type']))} | {default} | {_line(module, said['description'])} |"
    yield "\n### Outputs\n"
    yield "| name | meaning |"
    yield "|---|---|"
    for name, said in sorted(module.outputs.items()):
        yield f"| `{name}` | {_line(module, said['description'])} |"


def _type(text: str) -> str:
    """Return a type in one word or two; an object is said in the description."""
    bare = text.removeprefix("${").removesuffix("}")
    return "map of objects" if "object" in bare else f"`{bare}`"


def _line(module: Module, description: str) -> str:
    return " ".join(module.evaluate(node(description)).split()).replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text(encoding="utf-8")), encoding="utf-8")
