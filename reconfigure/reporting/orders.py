"""What an operator has ordered for a while: a pause (nothing is applied) and a pin (one generation stays live).

Both are small files in the state folder, so that they survive whatever ends, and every process sees them at once:
the loop, `once`, `prepare`, and whoever asks how the task stands. A pause has an end by its nature, a pin has none. An
order that cannot be read counts as given, since somebody gave it: applying nothing is the safe mistake, and it is said
loudly everywhere. Who writes one holds no lock: an emergency does not wait for a pass to end.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from reconfigure.durable import sync
from reconfigure.errors import ReconfigureError
from reconfigure.reporting import documents
from reconfigure.reporting.reports import Pause, Pin

T = TypeVar("T", bound="Pause | Pin")

PAUSED_NAME = "paused"
PINNED_NAME = "pinned.json"
UNPINNED_NAME = "unpinned.json"  # a pin that was lifted, until a full pass has read what changed meanwhile
WOKEN_NAME = "woken"  # touched by whoever changed what is live beside the loop

LONGEST_PAUSE = timedelta(hours=24)
TOLERANCE = timedelta(minutes=5)  # by which two clocks, or one that was set, may differ
_LARGEST = 64 * 1024  # bytes; what is larger was not written by this program

_RESUME = "nothing is applied until 'reconfigure resume' removes it, or 'reconfigure pause' writes a new one"
_UNPIN = "nothing is applied until 'reconfigure resume' lifts it, or 'reconfigure rollback' writes a new one"


class Orders:
    """The orders in one state folder.

    Args:
        state_dir: the folder.
        now: returns the present, with time zone.
    """

    def __init__(self, state_dir: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._folder = state_dir
        self._paused = state_dir / PAUSED_NAME
        self._pinned = state_dir / PINNED_NAME
        self._unpinned = state_dir / UNPINNED_NAME
        self._woken = state_dir / WOKEN_NAME

    def pause(self) -> Pause | None:
        """Return the pause in force, or None: also when its time is over."""
        return self._read_pause(self._paused)

    def pin(self) -> Pin | None:
        """Return the pin in force, or None."""
        try:
            found = _load(Pin, self._pinned, consequence=f"Until somebody looks, {_UNPIN}.")
        except ReconfigureError as error:
            return Pin(error=str(error))
        if found is not None and found.generation is None:
            return replace(found, error=f"{self._pinned} names no generation; {_UNPIN}")
        return found

    def is_settled(self) -> bool:
        """Tell whether no pin is or was in force since the last full pass.

        What is live is then what the source said, but for what messages have named since.
        """
        return not _is_there(self._pinned) and not _is_there(self._unpinned)

    def signature(self) -> object:
        """Return what is another value whenever the pin is another, or somebody woke the loop."""
        return tuple(_identity(path) for path in (self._pinned, self._unpinned, self._woken))

    def wake(self) -> None:
        """Have the loop make a pass now: what it plans was decided before an operator changed what is live.

        Where it cannot be told, it learns of it by its next pass.
        """
        with suppress(OSError):
            self._woken.touch()

    def set_pause(self, length: timedelta, *, by: str, why: str | None) -> Pause:
        """Order a pause from now on, in place of one in force.

        Raises:
            ReconfigureError: it could not be written; what was in force still is.
        """
        now = self._now()
        made = Pause(until=_stamp(now + length), since=_stamp(now), by=by, why=why or None)
        documents.replace(self._paused, made)
        return made

    def end_pause(self) -> bool:
        """Remove the pause, whatever it says, and tell whether there was one.

        Raises:
            OSError: it could not be removed.
        """
        return self._remove(self._paused)

    def forget_what_is_over(self) -> bool:
        """Remove a pause whose time is over, and tell whether there was one.

        Moved aside first: an operator may prolong it at this very moment, and that must not be lost.

        Raises:
            OSError: it could not be removed.
        """
        if not _is_there(self._paused) or self.pause() is not None:
            return False
        aside = self._folder / f".{PAUSED_NAME}.over"
        with suppress(FileNotFoundError):
            self._paused.replace(aside)
            if self._read_pause(aside) is not None:
                with suppress(FileExistsError):
                    self._paused.hardlink_to(aside)
            aside.unlink()
        return True

    def set_pin(self, generation: str, *, by: str, why: str | None) -> Pin:
        """Order that a generation is to be live and stay so.

        Raises:
            ReconfigureError: it could not be written; what was in force still is.
        """
        made = Pin(generation=generation, by=by, since=_stamp(self._now()), why=why or None)
        documents.replace(self._pinned, made)
        return made

    def lift_pin(self) -> bool:
        """Lift the pin, whatever it says, and tell whether there was one; a trace stays until `settle`.

        Raises:
            OSError: it could not be lifted.
        """
        try:
            self._pinned.replace(self._unpinned)
        except FileNotFoundError:
            return False
        sync(self._folder)
        return True

    def settle(self) -> None:
        """Take note that a full pass has made live what the source says.

        Raises:
            OSError: the trace of the last pin could not be removed.
        """
        self._remove(self._unpinned)

    def _read_pause(self, path: Path) -> Pause | None:
        try:
            found = _load(Pause, path, consequence=f"Until somebody looks, {_RESUME}.")
        except ReconfigureError as error:
            return Pause(error=str(error))
        if found is None:
            return None
        try:
            since, until, now = _time(found.since), _time(found.until), self._now()
        except (ValueError, TypeError) as error:
            return replace(found, until=None, error=f"{path} is damaged: {error}; {_RESUME}")
        wrong = None
        if since - now > TOLERANCE:
            wrong = f"{path} says that it began at {found.since}, which is still to come, so a clock was wrong"
        elif until - since > LONGEST_PAUSE + TOLERANCE:
            wrong = f"{path} says until {found.until}, which is longer than any pause may be"
        if wrong is not None:
            return replace(found, until=None, error=f"{wrong}; {_RESUME}")
        return found if now < until else None

    def _remove(self, path: Path) -> bool:
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync(self._folder)
        return True


def _load(cls: type[T], path: Path, *, consequence: str) -> T | None:
    found = _identity(path)
    if found is not None and found[2] > _LARGEST:
        raise ReconfigureError(f"{path} is damaged: it has {found[2]} bytes. {consequence}")
    return documents.load(cls, path, consequence=consequence)


def _is_there(path: Path) -> bool:
    """Tell whether something has this name; what may not be looked at is taken to be there."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _time(stamp: str | None) -> datetime:
    if stamp is None:
        raise ValueError("a time is missing")
    made = datetime.fromisoformat(stamp)
    if made.tzinfo is None:
        raise ValueError(f"{stamp} has no time zone")
    return made


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
