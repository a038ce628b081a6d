"""Which page of the runbooks helps in which trouble, and the pages themselves, as the image carries them.

The one place that knows the names of pages: what finds trouble names its cause here and gets the page, so that a
person who reads `doctor`, `explain` or `status` at night is led on. The pages are docs/runbooks.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from reconfigure.errors import ReconfigureError

INDEX = "README"
_NAME = re.compile(r"(?P<number>[0-9]{2})-[a-z0-9-]+")
_SEEN = "What you see"


class Runbook(IntEnum):
    """The pages, by their numbers."""

    HEARTBEAT_MISSED = 1
    SILENT_TIER = 2
    QUEUE_GROWING = 3
    MESSAGES_STUCK = 4
    DYNAMODB = 5
    COGNITO = 6
    HEARTBEAT_PARAMETER = 7
    DEAD_LETTERS = 8
    HELD = 9
    BAD_CHANGE = 10
    NO_MAIL = 11
    REVOKED = 12
    UNSIGNED_OR_DEFERRED = 13
    PAUSE = 14
    DISK_FULL = 15
    KEYS = 16
    TASK = 17

    @property
    def command(self) -> str:
        """What to type to read it."""
        return f"reconfigure runbook {self.value}"


# Check of `doctor` → the page that helps when it fails; what is not here has its whole mending in one line.
OF_CHECKS = {
    "dynamodb": Runbook.DYNAMODB,
    "dynamodb by key": Runbook.DYNAMODB,
    "cognito": Runbook.COGNITO,
    "queue": Runbook.QUEUE_GROWING,
    "dead letters": Runbook.DEAD_LETTERS,
    "fleet": Runbook.TASK,
    "heartbeat": Runbook.HEARTBEAT_PARAMETER,
    "programs": Runbook.UNSIGNED_OR_DEFERRED,
    "ports": Runbook.UNSIGNED_OR_DEFERRED,
    "generation": Runbook.HEARTBEAT_MISSED,
    "disk": Runbook.DISK_FULL,
    "certificate": Runbook.KEYS,
    "dkim": Runbook.KEYS,
}

# What keeps a task from doing its work, in a word → the page. The words of failed passes are `outcome.Cause`'s.
OF_CAUSES = {
    "paused": Runbook.PAUSE,
    "pin": Runbook.BAD_CHANGE,
    "guard": Runbook.HELD,
    "loop": Runbook.HEARTBEAT_MISSED,
    "daemon": Runbook.UNSIGNED_OR_DEFERRED,
    "state-folder": Runbook.DISK_FULL,
    "disk": Runbook.DISK_FULL,
    "dead letters": Runbook.DEAD_LETTERS,
    "queue": Runbook.QUEUE_GROWING,
    "heartbeat": Runbook.HEARTBEAT_PARAMETER,
    "fleet": Runbook.TASK,
    "no mail": Runbook.NO_MAIL,
    "revoked": Runbook.REVOKED,
}

_FULL = ("No space left", "Disk quota exceeded")


def of_failure(cause: str, error: str) -> Runbook:
    """Return the page for a pass that failed, by the cause that it gave and by what it said."""
    if any(sign in error for sign in _FULL):
        return Runbook.DISK_FULL
    if cause == "source":
        return Runbook.COGNITO if "Cognito" in error else Runbook.DYNAMODB
    return OF_CAUSES.get(cause, Runbook.HEARTBEAT_MISSED)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page: its name is that of its file."""

    number: int
    name: str
    title: str
    seen: str
    text: str


def pages(folder: Path) -> list[Page]:
    """Return all pages, by number.

    Raises:
        ReconfigureError: there are none.
    """
    found = [path for path in folder.glob("*.md") if _NAME.fullmatch(path.stem)]
    if not found:
        raise ReconfigureError(f"there are no runbooks in {folder}; set RECONFIGURE_RUNBOOKS_DIR to where they are")
    return [_page(path) for path in sorted(found)]


def page(folder: Path, wanted: str) -> Page:
    """Return the page of a number, a name or a part of a name.

    Raises:
        ReconfigureError: there is no such page, or several.
    """
    known = pages(folder)
    if wanted.isdecimal():
        found = [one for one in known if one.number == int(wanted)]
    else:
        found = [one for one in known if one.name == wanted] or [one for one in known if wanted.lower() in one.name]
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.name for one in found or known)
    raise ReconfigureError(f"{wanted!r} names {'several pages' if found else 'no page'} of the runbooks: {names}")


def _page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    title = text.partition("\n")[0].removeprefix("# ")
    seen = text.partition(f"\n## {_SEEN}\n")[2].partition("\n#")[0]
    return Page(
        number=int(path.stem[:2]),
        name=path.stem,
        title=title,
        seen=" ".join(seen.partition("\n\n```")[0].split()),
        text=text,
    )
