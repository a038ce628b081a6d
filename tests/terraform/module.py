"""A Terraform module as its files say it: blocks, and what their expressions are worth for given variables.

Nothing is asked of AWS or of a provider. What only AWS knows (an ARN, an id) is made up as AWS forms it where that
matters here, else it is a text that names what it stands for. Values are worked out when they are asked for.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

from tests.terraform.expressions import (
    Attribute,
    Call,
    Conditional,
    Fields,
    For,
    Index,
    Items,
    Literal,
    Name,
    Node,
    Operation,
    Template,
    node,
)
from tests.terraform.functions import FUNCTIONS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "terraform"
REGION = "us-east-1"  # the double's, as `embedded.aws` has it
ACCOUNT = "123456789012"  # the double's
GIVEN = {"cert_domain": "mail.example.com", "user_pool_id": f"{REGION}_AbCdEfGhI", "user_pool_client_id": "client1"}

_ARNS = {
    "aws_cloudwatch_log_group": "logs:{region}:{account}:log-group:{name}",
    "aws_dynamodb_table": "dynamodb:{region}:{account}:table/{name}",
    "aws_iam_policy": "iam::{account}:policy/{name}",
    "aws_iam_role": "iam::{account}:role/{name}",
    "aws_sns_topic": "sns:{region}:{account}:{name}",
    "aws_sqs_queue": "sqs:{region}:{account}:{name}",
    "aws_ssm_parameter": "ssm:{region}:{account}:parameter{name}",
}
_KNOWN = {
    ("aws_caller_identity", "account_id"): ACCOUNT,
    ("aws_partition", "partition"): "aws",
    ("aws_region", "region"): REGION,
}
_PLAIN = hcl2.SerializationOptions(with_comments=False)
# Arguments of a resource that are the language's own; what they hold is no argument of the provider's.
META = frozenset({"for_each", "count", "depends_on", "lifecycle", "provider", "dynamic", "provisioner", "connection"})


@cache
def _parsed(path: Path) -> Mapping[str, Any]:
    with path.open(encoding="utf-8") as file:
        return hcl2.load(file, serialization_options=_PLAIN)


@dataclass(frozen=True)
class Block:
    """A resource or a data source: `kind` says which."""

    kind: str
    type: str
    name: str
    body: Mapping[str, Any]

    @property
    def address(self) -> str:
        """How expressions name it."""
        return ("data." if self.kind == "data" else "") + f"{self.type}.{self.name}"


class _Lazy:
    """Something whose parts are looked up by name."""

    def __init__(self, part: Callable[[str], Any]) -> None:
        self.part = part


@dataclass(frozen=True, eq=False)
class Instance:
    """One of the objects that a resource or data source becomes."""

    module: "Module"
    block: Block
    names: Mapping[str, Any]
    key: str | int | None = None

    def get(self, name: str) -> Any:
        """Return an argument's worth, None where it is not given; of a block, the list of what is in each."""
        found = self.block.body.get(name)
        blocks = blocks_of(found)
        if found is not None and blocks is None:
            return self.module.evaluate(node(found), self.names)
        filled = [self.module.filled(block, self.names) for block in blocks or ()]
        filled += self.module.expanded(self.block.body, name, self.names)
        return filled or None

    def attribute(self, name: str) -> Any:
        """Return what an expression gets for an attribute: an argument, or what AWS would say."""
        if (value := self.get(name)) is not None:
            return value
        kind = self.block.type
        if kind == "aws_iam_policy_document" and name == "json":
            return json.dumps(self.policy())
        if (kind, name) in _KNOWN:
            return _KNOWN[kind, name]
        if name == "arn" and kind in _ARNS:
            return "arn:aws:" + _ARNS[kind].format(region=REGION, account=ACCOUNT, name=self.get("name"))
        if kind == "aws_sqs_queue" and name in {"id", "url"}:
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self.get('name')}"
        key = "" if self.key is None else f"[{self.key}]"
        return f"{self.block.address}{key}.{name}"

    def policy(self) -> dict[str, Any]:
        """Return the policy that a policy document stands for."""
        return {"Version": "2012-10-17", "Statement": [_statement(each) for each in self.get("statement")]}


