"""Texts as they are compared: a generation's files, and files that are rendered only to be looked at, line by line.

What differs between two of them is `difference`'s business; here is how they are opened and what their lines mean.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol

from reconfigure.generations.compare import SNAPSHOT_FOLDER
from reconfigure.generations.manifest import Manifest
from reconfigure.tiers import MapSpec

# The sign of a finished alias database: newaliases(1) puts it into the database, makemap wants it in the text.
ALIASES_ARE_WHOLE = ("@", "@")


class Text(Protocol):
    """A file's content, which can be read any number of times."""

    @property
    def sha256(self) -> str:
        """SHA-256 of its bytes, hexadecimal."""

    def lines(self) -> AbstractContextManager[Iterable[bytes]]:
        """Open its lines, with or without their ends."""


class StoredText:
    """A text file on disk; `sha256` as its manifest says."""

    def __init__(self, path: Path, sha256: str) -> None:
        self._path = path
        self._sha256 = sha256

    @property
    def sha256(self) -> str:
        """SHA-256 of its bytes, hexadecimal."""
        return self._sha256

    def lines(self) -> AbstractContextManager[Iterable[bytes]]:
        """Open the file."""
        return self._path.open("rb")


class RenderedText:
    """A text that is rendered anew each time it is read, so that it never lies in memory or on disk as a whole.

    Args:
        render: yields its bytes in chunks.
    """

    def __init__(self, render: Callable[[], Iterable[bytes]]) -> None:
        self._render = render

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of its bytes, hexadecimal."""
        sha = hashlib.sha256()
        for chunk in self._render():
            sha.update(chunk)
        return sha.hexdigest()

    @contextmanager
    def lines(self) -> Iterator[Iterable[bytes]]:
        """Render it line by line."""
        yield self._lines()

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._render():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
        if rest:
            yield rest


@contextmanager
def opened(text: Text | None) -> Iterator[Iterable[bytes]]:
    """Open a text's lines; of a text that is not there, none."""
    if text is None:
        yield ()
        return
    with text.lines() as lines:
        yield lines


def texts_of(manifest: Manifest, folder: Path) -> dict[str, Text]:
    """Return a generation's text files by path: no compiled maps, and no snapshots (`compare` knows those)."""
    return {
        path: StoredText(folder / path, record.sha256)
        for path, record in manifest.files.items()
        if not (path.endswith(".db") and path.removesuffix(".db") in manifest.files)
        and not path.startswith(f"{SNAPSHOT_FOLDER}/")
    }


class OutOfOrderError(Exception):
    """A text's keys do not ascend, so it cannot be merged with another."""


def in_order(lines: Iterable[bytes]) -> Iterator[str]:
    """Yield `key TAB line` for each entry of a text that is sorted by key, as the templates write it.

    Raises:
        OutOfOrderError: it is not.
    """
    last = ""
    for line in entries(lines):
        # The first word; in a passwd file, which need not hold white space, the name before the first colon.
        words = line.split(None, 1)
        key = words[0].rstrip(":") if len(words) > 1 else line.partition(":")[0]
        if key <= last:
            raise OutOfOrderError
        last = key
        yield f"{key}\t{line}"


def entries(lines: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines that are neither blank nor comments, without their ends; what is not ASCII as escapes."""
    for line in lines:
        if line.strip() and not line.startswith(b"#"):
            yield line.rstrip(b"\r\n").decode("ascii", "backslashreplace")


def pairs(lines: Iterable[bytes], spec: MapSpec | None) -> Iterator[tuple[str, str]]:
    """Yield (key, value) of each entry as a map knows it: key in lower case, white space only where it parts words.

    Args:
        lines: of the text.
        spec: what it compiles to; None for a file that is no map, where a key ends at white space (KeyTable) or at a
            colon (passwd), whichever comes first.
    """
    ends = r"[\s:]" if spec is None else re.escape(spec.separator or "") or r"\s"
    end = re.compile(ends)
    for line in entries(lines):
        key, value = (*end.split(line.strip(), 1), "")[:2]
        pair = key.strip().lower(), re.sub(" ?, ?", ",", " ".join(value.split()))
        if pair != ALIASES_ARE_WHOLE:
            yield pair
