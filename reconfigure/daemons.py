"""Who is told: supervisord's programs, asked about, started, signalled and restarted through its UNIX socket.

`Supervisor` speaks supervisord's XML-RPC, every call with a time limit. `Reloader` treats a reload as desired
state: it remembers which digest of its files each daemon was told of and tells those that are behind, so that a
crash between flip and reload, a failed reload and a rollback all mend at the next pass. Which file needs which
reload is the tier manifest's business, what the files say the generations'.
"""

import http.client
import json
import socket
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple
from xml.parsers.expat import ExpatError

import structlog
from supervisor.xmlrpc import Faults, SupervisorTransport

from reconfigure.durable import read_plain, replace_text
from reconfigure.errors import ReloadError
from reconfigure.tiers import Reload

Absent = Literal["fail", "skip"]
"""What a program that supervisord does not know means: a mistake, or a place that runs without it."""

Result = Literal["told", "unchanged", "starts later", "skipped", "failed"]

UNFINISHED = "unfinished"  # recorded in place of a digest (hex) while a restart may have stopped but not started
_TICK = 2.0  # supervisord looks at its programs once a second, so its waits end up to that much late

log = structlog.get_logger()


@dataclass(frozen=True)
class Program:
    """One program as supervisord sees it.

    Attributes:
        name: `group:name`, or `name` alone when it is in no other group.
        state: supervisord's word: STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL or UNKNOWN.
        pid: 0 when there is no process.
        since: seconds since the epoch of its start, or of its end when it has ended; None when never started.
        detail: why it is not running, or "".
        exit_status: what it ended with by itself; 0 when it did not, -1 when a signal ended it.
    """

    name: str
    state: str
    pid: int
    since: float | None
    detail: str
    exit_status: int = 0

    @property
    def is_as_it_should_be(self) -> bool:
        """Whether it runs, or is out of it."""
        return self.state == "RUNNING" or self.is_out_of_it

    @property
    def is_out_of_it(self) -> bool:
        """Whether it did what it was for and ended, as `prepare` does, or is one that a setting leaves off.

        The daemons of the group `mail` are started by `prepare` whatever is set, and no daemon of a group ends well.
        """
        left_off = self.state == "STOPPED" and self.since is None and not self.name.startswith("mail:")
        return left_off or (self.state == "EXITED" and self.exit_status == 0 and ":" not in self.name)


class ReloadOutcome(NamedTuple):
    """What became of one reload.

    `told`: done and acknowledged by supervisord. `unchanged`: told before. `starts later`: not running, so it reads
    the live generation whenever it starts. `skipped`: not here, and that is fine. `failed`: tried again next pass.
    """

    program: str
    how: str
    result: Result
    detail: str


