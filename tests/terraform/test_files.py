"""The files are formatted, and all that they name is there and used."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.terraform.expressions import Attribute, For, Index, Name, Node, below, node
from tests.terraform.module import FOLDER, GIVEN, Module, blocks_of, labelled
from tests.terraform.provider import EXAMPLES

each_module = pytest.mark.parametrize("folder", [FOLDER, *EXAMPLES], ids=lambda folder: folder.name)
SPOKEN = re.compile(r"[A-Z`].*[.)]$", re.DOTALL)  # a sentence


def expressions(body: Any, known: frozenset[str] = frozenset()) -> Iterator[tuple[Node, frozenset[str]]]:
    """Yield the expressions of a block and of those in it, each with the names that `dynamic` adds there."""
    for name, value in body.items():
        if name in {"__is_block__", "ignore_changes"}:
            continue
        if name == "dynamic":
            for label, said in labelled(value):
                yield from expressions(said, known | {label})
        elif (inner := blocks_of(value)) is not None:
            for each in inner:
                yield from expressions(each, known)
        else:
            yield node(value), known


def every_expression(module: Module) -> Iterator[tuple[str, Node, frozenset[str]]]:
    for address, block in module.blocks.items():
        for tree, known in expressions(block.body):
            yield address, tree, known
    for kind, named in (("output", module.outputs), ("module", module.modules)):
        for name, body in named.items():
            for tree, known in expressions({key: value for key, value in body.items() if key != "source"}):
                yield f"{kind}.{name}", tree, known
    for name, value in module.local_values.items():
        yield f"local.{name}", node(value), frozenset()
    for name, body in module.variables.items():
        for rule in body.get("validation", ()):
            yield f"var.{name}", node(rule["condition"]), frozenset()


def paths(tree: Node, bound: frozenset[str] = frozenset()) -> Iterator[list[str]]:
    """Yield what an expression names, such as ["var", "name"], but for names that it binds itself."""
    if isinstance(tree, For):
        yield from paths(tree.over, bound)
        inside = bound | {tree.value_name} | ({tree.key_name} if tree.key_name else set())
        for part in (tree.key, tree.value, tree.condition):
            if part is not None:
                yield from paths(part, inside)
        return
    chain: list[str] = []
    while isinstance(tree, Attribute | Index):
        if isinstance(tree, Index):
            yield from paths(tree.key, bound)
            chain.clear()
        else:
            chain.insert(0, tree.name)
        tree = tree.of
    if isinstance(tree, Name):
        if tree.name not in bound:
            yield [tree.name, *chain]
        return
    for each in below(tree):
        yield from paths(each, bound)


def names_of(module: Module) -> set[tuple[str, str]]:
    """Return what expressions may name, by its first two words."""
    found = {("var", name) for name in module.variables} | {("local", name) for name in module.local_values}
    found |= {("module", name) for name in module.modules}
    return found | {(block.type, block.name) for block in module.blocks.values() if block.kind == "resource"}


@each_module
def test_files_are_formatted(folder: Path) -> None:
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not on this machine, so nobody can say how it would format the files")
    # What the machine's own configuration says, and whether that is there, is nothing to this.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    command = [terraform, "fmt", "-check", "-diff", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@each_module
def test_everything_that_is_named_is_there(folder: Path) -> None:
    module = Module(folder)
    known = names_of(module)
    seen = 0
    for where, tree, dynamic in every_expression(module):
        for path in paths(tree):
            seen += 1
            if path[0] in {"each", "count", "path"} or path[0] in dynamic:
                continue
            if path[0] == "data":
                assert f"data.{path[1]}.{path[2]}" in module.blocks, f"{where} names {'.'.join(path)}"
            else:
                assert tuple(path[:2]) in known, f"{where} names {'.'.join(path)}"
    assert seen > 5


@each_module
def test_everything_that_can_be_given_or_worked_out_is_used(folder: Path) -> None:
    module = Module(folder)
    # What a variable's own validation says of it is no use of it.
    used = {
        tuple(path[:2])
        for where, tree, _ in every_expression(module)
        if not where.startswith("var.")
        for path in paths(tree)
    }
    wanted = {(kind, name) for kind, name in names_of(module) if kind in {"var", "local"}}
    assert wanted <= used
    data = {block.address for block in module.blocks.values() if block.kind == "data"}
    assert data == {
        ".".join(path[:3]) for _, tree, _ in every_expression(module) for path in paths(tree) if path[0] == "data"
    }


@each_module
def test_every_variable_and_output_says_what_it_is(folder: Path) -> None:
    module = Module(folder)
    for name, said in module.variables.items():
        assert "type" in said, name
        assert SPOKEN.fullmatch(module.evaluate(node(said["description"])).strip()), name
    for name, said in module.outputs.items():
        assert SPOKEN.fullmatch(module.evaluate(node(said["description"])).strip()), name


def test_every_variable_that_can_be_wrong_is_validated() -> None:
    """Yes or no cannot be wrong."""
    for name, said in Module().variables.items():
        assert ("validation" in said) == (said["type"] != "bool"), name


WRONG: dict[str, Any] = {
    "cert_domain": "mail",
    "user_pool_id": "cabal",
    "user_pool_client_id": "A client",
    "name": "Mail",
    "tags": {str(n): "" for n in range(41)},
    "addresses_table_name": "arn:aws:dynamodb:eu-west-1:111122223333:table/addresses",
    "launch_type": "EXTERNAL",
    "cluster_name": "arn:aws:ecs:eu-west-1:111122223333:cluster/mail",
    "secrets_kms_key_arns": ["arn:aws:kms:eu-west-1:111122223333:alias/mail"],
    "interval": 0,
    "client_cidrs": ["anybody"],
    "private_domain": "internal",
    "file_system_id": "mail",
    "alarm_topic_arns": ["people"],
    "metrics_namespace": "AWS/SQS",
    "log_retention_days": 31,
    "stream_arn": "arn:aws:dynamodb:eu-west-1:111122223333:table/addresses",
    "stream_package": "publish.zip",
}
TLS = dict.fromkeys(("TLS_CA_BUNDLE", "TLS_CERT", "TLS_KEY"), "arn:aws:ssm:eu-west-1:111122223333:parameter/x")
NETWORK = {"vpc_id": "vpc-1", "public_subnet_ids": ["subnet-1"], "private_subnet_ids": ["subnet-2"]}
SERVICE = {"image": "mail", "secrets": TLS}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_by_name(name: str) -> None:
    assert not list(Module().refusals())
    (refusal,) = Module(given={**GIVEN, name: WRONG[name]}).refusals()
    assert refusal.startswith((name, f"With {name}"))


@pytest.mark.parametrize(
    ("services", "network", "said"),
    [
        ({"pop3": SERVICE}, NETWORK, "services may name"),
        ({"smtp-out": SERVICE}, NETWORK, "Each service needs the secrets"),
        ({"imap": {**SERVICE, "secrets": {**TLS, "TLS_KEY": "-----BEGIN"}}}, NETWORK, "A secret is given by the ARN"),
        ({"imap": SERVICE}, {**NETWORK, "vpc_id": None}, "vpc_id is needed"),
        ({"imap": SERVICE}, {**NETWORK, "public_subnet_ids": []}, "public_subnet_ids are needed"),
        ({"imap": SERVICE}, {**NETWORK, "private_subnet_ids": []}, "private_subnet_ids are needed"),
    ],
)
def test_services_that_could_not_run_are_refused(services: Any, network: dict[str, Any], said: str) -> None:
    assert not list(Module(given={**GIVEN, **NETWORK, "services": {"imap": SERVICE}}).refusals())
    (refusal,) = Module(given={**GIVEN, **network, "services": services}).refusals()
    assert refusal.startswith(said)
