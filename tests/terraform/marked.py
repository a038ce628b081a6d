"""Parts of pages that are written by a program, between two marks."""

from collections.abc import Iterable
from pathlib import Path

END = "<!-- The end of what is written by `make docs`. -->\n"


def replaced(text: str, begin: str, lines: Iterable[str], *, file: Path) -> str:
    """Return a page with what stands between its marks replaced by lines.

    Args:
        text: the page.
        begin: the first mark; the last is `END`.
        lines: what belongs between them.
        file: the page's file, for the message.

    Raises:
        ValueError: the marks are not there.
    """
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(END)
    if not first or not last:
        raise ValueError(f"{file} has lost the marks around what is written; put them back: {begin}{END}")
    return before + begin + "\n" + "\n".join(lines) + "\n\n" + END + after
