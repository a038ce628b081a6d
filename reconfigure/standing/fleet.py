"""The fleet in words, a line a task: what `fleet`, the screen and the page show of it."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reconfigure.reporting.reports import FleetReport, TaskReport
from reconfigure.standing.pieces import Piece, Tone, word
from reconfigure.wording import duration, number, plain

SHORT_DIGEST = 8  # characters
HEADS = ("tier", "task", "state", "change", "behind", "last success", "generation", "digest", "version", "refused")
RIGHT = frozenset({"change", "refused"})


class Line(NamedTuple):
    """A task as its row under `HEADS`, how it is to be coloured, and what more there is to say of it."""

    cells: tuple[str, ...]
    tone: Tone
    said: str

    @property
    def name(self) -> str:
        """Tier and task."""
        return " ".join(self.cells[:2])

    @property
    def first(self) -> str:
        """What is most important of it, where a table has no room."""
        _, _, state, change, behind, success, *_ = self.cells
        on = f"on change {change}, behind: {behind}" if change else "no change applied yet"
        return f"{self.name}: {state}, {on}, last success {success}"

    @property
    def second(self) -> str:
        """The rest of it."""
        *_, generation, digest, version, refused = self.cells
        return f"generation {generation}, digest {digest or 'none'}, version {version}, {refused} refused"


def lines(tasks: Iterable[TaskReport]) -> Iterator[Line]:
    """Yield a line a task, in the order given."""
    for one in tasks:
        cells = (
            one.tier,
            one.task,
            "silent" if one.is_silent else one.state,
            "" if one.applied is None else str(one.applied),
            behind(one),
            "never" if one.success_seconds is None else f"{duration(one.success_seconds)} ago",
            one.generation or "none",
            (one.digest or "")[:SHORT_DIGEST],
            one.version,
            str(one.quarantine),
        )
        tone: Tone = "bad" if one.trouble else word(one.state).tone
        yield Line(tuple(plain(cell) for cell in cells), tone, plain("; ".join(filter(None, (one.trouble, one.note)))))


def behind(one: TaskReport) -> str:
    """Return how far a task is behind its tier's changes."""
    if not one.missing and not one.lag_seconds:
        return "no"
    return f"{number(one.missing, 'changes')}, {duration(one.lag_seconds)}"


def summary(fleet: FleetReport, *, tier: str) -> tuple[Piece, ...]:
    """Return a tier's part of the fleet in one line: `2 tasks of imap, all on change 41`."""
    own = [one for one in fleet.tasks if one.tier == tier]
    unwell = [one for one in own if one.trouble]
    late = [one for one in own if not one.trouble and one.missing]
    said = [Piece(f"{number(len(own), 'tasks')} of {tier}" if own else f"no task of {tier} has been seen yet")]
    if unwell:
        said.append(Piece(f", {len(unwell)} not well", "bad"))
    if late:
        said.append(Piece(f", {len(late)} behind by up to {duration(max(one.lag_seconds for one in late))}", "odd"))
    if own and not unwell and not late and fleet.sequence is not None:
        said.append(Piece(f", all on change {fleet.sequence}", "good"))
    elif fleet.sequence is not None and fleet.applied is not None:
        said.append(Piece(f"; this one on change {fleet.applied} of {fleet.sequence}"))
    others = len(fleet.tasks) - len(own)
    troubled = sum(one.trouble is not None for one in fleet.tasks if one.tier != tier)
    if others:
        said.append(Piece(f"; {number(others, 'tasks')} of other tiers", "dim"))
    if troubled:
        said.append(Piece(f", {troubled} not well", "bad"))
    return tuple(said)
