"""Accounts that an operator has stopped: one small file each, looked for anew whenever the account sends.

They belong to whoever ran the command, root in a container, and the login helper can only read them: what takes an
account's mail away cannot be taken away by what the account talks to.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from reconfigure.directory import syntax
from reconfigure.durable import replace_text

FOLDER = "held"


@dataclass(frozen=True)
class Hold:
    """Who held an account, when (ISO 8601), and why; None where that is not known."""

    by: str | None
    since: str | None
    why: str | None


class Holds:
    """The held accounts of a task.

    Args:
        folder: RECONFIGURE_SENDING_DIR.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def is_held(self, user: str) -> bool:
        """Say whether an account is held; one that cannot be told is.

        Args:
            user: its name in lower case, as the client gave it.
        """
        if isinstance(syntax.user_name(user), syntax.Unfit):
            return True
        try:
            (self._folder / user).lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def all(self) -> Mapping[str, Hold]:
        """Return every held account, by name.

        Raises:
            OSError: the folder cannot be read.
        """
        try:
            names = sorted(path.name for path in self._folder.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return {}
        return {name: self._read(name) for name in names}

    def put(self, user: str, hold: Hold) -> None:
        """Hold an account.

        Raises:
            OSError: it could not be written.
        """
        self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace_text(self._folder / user, json.dumps(asdict(hold)) + "\n")

    def lift(self, user: str) -> bool:
        """Let an account go on; return whether it was held.

        Raises:
            OSError: it could not be removed.
        """
        try:
            (self._folder / user).unlink()
        except FileNotFoundError:
            return False
        return True

    def _read(self, name: str) -> Hold:
        try:
            return Hold(**json.loads((self._folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return Hold(None, None, None)  # held all the same
