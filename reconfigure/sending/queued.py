"""Mail of an account in sendmail's queue: found, held, let go and thrown away.

sendmail writes into each queue file who had logged in (`persistentMacros`, sendmail.mc), so a message is known by its
account, not by its sender: an address may be several users', and a notification has none. What is held is sendmail's
own quarantine: the queue file is called hf instead of qf, no runner takes it, and `mailq -qQ` lists it.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from reconfigure.errors import ReconfigureError

PATIENCE = 10.0  # seconds for what is being delivered to become free

_REASON = "account held"
_AT_ONCE = 50  # queue ids on one command line
_NAME = re.compile(r"([qh])f([A-Za-z0-9]+)")
_HEAD = 65_536  # bytes; what is looked for stands before the sender


class Queued(NamedTuple):
    """A message in the queue.

    Attributes:
        id: sendmail's.
        user: who had logged in, in lower case.
        held: whether it is in quarantine because its account is held.
    """

    id: str
    user: str
    held: bool


class MailQueue:
    """sendmail's queue; for root, or the account that owns it.

    Files are touched as their owner: a container's root has no right of its own to them. sendmail is run as root, since
    it lets nobody else put mail into quarantine ("real uid not trusted"), and becomes its account by itself.

    Args:
        folder: where it is.
        timeout: seconds that one run of sendmail may take.
        sendmail: the command.
    """

    def __init__(self, folder: Path, *, timeout: float, sendmail: Sequence[str] = ("sendmail",)) -> None:
        self.folder = folder
        self._timeout = timeout
        self._sendmail = tuple(sendmail)

    def all(self) -> list[Queued]:
        """Return every message of somebody who had logged in; not those in a quarantine of another kind.

        Raises:
            OSError: the folder, or a file in it, cannot be read.
        """
        with self._owner():
            return [found for path in sorted(self.folder.iterdir()) if (found := _message(path)) is not None]

    def of(self, user: str) -> list[Queued]:
        """Return the messages of one account.

        Raises:
            OSError: as `all` does.
        """
        return [each for each in self.all() if each.user == user]

    def hold(self, user: str, *, patience: float = PATIENCE, pause: Callable[[float], object] = time.sleep) -> int:
        """Put all messages of an account into quarantine; return how many could not be.

        Those are being delivered just now, and sendmail has locked them.

        Args:
            user: whose.
            patience: seconds for these to become free.
            pause: waits.

        Raises:
            OSError: as `all` does.
            ReconfigureError: sendmail failed.
        """
        deadline = time.monotonic() + patience
        while ids := [each.id for each in self.of(user) if not each.held]:
            self._run(ids, f"-Q{_REASON}")
            ids = [each.id for each in self.of(user) if not each.held]
            if not ids or time.monotonic() > deadline:
                return len(ids)
            pause(0.5)
        return 0

    def release(self, user: str) -> int:
        """Let the messages of an account go that were held; return how many.

        Raises:
            OSError: as `all` does.
            ReconfigureError: sendmail failed.
        """
        ids = [each.id for each in self.of(user) if each.held]
        self._run(ids, "-Q", "-qQ")
        return len(ids) - sum(each.held for each in self.of(user))

    def drop(self, user: str) -> int:
        """Throw the held messages of an account away; return how many. Nobody is told of them.

        Raises:
            OSError: one could not be removed.
        """
        ids = [each.id for each in self.of(user) if each.held]
        with self._owner():
            for each in ids:
                # The queue file first: what is left without one is no message to sendmail.
                for kind in "hdx":
                    with suppress(FileNotFoundError):
                        (self.folder / f"{kind}f{each}").unlink()
        return len(ids)

    @contextmanager
    def _owner(self) -> Iterator[None]:
        """Be the folder's owner for a while, where this process is root's."""
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(self.folder.stat().st_uid)
        try:
            yield
        finally:
            os.seteuid(0)

    def _run(self, ids: Sequence[str], *options: str) -> None:
        for at in range(0, len(ids), _AT_ONCE):
            chosen = [f"-qI{each}" for each in ids[at : at + _AT_ONCE]]
            command = [*self._sendmail, *options, *chosen]
            said = f"{self._sendmail[0]} {' '.join(options)}"
            try:
                done = subprocess.run(
                    command,
                    check=False,
                    capture_output=True,
                    stdin=subprocess.DEVNULL,
                    timeout=self._timeout,
                    env={"PATH": os.environ.get("PATH", os.defpath)},  # no credentials for what needs none
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise ReconfigureError(f"running {said} on the queue {self.folder} failed: {error}") from error
            if done.returncode != 0:
                text = (done.stderr or done.stdout).decode(errors="replace").strip()[-500:]
                raise ReconfigureError(
                    f"{said} on the queue {self.folder} ended with {done.returncode}: {text}; try the command itself"
                )


def _message(path: Path) -> Queued | None:
    if (named := _NAME.fullmatch(path.name)) is None:
        return None
    try:
        with path.open("rb") as file:
            return _read(named[2], file.read(_HEAD), in_quarantine=named[1] == "h")
    except FileNotFoundError:  # delivered meanwhile
        return None


def _read(number: str, head: bytes, *, in_quarantine: bool) -> Queued | None:
    """Return what a queue file says before its sender (sendmail's doc/op, Queue File Format)."""
    user = reason = None
    for line in head.splitlines():
        if line.startswith(b"S"):
            break
        if line.startswith(b"${auth_authen}"):
            user = line.removeprefix(b"${auth_authen}").decode("ascii", "backslashreplace").lower()
        if line.startswith(b"q"):
            reason = line[1:].decode("ascii", "backslashreplace")
    if not user or (in_quarantine and reason != _REASON):
        return None
    return Queued(number, user, in_quarantine)
