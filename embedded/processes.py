"""The processes of an embedded world: found by a mark in their environment, asked through supervisord, ended for sure.

A child inherits the mark whoever starts it, so nothing is missed when a supervisord was killed and its children were
not; and since the mark is the full path of one state folder, nothing that is somebody else's is ever touched.
"""

import http.client
import os
import signal
import socket
import time
import xmlrpc.client
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from embedded.places import MARK, Places
from reconfigure.settings import Tier

_CALL_SECONDS = 60.0  # stopping a tier takes up to its 25 s
_STOP_SECONDS = 45.0  # tiers get 25 s from the supervisord above
_TERM_SECONDS = 5.0
_EXEC_LOOKS = 3
_EXEC_SECONDS = 0.005

_HAVE_A_PROCESS = {"STARTING", "RUNNING", "STOPPING"}

UNREACHABLE = (OSError, http.client.HTTPException)


class LeftOverError(Exception):
    """Processes that would not end, by PID."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket, with a time limit."""

    def __init__(self, path: Path) -> None:
        super().__init__("supervisord", timeout=_CALL_SECONDS)
        self._path = str(path)

    def connect(self) -> None:
        """Connect; leave nothing open when that fails."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.close()
            raise


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        made = _Connection(self._path)
        self._connection = (host, made)  # this is what closing the proxy closes
        return made


def call(path: Path, method: str, *arguments: str | bool) -> Any:
    """Call `supervisor.<method>` of the supervisord behind a socket (http://supervisord.org/api.html).

    Raises:
        xmlrpc.client.Fault: it refused.
        OSError, http.client.HTTPException: nobody answers there; see `UNREACHABLE`.
    """
    plain = [str(each) if isinstance(each, str) else each for each in arguments]  # a Tier cannot be marshalled
    with xmlrpc.client.ServerProxy("http://supervisord", transport=_Transport(path)) as server:
        return getattr(server, f"supervisor.{method}")(*plain)


class Program(NamedTuple):
    """A program as supervisord sees it: RUNNING, FATAL, …; PID 0 when there is no process."""

    state: str
    pid: int


def programs(path: Path) -> dict[str, Program] | None:
    """Return the programs of a supervisord by name; None when nobody listens."""
    try:
        return {each["name"]: Program(each["statename"], each["pid"]) for each in call(path, "getAllProcessInfo")}
    except UNREACHABLE:
        return None


def program_states(path: Path) -> dict[str, str] | None:
    """Return program → state as a supervisord answers it; None when nobody listens."""
    found = programs(path)
    return None if found is None else {name: program.state for name, program in found.items()}


def program(path: Path, name: str) -> Program | None:
    """Return one program; None when nobody listens, or there is none of that name."""
    return (programs(path) or {}).get(name)


def ours(places: Places) -> list[int]:
    """Return the PIDs of all processes of this world, this one and zombies left out."""
    mark = os.fsencode(f"{MARK}={places.state}")
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        if mark in _environment(entry).split(b"\0"):
            found.append(int(entry.name))
    return sorted(found)


def _environment(entry: Path) -> bytes:
    """Return the environment below /proc/PID; nothing when it is somebody else's, or the process has just ended."""
    try:
        for _ in range(_EXEC_LOOKS):
            environment = (entry / "environ").read_bytes()
            if environment:
                return environment
            (entry / "exe").readlink()  # FileNotFoundError for a zombie, and for a thread of the kernel
            time.sleep(_EXEC_SECONDS)  # a process whose program is just being loaded has its environment right after
    except (PermissionError, FileNotFoundError, ProcessLookupError):
        pass
    return b""


def end(places: Places, *, tell: Callable[[str], None]) -> None:
    """End all processes of this world: supervisord first, so that it ends the others in order; then what is left.

    Args:
        places: the world.
        tell: hears of what had to be ended otherwise.

    Raises:
        LeftOverError: some are still there even after SIGKILL.
    """
    try:
        # Each kind at once: `shutdown` alone would wait for one after the other. Tiers first, while there is an AWS.
        known = program_states(places.socket) or {}
        for names in (known.keys() & set(Tier), known.keys() - set(Tier)):
            _stop(places.socket, names)
        call(places.socket, "shutdown")
    except UNREACHABLE:
        _signal(_roots(ours(places)), signal.SIGTERM)
    except xmlrpc.client.Fault as fault:
        if "SHUTDOWN" not in fault.faultString:  # else it is at it already
            raise
    if left := _wait_gone(lambda: ours(places), _STOP_SECONDS):
        tell(f"did not end by themselves, and are ended now: {_named(left)}")
        end_these(left)
    if left := ours(places):
        raise LeftOverError(f"these processes began while the others were ended; try again: {_named(left)}")


def _stop(path: Path, names: Collection[str]) -> None:
    """Stop programs together, and wait until each has stopped or the time is over."""
    for name in names:
        with suppress(xmlrpc.client.Fault):  # was not running: as wished
            call(path, "stopProcess", name, False)
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        states = program_states(path) or {}
        if not any(states.get(name) in _HAVE_A_PROCESS for name in names):
            return
        time.sleep(0.05)


def strays(places: Places, *, top: int) -> list[int]:
    """Return processes of this world whose parent is gone, with all below them: their supervisord was killed.

    Args:
        places: the world.
        top: PID of the supervisord above all, which is nobody's child by design.
    """
    pids = ours(places)
    found = set(_roots(pids)) - {top}
    while below := {pid for pid in pids if pid not in found and _parent(pid) in found}:
        found |= below
    return sorted(found)


def end_these(pids: Iterable[int], *, patience: float = _TERM_SECONDS) -> None:
    """End these processes, by SIGKILL when they do not listen within the seconds of `patience`.

    Raises:
        LeftOverError: some are still there.
    """
    known = {pid: _born(pid) for pid in pids}

    def left() -> list[int]:
        return [pid for pid, born in known.items() if born and _born(pid) == born]

    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal(left(), number)
        if not _wait_gone(left, patience):
            return
    raise LeftOverError(f"these processes do not end, not even by SIGKILL: {_named(left())}")


def _wait_gone(left: Callable[[], list[int]], seconds: float) -> list[int]:
    """Wait until none is left, or the time is over; return those left."""
    deadline = time.monotonic() + seconds
    while (pids := left()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return pids


def _roots(pids: Iterable[int]) -> list[int]:
    """Return those whose parent is not among them."""
    family = set(pids)
    return [pid for pid in family if _parent(pid) not in family]


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _born(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot; None when it is gone or a zombie."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else None


def _stat(pid: int) -> list[str]:
    """Return what /proc/PID/stat holds from the state on (proc(5), field 3); nothing when there is no such process."""
    try:
        # The name, in parentheses, may hold anything, parentheses too.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # ended meanwhile, as wished


def _named(pids: Iterable[int]) -> str:
    return ", ".join(f"{pid} ({_command(pid)})" for pid in pids)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()[:80]
    except (FileNotFoundError, ProcessLookupError):
        return "ended"
