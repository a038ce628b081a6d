"""Letters that can be told apart wherever they turn up: each carries an id of its own, in a header and in its text."""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

HEADER = "X-Letter"
STRANGER = "someone@elsewhere.test"

_IDENT = re.compile(rb"^X-Letter:[ \t]*([0-9a-z-]+)[ \t]*\r?$", re.MULTILINE | re.IGNORECASE)


def new_ident(kind: str = "letter") -> str:
    """Return an id that no other letter has; `kind` is there for those who read it in a log."""
    return f"{kind.replace(' ', '-')}-{uuid.uuid4().hex}"


def ident_of(text: bytes) -> str | None:
    """Return the id that a message, or its header, carries; None if that is none of these letters."""
    found = _IDENT.search(text)
    return found[1].decode("ascii") if found else None


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A message and its envelope. `header_from` is the From: header where that is not the envelope's sender."""

    recipients: Sequence[str]
    sender: str = STRANGER
    header_from: str | None = None
    ident: str = field(default_factory=new_ident)
    headers: Sequence[str] = ()
    body: str = "A few words."

    @classmethod
    def to(cls, *recipients: str, sender: str = STRANGER, kind: str = "letter") -> "Letter":
        """Return a plain letter."""
        return cls(recipients=recipients, sender=sender, ident=new_ident(kind))

    @property
    def text(self) -> bytes:
        """The message as SMTP carries it, before dots are doubled."""
        return "\r\n".join(
            (
                f"From: {self.header_from if self.header_from is not None else f'<{self.sender}>'}",
                f"To: {', '.join(f'<{recipient}>' for recipient in self.recipients)}",
                f"Subject: {self.ident}",
                "Date: Mon, 23 Nov 2026 08:00:00 +0000",
                f"Message-ID: <{self.ident}@letters.test>",
                f"{HEADER}: {self.ident}",
                *self.headers,
                "",
                self.body,
                f"This is {self.ident}.",
                "",
            )
        ).encode()
