"""The page for people: the facts of `status`, the passes as a drawing, the last change, what is refused, the daemons.

Drawn anew for each request, by Jinja with escaping on; no script, nothing from elsewhere. It must not take the machine
from the passes, so the last change of a large tier is compared only when somebody asks, and once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from reconfigure.errors import ReconfigureError
from reconfigure.generations.difference import Difference, between
from reconfigure.generations.store import GenerationStore
from reconfigure.reporting import history
from reconfigure.reporting.reports import RefusalReport
from reconfigure.settings import Settings
from reconfigure.standing import Standing
from reconfigure.standing.document import restarts
from reconfigure.standing.facts import facts, verdict
from reconfigure.standing.fleet import HEADS, RIGHT, lines
from reconfigure.standing.fleet import Line as TaskLine
from reconfigure.standing.pieces import word
from reconfigure.web.chart import BARS, Chart, chart
from reconfigure.wording import ago, duration, number, plain

CHANGES = 20  # of each kind, in full
REFUSALS = 100
AT_ONCE = 50_000  # entries in the generation's files up to which the last change is compared unasked
ELSEWHERE = frozenset({"queue", "quarantine"})  # facts that have a part of the page to themselves
COMMANDS = (
    ("reconfigure explain ADDRESS", "why an address does or does not get mail"),
    ("reconfigure doctor", "each dependency and permission, by one real call"),
    ("reconfigure logs", "the last passes in words"),
    ("reconfigure queue", "what waits, and what went to the dead letters"),
    ("reconfigure pause --for 1h", "stop applying changes; mail goes on"),
)


class Daemon(NamedTuple):
    """A program, as its row."""

    name: str
    state: str
    tone: str
    since: str
    pid: str
    restarts: str
    detail: str


class Tile(NamedTuple):
    """A figure with its label."""

    label: str
    figure: str
    tone: str = ""


class Queue(NamedTuple):
    """The queue: its figures, when they were seen, and why not since."""

    tiles: tuple[Tile, ...]
    seen: str
    error: str


class Fleet(NamedTuple):
    """The fleet: a line a task, when it was seen, and why not since."""

    lines: tuple[TaskLine, ...]
    seen: str
    error: str


class Line(NamedTuple):
    """A change, as its row: `way` is gained, lost or changed."""

    way: str
    name: str
    about: str


class Page:
    """The page of one task.

    Args:
        settings: of the task.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = GenerationStore(settings.state_dir)
        self._compared = lru_cache(maxsize=4)(self._compare)

    @cached_property
    def _template(self) -> Template:
        loader = PackageLoader("reconfigure.web", "")
        environment = Environment(
            loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.globals["number"] = number
        return environment.get_template("page.html")

    def render(self, standing: Standing, *, now: datetime, search: str = "", whole: bool = False) -> str:
        """Return the page as HTML.

        Args:
            standing: how the task stands.
            now: the present, with time zone.
            search: only refusals that hold this are shown.
            whole: compare the last change, however large the generation is.
        """
        settings = self._settings
        refusals = list(_refusals(standing, search))
        quarantine = standing.report.quarantine if standing.report is not None else None
        return self._template.render(
            tier=settings.tier.value,
            task=plain(settings.task),
            now=now.strftime("%Y-%m-%d %H:%M:%S UTC"),
            health=standing.health,
            tone=word(standing.health.status).tone or "good",
            problem_tone=verdict(standing),
            facts=[fact for fact in facts(settings, standing, now=now) if fact.label not in ELSEWHERE],
            chart=self._chart(),
            change=self._change(standing, whole=whole),
            quarantine=quarantine,
            refusals=refusals[:REFUSALS],
            found=len(refusals),
            search=search,
            queue=_queue(standing, now),
            daemons=list(_daemons(standing, now)),
            fleet=_fleet(standing, now),
            heads=HEADS,
            right=RIGHT,
            commands=COMMANDS,
            plain=plain,
        )

    def _chart(self) -> Chart | None:
        try:
            lines = history.read(self._settings.state_dir / history.HISTORY_NAME, limit=BARS)
        except ReconfigureError:
            return None  # the facts say what cannot be read
        return chart(lines) if lines else None

    def _change(self, standing: Standing, *, whole: bool) -> "LastChange | None":
        active, before = standing.active, standing.before
        if active is None:
            return None
        old = before.id if before is not None else None
        if not whole and sum(record.entries for record in active.files.values()) > AT_ONCE:
            return LastChange(old=old, new=active.id, left_out=True)
        try:
            return self._compared(old, active.id)
        except ReconfigureError as error:
            return LastChange(old=old, new=active.id, error=plain(error))

    def _compare(self, old: str | None, new: str) -> "LastChange":
        found = between(self._store, old, new, limit=CHANGES)
        return LastChange(old=old, new=new, parts=tuple(_parts(found)))


@dataclass(frozen=True, kw_only=True)
class Part:
    """Changes of one kind: how many, and the first of them."""

    kind: str
    total: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class LastChange:
    """What differs between the active generation and the one before it.

    Attributes:
        old: id of the one before; None when there is none.
        new: id of the active one.
        parts: by kind, those that differ.
        error: why they could not be compared, or "".
        left_out: whether they were not, because that takes long here.
    """

    old: str | None
    new: str
    parts: tuple[Part, ...] = ()
    error: str = ""
    left_out: bool = False


def _parts(found: Difference) -> Iterator[Part]:
    for kind, turnover in found.worlds.items():
        if turnover.total:
            lines = (Line(each.way, plain(each.name), plain(each.about(kind))) for each in turnover.listed)
            yield Part(kind=kind, total=turnover.total, lines=tuple(lines))
    if found.files:
        lines = (Line("changed", plain(file.path), "") for file in found.files)
        yield Part(kind="files", total=len(found.files), lines=tuple(lines))


def _refusals(standing: Standing, search: str) -> Iterator[RefusalReport]:
    """Yield the listed refusals in which all words of the search occur."""
    wanted = search.casefold().split()
    for refusal in standing.report.quarantine.listed if standing.report is not None else ():
        text = f"{refusal.code} {refusal.kind} {refusal.key} {refusal.field} {refusal.detail}".casefold()
        if all(each in text for each in wanted):
            yield refusal


def _queue(standing: Standing, now: datetime) -> Queue | None:
    seen = standing.report.queue if standing.report is not None else None
    if seen is None:
        return None
    numbers = (
        ("waiting", seen.visible),
        ("in flight", seen.in_flight),
        ("delayed", seen.delayed),
        ("dead letters", seen.dead_letters),
    )
    tiles = [Tile(label, str(value), "bad" if label == "dead letters" and value else "")
             for label, value in numbers if value is not None]  # fmt: skip
    if seen.oldest_age_seconds is not None:
        tiles.append(Tile("oldest in hand", duration(seen.oldest_age_seconds)))
    return Queue(tuple(tiles), ago(seen.seen, now), plain(seen.error or ""))


def _fleet(standing: Standing, now: datetime) -> Fleet | None:
    seen = standing.report.fleet if standing.report is not None else None
    if seen is None:
        return None
    return Fleet(tuple(lines(seen.tasks)), ago(seen.seen, now), plain(seen.error or ""))


def _daemons(standing: Standing, now: datetime) -> Iterator[Daemon]:
    for one in standing.programs or ():
        seen = restarts(standing, one.name)
        yield Daemon(
            name=plain(one.name),
            state=plain(one.state),
            tone=word(one.state).tone,
            since="" if one.since is None else duration(max(0.0, now.timestamp() - one.since)),
            pid=str(one.pid or ""),
            restarts="" if seen is None else str(seen),
            detail=plain(one.detail),
        )