class Supervisor:
    """A running supervisord.

    Args:
        socket: its `unix_http_server` file (at most 107 bytes, unix(7)).
        timeout: seconds for connecting, and for each read of an answer that supervisord gives at once. Waiting for a
            program to start or stop is given its `startsecs` or `stopwaitsecs` on top.
    """

    def __init__(self, socket: Path, *, timeout: float = 10) -> None:
        self.socket = socket
        self.timeout = timeout

    def programs(self) -> tuple[Program, ...]:
        """Every program, by name.

        Raises:
            ReloadError: supervisord did not answer.
        """
        answer = self._call("listing the programs", "getAllProcessInfo")
        return tuple(sorted((_program(info) for info in answer), key=lambda program: program.name))

    def signal(self, name: str, signal: str) -> None:
        """Send a signal (`USR1`, without SIG) to a running program.

        Raises:
            ReloadError: no such program or signal, it is not running, or supervisord did not answer.
        """
        self._call(f"sending {signal} to {name}", "signalProcess", name, signal)

    def restart(self, name: str) -> None:
        """Stop a program, which may be stopped already, and start it; returns once it has run for its `startsecs`.

        Takes at most three times `timeout` plus the program's `stopwaitsecs` and `startsecs`.

        Raises:
            ReloadError: it did not stop, did not stay up, is unknown, or supervisord did not answer.
        """
        attempt = f"restarting {name}"
        entries = self._configured(attempt, name)
        stopping = _longest(entries, "stopwaitsecs")
        self._call(f"{attempt} (its stop)", "stopProcess", name, True, wait=stopping, fine=Faults.NOT_RUNNING)
        self._call(f"{attempt} (its start)", "startProcess", name, True, wait=_longest(entries, "startsecs"))

    def start(self, name: str, *, wait: bool = True, absent: Absent = "fail") -> None:
        """Start a program, or a whole group (`mail` or `mail:*`); what is started already is left alone.

        Args:
            name: a program or a group.
            wait: until each has run for its `startsecs`; without it, supervisord's retries are not waited for.
            absent: "skip" makes a name that supervisord does not know nothing to start rather than an error.

        Raises:
            ReloadError: a program did not stay up or could not be run, or supervisord did not answer.
        """
        attempt = f"starting {name}"
        entries = self._configured(attempt, name)
        if not entries and absent == "skip":
            return
        if entries and not any(_namespec(entry) == name for entry in entries):
            name = f"{entries[0]['group']}:*"
        longest = _longest(entries, "startsecs") if wait else 0.0
        answer = self._call(attempt, "startProcess", name, wait, wait=longest, fine=Faults.ALREADY_STARTED)
        good = (Faults.SUCCESS, Faults.ALREADY_STARTED)
        refused = [one for one in answer if one["status"] not in good] if isinstance(answer, list) else []
        if refused:
            raise self._error(attempt, "; ".join(f"{_namespec(one)}: {one['description']}" for one in refused))

    def _configured(self, attempt: str, name: str) -> list[dict[str, Any]]:
        """The configuration of the program of this name, or of every program of the group."""
        entries = [entry for entry in self._call(attempt, "getAllConfigInfo") if entry["inuse"]]
        exact = [entry for entry in entries if _namespec(entry) == name]
        return exact or [entry for entry in entries if entry["group"] == name.removesuffix(":*")]

    def _call(
        self, attempt: str, method: str, *arguments: str | bool, wait: float = 0.0, fine: int | None = None
    ) -> Any:
        """Call `supervisor.<method>`; the fault `fine` counts as done and answers None.

        Faults and methods: http://supervisord.org/api.html.
        """
        transport = _Transport(self.socket, self.timeout + wait)
        try:
            with xmlrpc.client.ServerProxy("http://supervisord", transport=transport) as server:
                return getattr(server, f"supervisor.{method}")(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == fine:
                return None
            raise self._error(attempt, fault.faultString) from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
            raise ReloadError(
                f"{attempt}: supervisord did not answer at {self.socket}: {type(error).__name__}: {error}. "
                "Look whether it runs, and whether this user may open that socket"
            ) from error

    def _error(self, attempt: str, answer: str) -> ReloadError:
        return ReloadError(
            f"{attempt}: supervisord at {self.socket} answered {answer}. "
            "Look at `supervisorctl status` and at the program's own log"
        )


class Reloader:
    """Tells daemons of changed files, once for each change.

    Args:
        supervisor: whom to ask; not even connected to while every daemon knows what is live.
        record: the JSON file of what was told, {program: {how: digest}}. Lost or damaged, all are told again.
        absent: what a program unknown to supervisord, or no supervisord at all, means.
    """

    def __init__(self, supervisor: Supervisor, record: Path, *, absent: Absent) -> None:
        self._supervisor = supervisor
        self._record = record
        self._absent = absent

    def apply(self, desired: Mapping[Reload, str]) -> tuple[ReloadOutcome, ...]:
        """Tell every daemon whose files are not those it was told of, restarts first.

        Call it with the whole tier's reloads, after the flip, and under the lock on the state folder.

        Args:
            desired: each reload and the digest of the live files that need it.

        Returns:
            One outcome a reload, none for `how` "none". Failures are outcomes, not exceptions.
        """
        told = self._read()
        wanted = sorted((one for one in desired if one.how != "none"), key=lambda one: (one.how != "restart", one))
        behind = [one for one in wanted if told.get(one) != desired[one]]
        outcomes = {one: ReloadOutcome(*one, "unchanged", "") for one in wanted if one not in behind}
        if behind:
            outcomes |= self._tell_all(behind, desired, told)
        return tuple(outcomes[one] for one in wanted)

    def prime(self, desired: Mapping[Reload, str]) -> None:
        """Record all as told without telling: for a start, when the daemons do not run yet and will read what is live.

        Raises:
            ReloadError: the record could not be written.
        """
        wanted = {one: digest for one, digest in desired.items() if one.how != "none"}
        if wanted != self._read():
            self._write(wanted)

    def _tell_all(
        self, behind: Sequence[Reload], desired: Mapping[Reload, str], told: Mapping[Reload, str]
    ) -> dict[Reload, ReloadOutcome]:
        try:
            self._supervisor.programs()
        except ReloadError as error:
            # Nothing is recorded, whatever the policy: nobody knows whether there is a daemon to tell.
            result: Result = "skipped" if self._absent == "skip" else "failed"
            return {one: _outcome(one, result, str(error)) for one in behind}
        # Forgotten before anyone is told: if this process ends in between, the old digest must not be taken for what
        # the daemon knows, or a rollback to it would tell nobody.
        sure = {one: digest for one, digest in told.items() if one in desired and digest in {desired[one], UNFINISHED}}
        try:
            if sure != told:
                self._write(sure)
        except ReloadError as error:
            return {one: _outcome(one, "failed", str(error)) for one in behind}
        outcomes: dict[Reload, ReloadOutcome] = {}
        restarted: set[str] = set()
        for one in behind:
            try:
                if one.program in restarted:
                    result, detail = "told", "by the restart in this pass"
                else:
                    result, detail = self._tell(one, sure)
                self._write(sure | {one: desired[one]})
                sure[one] = desired[one]
            except ReloadError as error:
                result, detail = "failed", str(error)
            if result == "told" and one.how == "restart":
                restarted.add(one.program)
            outcomes[one] = _outcome(one, result, detail)
        return outcomes

    def _tell(self, reload: Reload, sure: dict[Reload, str]) -> tuple[Result, str]:
        """Do one reload as the program's state of this moment allows; `sure` is what the record says."""
        name, how = reload
        attempt = f"telling {name} ({how})"
        # Asked anew for each: another program's restart may have taken a minute.
        program = next((one for one in self._supervisor.programs() if one.name == name), None)
        if program is None and self._absent == "skip":
            return "skipped", f"supervisord has no program {name}"
        if program is None:
            raise ReloadError(
                f"{attempt}: supervisord at {self._supervisor.socket} has no program of that name. "
                "Correct the tier's manifest or supervisord's configuration, or set absent_programs to skip"
            )
        interrupted = sure.get(reload) == UNFINISHED
        if program.state in {"STARTING", "UNKNOWN"} or (program.state == "STOPPING" and interrupted):
            # What is STARTING may have read the old files, and a signal that comes before its handler ends it.
            raise ReloadError(
                f"{attempt}: it is {program.state}, so it may neither be told nor be taken as told. The next pass "
                f"tries again; if it stays so, look at pid {program.pid} and its log"
            )
        if program.state != "RUNNING" and not (program.state == "STOPPED" and interrupted):
            gave_up = "supervisord gave up on it, " if program.state == "FATAL" else ""
            return "starts later", f"{program.state}: {gave_up}{program.detail}; it reads the live files when it starts"
        way, _, signal = how.partition(":")
        if way == "restart":
            # A program that this process stopped and then could not start must not be taken for one at rest.
            sure[reload] = UNFINISHED
            self._write(sure)
            self._supervisor.restart(name)
        elif way == "signal":
            self._supervisor.signal(name, signal)
        else:
            raise ReloadError(f"{attempt}: no such way; write restart or signal:NAME in the tier's manifest")
        return "told", ""

    def _read(self) -> dict[Reload, str]:
        try:
            document = json.loads(read_plain(self._record))
            return {
                Reload(program, how): str(digest) for program, ways in document.items() for how, digest in ways.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            log.warning("reload_record_unreadable", path=str(self._record), error=str(error), next="all are told")
            return {}

    def _write(self, told: Mapping[Reload, str]) -> None:
        """Replace the record whole, so that it survives a crash at any point."""
        document: dict[str, dict[str, str]] = {}
        for (program, how), digest in sorted(told.items()):
            document.setdefault(program, {})[how] = digest
        try:
            replace_text(self._record, json.dumps(document, indent=1) + "\n")
        except OSError as error:
            raise ReloadError(
                f"recording in {self._record} what the daemons were told: {error}. "
                "Make room there or make it writable; the next pass tells them again"
            ) from error


class _Transport(SupervisorTransport):  # type: ignore[misc]  # supervisor ships no types
    """supervisor's own transport, which would wait for ever, with a time limit on its socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__(serverurl=f"unix://{path}")

        def connection() -> http.client.HTTPConnection:
            connection = http.client.HTTPConnection("supervisord", timeout=timeout)
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.sock.settimeout(timeout)
                connection.sock.connect(str(path))
            except BaseException:
                connection.close()
                raise
            return connection

        self._get_connection = connection


def _longest(entries: Sequence[Mapping[str, Any]], key: str) -> float:
    """The seconds that the slowest of these programs may take, by its own configuration."""
    return max((float(entry[key]) for entry in entries), default=0.0) + _TICK


def _namespec(info: Mapping[str, Any]) -> str:
    name, group = str(info["name"]), str(info["group"])
    return name if name == group else f"{group}:{name}"


def _program(info: Mapping[str, Any]) -> Program:
    """Reads one getProcessInfo struct: http://supervisord.org/api.html#supervisor.rpcinterface.SupervisorNamespaceRPCInterface.getProcessInfo."""
    state = str(info["statename"])
    ended = state in {"STOPPED", "EXITED", "FATAL", "BACKOFF"}
    detail = ""
    if ended:
        # `spawnerr` outlives a later stop by hand, so it explains only the states that it leads to.
        failure = str(info["spawnerr"]) if state != "STOPPED" else ""
        never = "never started" if not info["start"] else "stopped"
        detail = failure or (never if state == "STOPPED" else f"exit status {info['exitstatus']}")
    return Program(
        name=_namespec(info),
        state=state,
        pid=int(info["pid"]),
        since=float(info["stop" if ended else "start"]) or None,
        detail=detail,
        exit_status=int(info["exitstatus"]) if state == "EXITED" else 0,
    )


def _outcome(reload: Reload, result: Result, detail: str) -> ReloadOutcome:
    # A pass that did something is one line at `info`, which names what was told.
    level = "warning" if result == "failed" else "debug"
    getattr(log, level)("daemon_reload", program=reload.program, how=reload.how, result=result, detail=detail)
    return ReloadOutcome(reload.program, reload.how, result, detail)
