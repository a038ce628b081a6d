"""The counts on disk, so that a restart of what counts does not begin a new day.

One small file in a folder that the counting account owns, replaced as a whole, once a second at most. Others only read.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from reconfigure.durable import read_plain, replace_text
from reconfigure.errors import ReconfigureError
from reconfigure.sending.counts import Counts

log = structlog.get_logger()

FOLDER, FILE = "counts", "counts.json"
SPACING = 1.0  # seconds between two writings
LARGEST = 64_000_000  # bytes; a file beyond that was not written here


def make_folder(folder: Path, *, user: str | None) -> None:
    """Make the folders of counts and holds; those of counts belong to an account, where this process is root's.

    Args:
        folder: RECONFIGURE_SENDING_DIR.
        user: the account that counts; None: this process's own.

    Raises:
        ReconfigureError: they could not be made.
    """
    counts = folder / FOLDER
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if not counts.is_dir():
            counts.mkdir(mode=0o755)
            if user is not None and os.geteuid() == 0:
                shutil.chown(counts, user)
    except (OSError, LookupError) as error:
        raise ReconfigureError(
            f"making the folder {counts} failed: {error}; look at its parent's owner and mode, or name another folder"
            " in RECONFIGURE_SENDING_DIR"
        ) from error


def path_of(folder: Path) -> Path:
    """Return where the counts are."""
    return folder / FOLDER / FILE


def read(folder: Path, *, now: float) -> Counts:
    """Return what has been counted, to look at.

    Raises:
        OSError: the file cannot be read; FileNotFoundError where nothing was counted yet.
        ValueError: it is damaged.
    """
    data = read_plain(path_of(folder))
    if len(data) > LARGEST:
        raise ValueError("it is too large")
    return Counts(json.loads(data), now=now)


class Ledger:
    """Counts that are written down.

    Args:
        folder: RECONFIGURE_SENDING_DIR, with what `make_folder` makes.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path_of(folder)
        self.clock = clock
        self.counts = self._begin(folder)
        self._failed = False

    def write(self) -> None:
        """Write the counts down. Mail goes on where that fails, which is said once."""
        try:
            replace_text(self._path, json.dumps(self.counts.document(self.clock())) + "\n")
        except OSError as error:
            if not self._failed:
                log.error("counts_not_written", path=str(self._path), error=str(error))
            self._failed = True
        else:
            self._failed = False

    def _begin(self, folder: Path) -> Counts:
        try:
            return read(folder, now=self.clock())
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            log.error("counts_forgotten", path=str(self._path), error=str(error))
        return Counts()
