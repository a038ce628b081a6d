"""What a generation says of itself: `manifest.json`, written last, so a folder with one is whole."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from reconfigure.errors import GenerationError


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """One file of a generation as it was when it was built.

    Attributes:
        sha256: of the whole file, hexadecimal.
        size: bytes.
        entries: lines that are not comments, or keys of a compiled map.
        made_as: mode (octal), owner and map type it was made with; a file is shared with the next generation only
            if all of this is the same.
    """

    sha256: str
    size: int
    entries: int
    made_as: str = ""

    @property
    def mode(self) -> int | None:
        """Permission bits that it was made with; None when that was not written down."""
        return int(self.made_as[:4], 8) if self.made_as else None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A generation's manifest; `parent` is the generation that was active when it was built."""

    id: str
    parent: str | None
    tier: str
    created: str
    input_digest: str
    files: Mapping[str, FileRecord]
    counts: Mapping[str, int]
    quarantine: Mapping[str, int]
    checks: Mapping[str, str] = field(default_factory=dict)
    peaks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # see `peaks`

    def to_json(self) -> str:
        """Return the document: indented, keys in order of the fields, the same for the same manifest."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, *, origin: str) -> "Manifest":
        """Return the manifest that a document holds; fields that a newer version added are ignored.

        Args:
            text: the document.
            origin: where it was read, for messages.

        Raises:
            GenerationError: it is not a manifest.
        """
        try:
            document: dict[str, Any] = json.loads(text)
            files = {path: FileRecord(**_known(FileRecord, record)) for path, record in document["files"].items()}
            for record in files.values():
                _ = record.mode
            made = cls(**{**_known(cls, document), "files": files})
            _ = [int(count) for hours in made.peaks.values() for count in hours.values()]
            return made
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise GenerationError(
                f"{origin} is not a generation's manifest ({error}); remove that file and run 'reconfigure once', "
                "which clears up and builds what the source says"
            ) from error


def _known(cls: type[FileRecord | Manifest], document: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(cls)}
    return {key: value for key, value in document.items() if key in names}
