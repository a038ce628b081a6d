"""Expressions of Terraform's language: from the text that python-hcl2 leaves them in to a tree.

python-hcl2 reads files into blocks and leaves each expression as text. What the module here uses of the language
(HCL Native Syntax Specification) is parsed; anything else is an error, so no check passes because it saw nothing.
What a tree is worth is for `module`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn


@dataclass(frozen=True)
class Literal:
    value: Any


@dataclass(frozen=True)
class Template:
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Attribute:
    of: "Node"
    name: str


@dataclass(frozen=True)
class Index:
    of: "Node"
    key: "Node"


@dataclass(frozen=True)
class Call:
    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Operation:
    sign: str
    operands: tuple["Node", ...]


@dataclass(frozen=True)
class Conditional:
    test: "Node"
    yes: "Node"
    no: "Node"


@dataclass(frozen=True)
class Items:
    items: tuple["Node", ...]


@dataclass(frozen=True)
class Fields:
    fields: tuple[tuple["Node", "Node"], ...]


@dataclass(frozen=True)
class For:
    """A `for` expression; with a key it makes an object, without one a list."""

    key_name: str | None
    value_name: str
    over: "Node"
    key: "Node | None"
    value: "Node"
    condition: "Node | None"


Node = Literal | Template | Name | Attribute | Index | Call | Operation | Conditional | Items | Fields | For

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_][\w-]*)
    |(?P<sign>=>|==|!=|<=|>=|&&|\|\||\.\.\.|[-+*/%!<>?:.,=()\[\]{}])""",
    re.VERBOSE,
)
_STRENGTH = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    "<": 4,
    ">": 4,
    "<=": 4,
    ">=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_WORDS = {"true": True, "false": False, "null": None}


def node(value: Any) -> Node:
    """Return the tree of a value as python-hcl2 gives it."""
    if isinstance(value, list):
        return Items(tuple(node(item) for item in value))
    if isinstance(value, dict):
        fields = ((_key(name), node(item)) for name, item in value.items() if name != "__is_block__")
        return Fields(tuple(fields))
    if not isinstance(value, str):
        return Literal(value)
    if value.startswith('"<<'):
        return _heredoc(value[1:-1])
    return _Parser(value[2:-1] if value.startswith("${") and value.endswith("}") else value).whole()


def walk(tree: Node) -> Iterator[Node]:
    """Yield a tree's nodes, each before those below it."""
    yield tree
    for each in below(tree):
        yield from walk(each)


def below(tree: Node) -> tuple[Node, ...]:  # noqa: PLR0911  (one for each kind)
    """Return the nodes right below one."""
    match tree:
        case Template(parts=several) | Call(arguments=several) | Operation(operands=several) | Items(items=several):
            return several
        case Attribute(of=of):
            return (of,)
        case Index(of=of, key=key):
            return of, key
        case Conditional(test=test, yes=yes, no=no):
            return test, yes, no
        case Fields(fields=pairs):
            return tuple(each for pair in pairs for each in pair)
        case For(over=over, key=maybe_key, value=value, condition=condition):
            return tuple(each for each in (over, maybe_key, value, condition) if each is not None)
        case _:
            return ()


def _key(name: str) -> Node:
    return _Parser(name).whole() if name.startswith(('"', "${", "(")) else Literal(name)


def _heredoc(text: str) -> Node:
    """Return the template of `<<-EOT`, whose indentation does not count (that of its least indented line)."""
    lines = text.split("\n")[1:-1]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return _template("".join(line[margin:] + "\n" for line in lines), escapes=False)


def _template(text: str, *, escapes: bool) -> Node:
    parts: list[Node] = []
    held, at = "", 0
    while at < len(text):
        if text.startswith(("$${", "%%{"), at):
            held, at = held + text[at + 1 : at + 3], at + 3
        elif text.startswith("%{", at):
            raise ValueError(f"directives are not known: {text}")
        elif text.startswith("${", at):
            end = _end_of_interpolation(text, at + 2)
            parts += [Literal(held)] if held else []
            parts.append(_Parser(text[at + 2 : end]).whole())
            held, at = "", end + 1
        elif escapes and text[at] == "\\":
            held, at = held + _ESCAPES[text[at + 1]], at + 2
        else:
            held, at = held + text[at], at + 1
    if not parts:
        return Literal(held)
    return Template((*parts, Literal(held)) if held else tuple(parts))


def _end_of_interpolation(text: str, at: int) -> int:
    depth = 1
    while True:
        if text[at] == '"':
            at = _end_of_string(text, at)
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
        at += 1


