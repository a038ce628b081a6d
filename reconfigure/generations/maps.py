"""Compiled maps: made by makemap, then dumped back and held against their text.

The one place that knows makemap(8). Another MTA's map compiler would be a second class with `compile` and `dump`.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from reconfigure.errors import GenerationError
from reconfigure.generations.tools import Ended, run_tool
from reconfigure.tiers import MapSpec

_CHUNK = 1 << 20
_DIGEST_SPACE = 1 << 128


class Content(NamedTuple):
    """What a map or its text says, order included: number of entries and SHA-256 over the lines."""

    entries: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Makemap:
    """Runs makemap.

    Attributes:
        program: path or name of makemap.
        timeout: seconds that one run may take.
    """

    program: str = "makemap"
    timeout: float = 120.0

    def compile(self, text: Path, spec: MapSpec, *, checkpoint: Callable[[], None] = lambda: None) -> Path:
        """Compile a text beside itself and return the database's path (`<text>.db`).

        Raises:
            GenerationError: makemap is missing, refused the text (duplicate or empty keys) or took too long.
        """
        command = [self.program, *self._options(spec), spec.kind, str(text)]
        what = f"compiling {text.name}"
        with text.open("rb") as source:
            _require(run_tool(command, what, timeout=self.timeout, checkpoint=checkpoint, stdin=source), what, command)
        return text.with_name(f"{text.name}.db")

    def verify(self, text: Path, spec: MapSpec, *, checkpoint: Callable[[], None] = lambda: None) -> int:
        """Dump a compiled map back, compare it with its text in number and content, and return the entries.

        Raises:
            GenerationError: they differ, or the map cannot be read.
        """
        with self.dumped(text, spec, checkpoint=checkpoint, folder=text.parent) as dump, text.open("rb") as source:
            in_order = _content(source)
            if in_order == _content(dump):
                return in_order.entries
            # A text that is not in key order, or a hash map, comes back in another order: compare as sets.
            wanted, found = _unordered(source, spec), _unordered(dump, spec)
        if wanted != found:
            raise GenerationError(
                f"{text.name}.db does not say what {text.name} says: {found[0]} entries compiled of "
                f"{wanted[0]} in the text. makemap says nothing of some full disks, so look at 'df -h'; the "
                "generation was dropped and the active one serves on"
            )
        return wanted[0]

    @contextmanager
    def dumped(
        self,
        text: Path,
        spec: MapSpec,
        *,
        checkpoint: Callable[[], None] = lambda: None,
        folder: Path | None = None,
    ) -> Iterator[IO[bytes]]:
        """Open what a compiled map says, as text; `text` is its path without `.db`, `folder` takes what is dumped.

        Raises:
            GenerationError: the map cannot be read.
        """
        # An unnamed file, not a pipe: the time limit stays subprocess's own, and nothing is left behind by a crash.
        with tempfile.TemporaryFile(dir=folder) as dump:
            # -s: without it makemap does not even read a map that two generations share by a hard link.
            command = [self.program, "-u", "-s", *self._options(spec), spec.kind, str(text)]
            what = f"reading back {text.name}"
            _require(run_tool(command, what, timeout=self.timeout, checkpoint=checkpoint, stdout=dump), what, command)
            yield dump

    def _options(self, spec: MapSpec) -> list[str]:
        # -C: makemap insists on reading a sendmail.cf for TrustedUser; no option of one is wanted here.
        return ["-C", os.devnull, *(["-t", spec.separator] if spec.separator else [])]


def _require(ended: Ended, what: str, command: list[str]) -> None:
    if ended.code != 0:
        raise GenerationError(f"{what} failed: {' '.join(command)} ended with {ended.code}: {ended.said[-500:]}")


def _content(file: IO[bytes]) -> Content:
    file.seek(0)
    sha = hashlib.sha256()
    entries = 0
    chunk = _skip_comments(file)
    while chunk:
        sha.update(chunk)
        entries += chunk.count(b"\n")
        chunk = file.read(_CHUNK)
    return Content(entries, sha.hexdigest())


def _skip_comments(file: IO[bytes]) -> bytes:
    """Return the first chunk after the comment lines at the head of a file."""
    line = file.readline()
    while line.startswith(b"#"):
        line = file.readline()
    return line and line + file.read(_CHUNK)


def _unordered(file: IO[bytes], spec: MapSpec) -> tuple[int, int]:
    """Return the number of a text's entries and a digest that does not depend on order: the sum of their digests."""
    number = total = 0
    for key, value in entries(file, spec):
        digest = hashlib.blake2b(b"%s\t%s" % (key, value), digest_size=16).digest()
        total = (total + int.from_bytes(digest, "big")) % _DIGEST_SPACE
        number += 1
    return number, total


def entries(file: IO[bytes], spec: MapSpec) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) of a text as makemap reads it: comments and blank lines out, keys folded, values trimmed."""
    file.seek(0)
    separator = spec.separator.encode("ascii") if spec.separator else None
    for line in file:
        if line.startswith(b"#") or not line.strip():
            continue
        key, _, value = line.rstrip(b"\n").partition(separator) if separator else _part(line)
        yield key.lower(), value.strip()


def _part(line: bytes) -> tuple[bytes, bytes, bytes]:
    parts = line.rstrip(b"\n").split(None, 1)
    return parts[0], b"", parts[1] if len(parts) > 1 else b""