def _statement(said: Mapping[str, Any]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": said.get("effect", "Allow"), "Action": said["actions"]}
    if "sid" in said:
        statement["Sid"] = said["sid"]
    if "resources" in said:
        statement["Resource"] = said["resources"]
    for who in said.get("principals", ()):
        statement.setdefault("Principal", {})[who["type"]] = who["identifiers"]
    for condition in said.get("condition", ()):
        statement.setdefault("Condition", {}).setdefault(condition["test"], {})[condition["variable"]] = condition[
            "values"
        ]
    return statement


def labelled(entries: Iterable[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """Return what follows each label of a list of labelled blocks."""
    return [(label.strip('"'), body) for entry in entries for label, body in entry.items() if label != "__is_block__"]


def blocks_of(found: Any) -> list[Any] | None:
    """Return the blocks of a name, None when it is an argument."""
    if isinstance(found, list) and found and all(isinstance(each, dict) and "__is_block__" in each for each in found):
        return found
    return None


@dataclass
class Module:
    """The files of a folder, and values of its variables."""

    folder: Path = FOLDER
    given: Mapping[str, Any] = field(default_factory=lambda: GIVEN)
    variables: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    local_values: dict[str, Any] = field(init=False, default_factory=dict)
    blocks: dict[str, Block] = field(init=False, default_factory=dict)
    modules: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    settings: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for path in sorted(self.folder.glob("*.tf")):
            self._take(_parsed(path))

    def _take(self, document: Mapping[str, Any]) -> None:
        for kind in ("resource", "data"):
            for entry in document.get(kind, ()):
                for type_, named in labelled([entry]):
                    for name, body in labelled([named]):
                        block = Block(kind, type_, name, body)
                        self.blocks[block.address] = block
        for into, kind in ((self.variables, "variable"), (self.outputs, "output"), (self.modules, "module")):
            into.update(labelled(document.get(kind, ())))
        for entry in document.get("locals", ()):
            self.local_values.update({name: value for name, value in entry.items() if name != "__is_block__"})
        for entry in document.get("terraform", ()):
            self.settings.update(entry)

    def variable(self, name: str) -> Any:
        """Return a variable's value: the one given, else its default, with the defaults of optional attributes."""
        said = self.variables[name]
        value = self.given[name] if name in self.given else self.evaluate(node(said["default"]))
        return self._completed(node(said["type"]), value)

    def _completed(self, type_: Node, value: Any) -> Any:
        match type_:
            case Call(function="map", arguments=(inner,)) if isinstance(value, dict):
                return {key: self._completed(inner, each) for key, each in value.items()}
            case Call(function="object", arguments=(Fields(fields=fields),)):
                return {str(_literal(key)): self._field(inner, value.get(_literal(key))) for key, inner in fields}
            case _:
                return value

    def _field(self, type_: Node, value: Any) -> Any:
        if value is None and isinstance(type_, Call) and type_.function == "optional":
            return self.evaluate(type_.arguments[1]) if len(type_.arguments) > 1 else None
        return value

    def refusals(self) -> Iterator[str]:
        """Yield the messages of the validations that the given values do not pass."""
        for said in self.variables.values():
            for rule in said.get("validation", ()):
                if not self.evaluate(node(rule["condition"])):
                    yield self.evaluate(node(rule["error_message"]))

    def local(self, name: str) -> Any:
        """Return a local value's worth."""
        return self.evaluate(node(self.local_values[name]))

    def output(self, name: str) -> Any:
        """Return an output's worth."""
        return self.evaluate(node(self.outputs[name]["value"]))

    def instances(self, address: str) -> Any:
        """Return what a resource becomes: a map with `for_each`, a list with `count`, else the one."""
        block = self.blocks[address]
        if "for_each" in block.body:
            over = self.evaluate(node(block.body["for_each"]))
            pairs = over.items() if isinstance(over, dict) else ((key, key) for key in over)
            return {key: Instance(self, block, {"each": {"key": key, "value": value}}, key) for key, value in pairs}
        if "count" in block.body:
            return [
                Instance(self, block, {"count": {"index": n}}, n)
                for n in range(self.evaluate(node(block.body["count"])))
            ]
        return Instance(self, block, {})

    def all(self, type_: str) -> Iterator[Instance]:
        """Yield every instance of every resource of a type."""
        for block in self.blocks.values():
            if block.kind == "resource" and block.type == type_:
                found = self.instances(block.address)
                yield from found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]

    def filled(self, body: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is in a nested block, without what is null."""
        found: dict[str, Any] = {}
        for name, value in body.items():
            if name in {"__is_block__", "dynamic"}:
                continue
            blocks = blocks_of(value)
            if blocks is None:
                found[name] = self.evaluate(node(value), names)
            else:
                found[name] = [self.filled(block, names) for block in blocks]
        for label in dict(labelled(body.get("dynamic", ()))):
            found[label] = found.get(label, []) + self.expanded(body, label, names)
        return {name: value for name, value in found.items() if value is not None}

    def expanded(self, body: Mapping[str, Any], name: str, names: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return what the `dynamic` blocks of a name become."""
        found = []
        for label, said in labelled(body.get("dynamic", ())):
            if label == name:
                over = self.evaluate(node(said["for_each"]), names)
                pairs = over.items() if isinstance(over, dict) else enumerate(over)
                (content,) = said["content"]
                found += [self.filled(content, {**names, name: {"key": k, "value": v}}) for k, v in pairs]
        return found

    def evaluate(self, tree: Node, names: Mapping[str, Any] | None = None) -> Any:  # noqa: C901, PLR0911, PLR0912
        """Return what an expression is worth.

        Args:
            tree: the expression.
            names: what else can be named: `each`, and the names of `for` and `dynamic`.

        Raises:
            LookupError: something is named that is not there.
            ValueError: a function was given what it does not take.
        """
        names = names or {}
        match tree:
            case Literal(value=value):
                return value
            case Template(parts=parts):
                return "".join(_text(self.evaluate(part, names)) for part in parts)
            case Name(name=name):
                return self._named(name, names)
            case Attribute(of=of, name=name):
                return _part(self.evaluate(of, names), name)
            case Index(of=of, key=key):
                return self.evaluate(of, names)[self.evaluate(key, names)]
            case Items(items=items):
                return [self.evaluate(item, names) for item in items]
            case Fields(fields=fields):
                return {self.evaluate(key, names): self.evaluate(value, names) for key, value in fields}
            case Conditional(test=test, yes=yes, no=no):
                return self.evaluate(yes if self.evaluate(test, names) else no, names)
            case Operation(sign=sign, operands=operands):
                return self._operation(sign, operands, names)
            case Call(function="can", arguments=(tried,)):
                try:
                    self.evaluate(tried, names)
                except (LookupError, ValueError, TypeError):
                    return False
                return True
            case Call(function=function, arguments=arguments):
                return FUNCTIONS[function](*self._arguments(arguments, names))
            case For():
                return self._for(tree, names)

    def _arguments(self, arguments: tuple[Node, ...], names: Mapping[str, Any]) -> Iterator[Any]:
        for argument in arguments:
            match argument:
                case Operation(sign="...", operands=(several,)):
                    yield from self.evaluate(several, names)
                case _:
                    yield self.evaluate(argument, names)

    def _named(self, name: str, names: Mapping[str, Any]) -> Any:
        if name in names:
            return names[name]
        if name == "path":
            return {"module": str(self.folder)}
        roots: dict[str, Callable[[str], Any]] = {"var": self.variable, "local": self.local}
        if name in roots:
            return _Lazy(roots[name])
        if name == "data":
            return _Lazy(lambda type_: _Lazy(lambda which: self.instances(f"data.{type_}.{which}")))
        return _Lazy(lambda which: self.instances(f"{name}.{which}"))

    def _operation(self, sign: str, operands: tuple[Node, ...], names: Mapping[str, Any]) -> Any:
        left = self.evaluate(operands[0], names)
        if sign == "!":
            return not left
        if sign == "&&" and not left:
            return False
        if sign == "||" and left:
            return True
        if len(operands) == 1:
            return -left
        right = self.evaluate(operands[1], names)
        if sign in {"&&", "||"}:
            return bool(right)
        does: dict[str, Callable[[], Any]] = {
            "==": lambda: left == right,
            "!=": lambda: left != right,
            "<": lambda: left < right,
            ">": lambda: left > right,
            "<=": lambda: left <= right,
            ">=": lambda: left >= right,
            "+": lambda: left + right,
            "-": lambda: left - right,
            "*": lambda: left * right,
            "/": lambda: left / right,
            "%": lambda: left % right,
        }
        return does[sign]()

    def _for(self, tree: For, names: Mapping[str, Any]) -> Any:
        over = self.evaluate(tree.over, names)
        pairs = sorted(over.items()) if isinstance(over, dict) else enumerate(over)
        made: dict[Any, Any] = {}
        items: list[Any] = []
        for key, value in pairs:
            inside = {**names, tree.value_name: value}
            if tree.key_name is not None:
                inside[tree.key_name] = key
            if tree.condition is not None and not self.evaluate(tree.condition, inside):
                continue
            if tree.key is None:
                items.append(self.evaluate(tree.value, inside))
            else:
                made[self.evaluate(tree.key, inside)] = self.evaluate(tree.value, inside)
        return items if tree.key is None else made


def _literal(tree: Node) -> Any:
    assert isinstance(tree, Literal)
    return tree.value


def _part(of: Any, name: str) -> Any:
    if isinstance(of, _Lazy):
        return of.part(name)
    if isinstance(of, Instance):
        return of.attribute(name)
    return of[name]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise ValueError("null has no place in a text")
    return str(value)
