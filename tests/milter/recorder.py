"""A milter beside the one that is tried, which notes the header fields that it is shown, or adds some."""

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_LENGTH = struct.Struct("!I")
ADDS_HEADERS = 0x01  # SMFIF_ADDHDRS
_SILENT = {b"D", b"A", b"K"}


class Recorder:
    """Listens on a UNIX socket and answers one session, in a thread; passes everything.

    Args:
        path: the socket.
        at_data: is called when sendmail has got DATA, before any milter is shown the message.
        adds: the values of fields that it puts in front, as a verifier does.
    """

    def __init__(self, path: Path, *, at_data: Callable[[], None] | None = None, adds: Sequence[str] = ()) -> None:
        self.path = path
        self.shown: list[str] = []
        self._at_data = at_data
        self._adds = adds
        self._listening = socket.socket(socket.AF_UNIX)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._listening.bind(str(self.path))
        self.path.chmod(0o600)
        self._listening.listen()
        self._listening.settimeout(60)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join(60)
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection, connection.makefile("rb") as file:
            while head := file.read(_LENGTH.size):
                packet = file.read(*_LENGTH.unpack(head))
                command, data = packet[:1], packet[1:]
                if command == b"Q":
                    return
                answer = self._answer(command, data)
                if command not in _SILENT:
                    more = self._insertions() if command == b"E" else []
                    connection.sendall(b"".join(_LENGTH.pack(len(each)) + each for each in [*more, answer]))

    def _insertions(self) -> list[bytes]:
        return [b"i\0\0\0\0Authentication-Results\0 " + value.encode() + b"\0" for value in self._adds]

    def _answer(self, command: bytes, data: bytes) -> bytes:
        if command == b"O":
            return b"O" + struct.pack("!III", 6, ADDS_HEADERS, 0)  # every step is told
        if command == b"L":
            name, value = data.rstrip(b"\0").split(b"\0", 1) if data.count(b"\0") > 1 else (data.strip(b"\0"), b"")
            self.shown.append(f"{name.decode()}: {value.decode(errors='replace')}")
        if command == b"T" and self._at_data is not None:
            self._at_data()
        return b"c"
