"""How often something was done in the last minute or the last day, in a bounded number of pieces."""

from collections.abc import Mapping

PARTS = 24


class Window:
    """What was counted in the last so many seconds, to within a 24th of them.

    The piece under way and the 23 before it count. Times are seconds of any one clock that does not matter here; a
    clock that is set back makes nothing forgotten.

    Args:
        seconds: how long.
        pieces: what an earlier process had, by number of the piece since the clock's zero.
    """

    def __init__(self, seconds: float, pieces: Mapping[int, int] | None = None) -> None:
        self._width = seconds / PARTS
        self._pieces = dict(pieces or {})

    def total(self, now: float) -> int:
        """Return what counts now."""
        self._drop(now)
        return sum(self._pieces.values())

    def add(self, now: float) -> None:
        """Count one more."""
        self._drop(now)
        piece = self._number(now)
        self._pieces[piece] = self._pieces.get(piece, 0) + 1

    def take_back(self, then: float) -> None:
        """Take back what was counted at a time, if it still counts."""
        piece = self._number(then)
        if self._pieces.get(piece):
            self._pieces[piece] -= 1

    def pieces(self, now: float) -> dict[int, int]:
        """Return what another process can go on with."""
        self._drop(now)
        return {piece: number for piece, number in self._pieces.items() if number}

    def _number(self, now: float) -> int:
        return int(now // self._width)

    def _drop(self, now: float) -> None:
        oldest = self._number(now) - PARTS + 1
        if any(piece < oldest for piece in self._pieces):
            self._pieces = {piece: number for piece, number in self._pieces.items() if piece >= oldest}
