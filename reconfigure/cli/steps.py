"""What to type next: the commands that are most useful in the state that a task is in."""

from collections.abc import Iterator
from typing import NamedTuple

from reconfigure.cli import COMMANDS
from reconfigure.standing import Standing

SHOWN = 5


class Step(NamedTuple):
    """A command to type, without the program's name, and what it is good for now."""

    command: str
    why: str


def steps(standing: Standing) -> list[Step]:
    """Return the most useful commands for a state, the most urgent first, each once."""
    found: dict[str, Step] = {}
    for step in (*_urgent(standing), *_always()):
        if step.command.split()[0] in COMMANDS:
            found.setdefault(step.command, step)
    return list(found.values())[:SHOWN]


def _urgent(standing: Standing) -> Iterator[Step]:
    report = standing.report
    state = report.state if report is not None else "starting"
    down = [one for one in standing.programs or () if one.state in {"FATAL", "BACKOFF"}]
    if standing.health.status == "failing" or down or standing.supervisor_error is not None:
        yield Step("doctor", "which dependency, daemon or permission fails, and its fix")
        yield Step("logs", "what the last passes came to")
    if standing.paused is not None:
        yield Step("resume", "end the pause")
        yield Step("once --dry-run --diff", "what the next pass would apply")
    if standing.pinned is not None:
        yield Step("once --dry-run --diff", "what waits behind the pin")
        yield Step("resume", "lift the pin: the next pass applies what the source says")
    if standing.held is not None:
        yield Step("diff --held", "what the held generation would take away")
        yield Step("approve", "apply it, if that is right")
    if state in {"failed", "degraded"}:
        yield Step("doctor", "which dependency, daemon or permission fails, and its fix")
        yield Step("logs", "what the last passes came to")
    if report is not None and report.queue is not None and report.queue.dead_letters:
        yield Step("queue peek --dlq", "what the dead letters say, and why they are dead")
        yield Step("queue redrive", "move them back")
    if report is not None and report.quarantine.total:
        yield Step("status --quarantine", "which rows and users are refused, and why")


def _always() -> Iterator[Step]:
    yield Step("logs", "what the last passes came to")
    yield Step("explain ADDRESS", "what becomes of mail to an address, and why")
    yield Step("diff", "what the last change did")
    yield Step("doctor", "try every dependency and permission")
    yield Step("status --watch", "this screen, again and again")
    yield Step("queue show", "how full the queue is")
    yield Step("history", "passes and generations")