def _end_of_string(text: str, at: int) -> int:
    """Return where the quote stands that ends the string which begins at `at`."""
    at += 1
    while text[at] != '"':
        if text[at] == "\\":
            at += 2
        elif text.startswith("${", at) and text[at - 1] != "$":
            at = _end_of_interpolation(text, at + 2) + 1
        else:
            at += 1
    return at


@dataclass
class _Parser:
    """Recursive descent over one expression; operators by their strength."""

    text: str
    tokens: list[tuple[str, str]] = field(init=False)
    at: int = 0

    def __post_init__(self) -> None:
        self.tokens = list(self._tokens())

    def _tokens(self) -> Iterator[tuple[str, str]]:
        at = 0
        while at < len(self.text):
            if self.text[at] == '"':
                end = _end_of_string(self.text, at)
                yield "string", self.text[at + 1 : end]
                at = end + 1
                continue
            found = _TOKEN.match(self.text, at)
            if found is None:
                raise ValueError(f"not understood at {self.text[at : at + 20]!r}: {self.text}")
            at = found.end()
            if found.lastgroup != "space":
                yield str(found.lastgroup), found[0]
        yield "end", ""

    def whole(self) -> Node:
        tree = self._expression()
        if self.tokens[self.at][0] != "end":
            self._fail()
        return tree

    def _fail(self) -> NoReturn:
        raise ValueError(f"not understood at {self.tokens[self.at][1]!r}: {self.text}")

    def _is(self, *signs: str) -> bool:
        kind, text = self.tokens[self.at]
        return kind in {"sign", "name"} and text in signs

    def _take(self, sign: str) -> bool:
        if self._is(sign):
            self.at += 1
            return True
        return False

    def _need(self, sign: str) -> None:
        if not self._take(sign):
            self._fail()

    def _word(self) -> str:
        kind, text = self.tokens[self.at]
        if kind != "name":
            self._fail()
        self.at += 1
        return text

    def _expression(self) -> Node:
        test = self._operation(0)
        if not self._take("?"):
            return test
        yes = self._expression()
        self._need(":")
        return Conditional(test, yes, self._expression())

    def _operation(self, strength: int) -> Node:
        left = self._unary()
        while (sign := self.tokens[self.at][1]) in _STRENGTH and self._is(sign) and _STRENGTH[sign] > strength:
            self.at += 1
            left = Operation(sign, (left, self._operation(_STRENGTH[sign])))
        return left

    def _unary(self) -> Node:
        for sign in ("!", "-"):
            if self._take(sign):
                return Operation(sign, (self._unary(),))
        return self._followed(self._simple())

    def _followed(self, tree: Node) -> Node:
        while True:
            if self._take("."):
                tree = Attribute(tree, self._word())
            elif self._take("["):
                tree = Index(tree, self._expression())
                self._need("]")
            else:
                return tree

    def _simple(self) -> Node:  # noqa: PLR0911  (one for each kind)
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return Literal(float(text) if "." in text else int(text))
        if kind == "string":
            return _template(text, escapes=True)
        if kind == "name":
            if text in _WORDS:
                return Literal(_WORDS[text])
            return Call(text, self._until(")")) if self._take("(") else Name(text)
        if text == "(":
            tree = self._expression()
            self._need(")")
            return tree
        if text == "[":
            return self._for("]") if self._is("for") else Items(self._until("]"))
        if text == "{":
            return self._for("}") if self._is("for") else self._fields()
        self.at -= 1
        return self._fail()

    def _until(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._take(end):
            found.append(self._expression())
            if self._take("..."):
                found[-1] = Operation("...", (found[-1],))
            if not self._is(end):
                self._need(",")
        return tuple(found)

    def _fields(self) -> Node:
        found: list[tuple[Node, Node]] = []
        while not self._take("}"):
            key = self._operation(0)
            if not self._take("="):
                self._need(":")
            found.append((Literal(key.name) if isinstance(key, Name) else key, self._expression()))
            self._take(",")
        return Fields(tuple(found))

    def _for(self, end: str) -> Node:
        self._need("for")
        first, second = self._word(), None
        if self._take(","):
            second = self._word()
        self._need("in")
        over = self._expression()
        self._need(":")
        value, key = self._expression(), None
        if end == "}":
            self._need("=>")
            key, value = value, self._expression()
        condition = self._expression() if self._take("if") else None
        self._need(end)
        return For(first if second else None, second or first, over, key, value, condition)
