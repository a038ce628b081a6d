"""What the provider takes and says of each type that the module uses; the table that `provider.json` holds.

    pip download --no-deps cdktf-cdktf-provider-aws
    python -m tests.terraform.provider cdktf_cdktf_provider_aws-*.whl

The provider's own schema comes only from its binary, which is large and not everywhere to be had. The package's classes
are generated from that schema, one for each type and each nested block. They are read here as text, without importing
them: their signatures name the arguments, and those without a default are required. The package is no longer
published; a later provider only adds to what is in the table until its next major version.
"""

import ast
import json
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.terraform.module import ROOT, Module

FILE = Path(__file__).with_name("provider.json")
PACKAGE = "cdktf_cdktf_provider_aws"
EXAMPLES = [ROOT / "terraform/examples/complete", ROOT / "terraform/examples/existing"]

# Arguments of the generated classes that are the language's own.
_META = frozenset("connection count depends_on for_each lifecycle provider provisioners scope id_ self".split())


def types_used() -> set[str]:
    """Return every type in module and examples, data sources as `data.TYPE`."""
    modules = [Module(), *(Module(folder) for folder in EXAMPLES)]
    return {block.address.rpartition(".")[0] for module in modules for block in module.blocks.values()}


def extracted(wheel: Path) -> dict[str, Any]:
    """Return the table of the types that are used."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        provider = re.search(r"provider version ([\d.]+)", archive.read(metadata).decode())
        assert provider is not None
        found = {}
        for type_ in sorted(types_used()):
            folder = type_.replace("data.aws_", "data_aws_").removeprefix("aws_")
            text = archive.read(f"{PACKAGE}/{folder}/__init__.py").decode()
            found[type_] = _described(folder, ast.parse(text))
    return {"package": wheel.name, "provider": provider[1], "types": found}


def _described(folder: str, tree: ast.Module) -> dict[str, Any]:
    classes = {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}
    name = next(name for name in classes if name.lower() == folder.replace("_", ""))
    attributes = {_snake(each) for each in _properties(classes[name])}
    arguments = _arguments(classes[name + "Config"], classes)
    return {"arguments": arguments, "attributes": sorted(attributes - arguments.keys())}


def _arguments(cls: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> dict[str, Any]:
    """Return what a class takes: whether it is required, and what is in it when it is a block."""
    made = next(each for each in cls.body if isinstance(each, ast.FunctionDef) and each.name == "__init__")
    said = ast.get_docstring(made) or ""
    found: dict[str, Any] = {}
    for argument, default in zip(made.args.kwonlyargs, made.args.kw_defaults, strict=True):
        name = argument.arg.removesuffix("_") if argument.arg.endswith("_") else argument.arg
        if name in _META:
            continue
        entry: dict[str, Any] = {"required": True} if default is None else {}
        assert argument.annotation is not None
        # In quotes when the class comes later in the file.
        named = [
            each.value if isinstance(each, ast.Constant) else getattr(each, "id", None)
            for each in ast.walk(argument.annotation)
        ]
        inner = [str(each) for each in named if each in classes]
        if inner and re.search(rf":param {argument.arg}: {name} block", said):
            entry["block"] = _arguments(classes[inner[0]], classes)
            if "Sequence" not in ast.unparse(argument.annotation):
                entry["once"] = True
        found[name] = entry
    return found


def _properties(cls: ast.ClassDef) -> Iterator[str]:
    for each in cls.body:
        if isinstance(each, ast.FunctionDef):
            for mark in each.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "jsii.member":
                    name = ast.literal_eval(mark.keywords[0].value)
                    is_read = any(ast.unparse(other) == "builtins.property" for other in each.decorator_list)
                    if is_read and not name.endswith("Input"):
                        yield name


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


if __name__ == "__main__":
    FILE.write_text(json.dumps(extracted(Path(sys.argv[1])), indent=1, sort_keys=True) + "\n", encoding="utf-8")
