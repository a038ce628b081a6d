"""A page of the runbooks as the drills read it: headings, causes, and the commands with what they are to answer.

A command stands in a block of ```console: a line `# command`, and behind it the lines that are expected. `...` in a
line stands for anything within it, a line `...` alone for any number of lines; how much white space there is does not
matter. A command with nothing behind it is expected to say nothing. Behind the word console the tier may be named.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "runbooks"
HEADINGS = ("What you see", "What it means for mail", "Confirm", "Mend", "Verify", "Prevent")
ANYTHING = "..."

_PROMPT = "# "
_FENCE = re.compile(r"^```(?P<info>.*)$")


class UnreadablePageError(Exception):
    """A page is not as pages are; says where."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command, and the lines that it is to answer; `tier` is the one named, or ""."""

    tier: str
    command: str
    expected: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Part:
    """What stands under a heading, up to the next one; `cause` is that of a sub-heading, "" above the first."""

    cause: str
    text: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page: `sections` by heading in the order in which they stand, each in parts."""

    name: str
    title: str
    sections: dict[str, tuple[Part, ...]] = field(default_factory=dict)

    def steps(self, heading: str, cause: str = "") -> list[Step]:
        """Return the steps of a section for one cause: those above every sub-heading, then those of the cause."""
        return [step for part in self.sections[heading] if part.cause in {"", cause} for step in part.steps]

    @property
    def causes(self) -> list[str]:
        """The causes that have a part of their own, each once, in order."""
        parts = (part for heading in self.sections.values() for part in heading)
        return list(dict.fromkeys(part.cause for part in parts if part.cause))


def read(number: int) -> Page:
    """Return the page of a number.

    Raises:
        UnreadablePageError: there is none, or it is not as pages are.
    """
    found = list(FOLDER.glob(f"{number:02}-*.md"))
    if len(found) != 1:
        raise UnreadablePageError(f"there are {len(found)} pages of number {number:02} in {FOLDER}")
    return parse(found[0].stem, found[0].read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Page:
    """Return a page.

    Raises:
        UnreadablePageError: a heading or a block is not as it should be.
    """
    blocks = list(_headed(text))
    if not blocks or blocks[0][0] != 1:
        raise UnreadablePageError(f"{name}: it does not begin with '# ' and a title")
    sections: dict[str, list[Part]] = {}
    for level, heading, lines in blocks[1:]:
        cause = heading if level == 3 else ""
        if level == 2:
            sections[heading] = []
        elif level != 3 or not sections:
            raise UnreadablePageError(f"{name}: {heading!r} is no heading of a section or of a cause")
        part = Part(cause=cause, text="\n".join(lines).strip(), steps=tuple(_steps(name, lines)))
        sections[list(sections)[-1]].append(part)
    return Page(name=name, title=blocks[0][1], sections={key: tuple(parts) for key, parts in sections.items()})


def fits(expected: Sequence[str], answered: str) -> bool:
    """Tell whether an answer is what a page expects."""
    return _fits([_even(line) for line in expected], [_even(line) for line in answered.splitlines()])


def _fits(expected: list[str], lines: list[str]) -> bool:
    if not expected:
        return not any(lines)
    if expected[0] == ANYTHING:
        return any(_fits(expected[1:], lines[skipped:]) for skipped in range(len(lines) + 1))
    return bool(lines) and _fits_line(expected[0], lines[0]) and _fits(expected[1:], lines[1:])


def _fits_line(expected: str, line: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in expected.split(ANYTHING))
    return re.fullmatch(pattern, line) is not None


def _even(line: str) -> str:
    return " ".join(line.split())


def _headed(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield level, heading and lines of each part; what stands in a block is no heading."""
    heading: tuple[int, str] | None = None
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= bool(_FENCE.match(line))
        found = None if fenced else re.match(r"^(#+) (.+)$", line)
        if not found:
            lines.append(line)
            continue
        if heading is not None:
            yield *heading, lines
        heading, lines = (len(found[1]), found[2]), []
    if heading is not None:
        yield *heading, lines


def _steps(name: str, lines: Sequence[str]) -> Iterator[Step]:
    block: list[str] | None = None
    info: list[str] = []
    for line in lines:
        fence = _FENCE.match(line)
        if fence and block is None:
            block, info = [], fence["info"].split()
        elif fence and block is not None:
            if info[:1] == ["console"]:
                yield from _commands(name, block, tier=" ".join(info[1:]))
            block = None
        elif block is not None:
            block.append(line)
    if block is not None:
        raise UnreadablePageError(f"{name}: a block is not closed")


def _commands(name: str, block: Sequence[str], *, tier: str) -> Iterator[Step]:
    starts = [at for at, line in enumerate(block) if line.startswith(_PROMPT)]
    if not starts or starts[0] != 0:
        raise UnreadablePageError(f"{name}: a block does not begin with '# ' and a command: {block[:1]}")
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        yield Step(tier=tier, command=block[start].removeprefix(_PROMPT), expected=tuple(block[start + 1 : end]))
