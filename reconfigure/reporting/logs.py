"""The log: one JSON object a line on stdout, or readable lines on a terminal, with secrets masked on the way out.

Import this module before any other that imports structlog: structlog imports rich for prettier tracebacks whenever it
is installed, which costs the daemon 5 MB of memory for something it never prints. Context (tier, pass, generation) is
bound with `structlog.contextvars` by those who know it. The log of other libraries goes the same way, from WARNING up.
"""

import json
import logging
import os
import select
import stat
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

from reconfigure.reporting.masking import mask_event

_RICH = sys.modules.get("rich")
if _RICH is None:
    # None makes `import rich` fail (the import system's documented meaning), so structlog goes without it. Undone
    # below: the operators' commands import rich themselves.
    sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
finally:
    if _RICH is None:
        del sys.modules["rich"]

_PATIENCE = 1.0  # seconds that a line waits for room in a full pipe
_SURE = select.PIPE_BUF  # bytes that poll(2) promises room for, and that are written whole (pipe(7))

Format = Literal["auto", "json", "text"]
_Event = MutableMapping[str, Any]


def configure(format: Format, level: str, *, stream: TextIO | None = None) -> None:  # noqa: A002 - the setting's name
    """Send all logging of this process to one stream. May be called again; the last call counts.

    Args:
        format: "json", "text", or "auto" for text on a terminal and JSON elsewhere.
        level: "debug", "info", "warning" or "error": what is less urgent is dropped.
        stream: stdout unless given. Commands that print a result to stdout log to stderr.
    """
    output = _Output(stream or cast("TextIO | None", sys.stdout))  # None: started with a closed stdout
    text = format == "text" or (format == "auto" and output.is_terminal())
    colors = output.is_terminal() and not os.environ.get("NO_COLOR")  # https://no-color.org
    console = structlog.dev.ConsoleRenderer(
        colors=colors, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _masked,
            _stamped,
            *([_printable, console] if text else [structlog.processors.JSONRenderer()]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _ThroughStructlog)]:
        root.removeHandler(handler)
    root.addHandler(_ThroughStructlog(logging.WARNING))


def raw(line: str) -> None:
    """Write a line as it is, past level and format, for readers with a format of their own, such as CloudWatch's."""
    structlog.get_config()["logger_factory"]().msg(line)


class _Output:
    """Writes finished lines, also when nobody reads them any more.

    A pipe that is full and that nobody empties would stop whoever writes to it, and everybody who waits to write after
    that. So a line is given `_PATIENCE` seconds; what finds no room is dropped and counted until there is room again.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._is_failing = False
        self._lost = 0
        self._torn = ""  # what ends a long line of which only the beginning found room
        self._pipe = _pipe_behind(stream)

    def is_terminal(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def write(self, line: str) -> None:
        with self._lock:
            if self._stream is None:
                return
            try:
                self._put(self._stream, line + "\n")
                self._is_failing = False
            except BrokenPipeError:
                _detach(self._stream)
                self._pipe = None
            except (OSError, ValueError) as error:  # disk full, stream closed: worth one line, not a pass
                if not self._is_failing:
                    self._is_failing = True
                    _last_resort(f"reconfigure: log lines are lost: {error}\n")

    debug = info = warning = error = critical = exception = msg = write

    def _put(self, stream: TextIO, text: str) -> None:
        if self._pipe is None:
            _put(stream, text)
            return
        if self._lost:
            text = f"{self._torn}{_lines_lost(self._lost)}\n{text}"
        data = text.encode(stream.encoding, "backslashreplace")
        for start in range(0, len(data), _SURE):
            if not self._pipe.poll(0 if self._lost else _PATIENCE * 1000):
                self._lost += 1
                self._torn = "\n" if start else self._torn
                return
            os.write(stream.fileno(), data[start : start + _SURE])
        self._lost, self._torn = 0, ""


def _pipe_behind(stream: TextIO | None) -> "select.poll | None":
    """Return what tells whether there is room in the pipe that a stream writes to; None where it is no pipe."""
    try:
        if stream is None or not stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
            return None
        stream.flush()
    except (OSError, ValueError, AttributeError):  # closed, or in memory
        return None
    room = select.poll()
    room.register(stream.fileno(), select.POLLOUT)
    return room


def _lines_lost(number: int) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"timestamp": now, "level": "warning", "event": "log_lines_lost", "lines": number})


def _put(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:  # a terminal that knows ASCII only
        stream.write(text.encode("ascii", "backslashreplace").decode())
    stream.flush()


def _detach(stream: TextIO) -> None:
    """Point the stream at nothing, as the Python documentation of signal.SIGPIPE advises: the reader is gone."""
    _last_resort("reconfigure: whoever read the log is gone; log lines are dropped from now on\n")
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, stream.fileno())
    finally:
        os.close(nothing)


class _ThroughStructlog(logging.Handler):
    """Passes the records of other libraries on, as event "library_message"."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        say = log.error if record.levelno >= logging.ERROR else log.warning
        try:
            say("library_message", logger=record.name, message=record.getMessage(), exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - what logging.Handler asks of emit: a bad record is the library's mistake
            self.handleError(record)


def _stamped(_logger: object, _method: str, event: _Event) -> _Event:
    """Put time, level and event first."""
    first = {"timestamp": datetime.now(UTC).isoformat(timespec="milliseconds")}
    return first | {"level": event.pop("level"), "event": event.pop("event")} | dict(event)


def _masked(_logger: object, _method: str, event: _Event) -> _Event:
    return mask_event(event)


def _printable(_logger: object, _method: str, event: _Event) -> _Event:
    """Escape what could move the cursor or forge a line, since values may come from a hostile table."""
    return {key: _escaped(key, value) if isinstance(value, str) else value for key, value in event.items()}


def _escaped(key: str, text: str) -> str:
    kept = "\n" if key == "exception" else ""
    return "".join(
        char if char.isprintable() or char in kept else char.encode("unicode_escape").decode("ascii") for char in text
    )


def _last_resort(text: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # no stderr either: there is nobody left to tell
        sys.stderr.write(text)
