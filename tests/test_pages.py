"""Every page's links lead somewhere, and what the guides type and set exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from reconfigure.cli import cli
from reconfigure.settings.fields import SPECS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "terraform").rglob("*.md")])
GUIDES = sorted((ROOT / "docs/guide").rglob("*.md"))
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^()\s#]*)(?:#([^()\s]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
TYPED = re.compile(r" *[#$] (reconfigure( |$)|.* --entrypoint reconfigure )")
SETTING = re.compile(r"\bRECONFIGURE_[A-Z_]*[A-Z]\b")
# Read by what starts the program, and for where settings are.
ELSEWHERE = {"RECONFIGURE_CONFIG", "RECONFIGURE_PROGRAMS"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
each_guide = pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """Return the headings' names as GitHub makes them: lower case, words joined by hyphens, the rest dropped."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words behind `reconfigure` of each command that a page types, here or in a container."""
    for block in CONSOLE.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            if not TYPED.match(line):
                continue
            words = shlex.split(line.strip()[2:], comments=True)
            if words[:1] == ["reconfigure"]:
                yield words[1:]
            else:
                image = next(at for at, word in enumerate(words) if word.startswith("mail-"))
                yield words[image + 1 :]


@each_page
def test_links_lead_to_a_file_and_to_a_heading_in_it(page: Path) -> None:
    for target, anchor in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(found), f"{found.name} has no heading #{anchor}"


@each_guide
def test_commands_exist_and_have_the_options_that_are_typed(page: Path) -> None:
    for words in commands(page):
        command: click.Command | None = cli
        context = click.Context(cli, **cli.context_settings)  # a command keeps the help option it first has
        for word in words:
            if isinstance(command, click.Group) and not word.startswith("-"):
                command = command.get_command(context, word)
                assert command is not None, f"there is no {' '.join(words)}"
            elif word.startswith("-"):
                assert command is not None
                options = {name for param in command.get_params(context) for name in param.opts}
                assert word.partition("=")[0] in options, f"{' '.join(words)}: there is no {word}"


def test_the_guides_type_commands() -> None:
    typed = [words for page in GUIDES for words in commands(page)]
    assert ["fleet", "--tier", "imap"] in typed
    assert ["once", "--dry-run", "--against", "/old"] in typed


@each_page
def test_settings_that_are_named_exist(page: Path) -> None:
    known = {spec.env for spec in SPECS} | ELSEWHERE
    assert set(SETTING.findall(page.read_text(encoding="utf-8"))) <= known
