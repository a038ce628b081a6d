"""The provider knows each argument and attribute that the files use, and gets each argument that it demands."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.expressions import node
from tests.terraform.module import FOLDER, META, Module, blocks_of, labelled
from tests.terraform.provider import EXAMPLES, FILE, types_used
from tests.terraform.test_files import every_expression, paths

TABLE = json.loads(FILE.read_text(encoding="utf-8"))
TYPES: dict[str, dict[str, Any]] = TABLE["types"]
each_module = pytest.mark.parametrize("folder", [FOLDER, *EXAMPLES], ids=lambda folder: folder.name)


def said_of(body: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the blocks of each name, also of `dynamic` ones; None stands for an argument."""
    given: dict[str, list[Any]] = {}
    for label, said in labelled(body.get("dynamic", ())):
        given.setdefault(label, []).extend(said["content"])
    for name, value in body.items():
        if name not in META and name != "__is_block__":
            given.setdefault(name, []).extend(blocks_of(value) or [None])
    return given


def faults(body: Mapping[str, Any], known: Mapping[str, Any], where: str) -> Iterator[str]:
    """Yield what is wrong with a block, and with those in it."""
    given = said_of(body)
    yield from (f"{where} has no {name}" for name in known if known[name].get("required") and name not in given)
    for name, values in given.items():
        if name not in known:
            yield f"{where} has {name}, which the provider does not know"
            continue
        inner = known[name].get("block")
        if known[name].get("once") and len(values) > 1:
            yield f"{where} has {name} more than once"
        for value in values:
            if (inner is None) != (value is None):
                yield f"{where} has {name} as {'an argument' if value is None else 'a block'}, which it is not"
            elif inner is not None:
                yield from faults(value, inner, f"{where}.{name}")


@each_module
def test_each_block_has_what_it_must_have_and_nothing_unknown(folder: Path) -> None:
    module = Module(folder)
    for address, block in module.blocks.items():
        known = TYPES[address.rpartition(".")[0]]["arguments"]
        assert not list(faults(block.body, known, address))


@each_module
def test_each_attribute_that_is_read_exists(folder: Path) -> None:
    module = Module(folder)
    for where, tree, _ in every_expression(module):
        for path in paths(tree):
            at = 1 if path[0] == "data" else 0
            type_ = ".".join(path[: at + 1])
            if type_ in TYPES and len(path) > at + 2:
                has = TYPES[type_]
                assert path[at + 2] in {*has["arguments"], *has["attributes"]}, f"{where} reads {'.'.join(path)}"


def test_a_wrong_block_is_noticed() -> None:
    known = TYPES["aws_dynamodb_table"]["arguments"]
    ttl = {"__is_block__": True, "enabled": True, "attribut_name": '"expires"'}
    found = set(faults({"ttl": [ttl, ttl], "attribute": '"tier"', "hash": '"tier"'}, known, "table"))
    assert found >= {
        "table has no name",
        "table has hash, which the provider does not know",
        "table has ttl more than once",
        "table.ttl has attribut_name, which the provider does not know",
        "table has attribute as an argument, which it is not",
    }


def test_the_table_holds_what_is_used_and_nothing_else() -> None:
    assert set(TYPES) == types_used()


@each_module
def test_the_versions_of_the_provider_begin_with_the_tables(folder: Path) -> None:
    major, minor, _ = TABLE["provider"].split(".")
    aws = Module(folder).settings["required_providers"][0]["aws"]
    assert Module(folder).evaluate(node(aws["version"])) == f">= {major}.{minor}, < {int(major) + 1}"
