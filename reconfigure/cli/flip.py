"""What `rollback` and `approve` have in common: putting another generation in place, and saying so everywhere."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from reconfigure import account
from reconfigure.cli import log_to_stderr, tables
from reconfigure.daemons import ReloadOutcome
from reconfigure.errors import EX_NOT_GOOD, EX_OK
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import Held
from reconfigure.settings import Settings
from reconfigure.standing.facts import reloads

if TYPE_CHECKING:
    from reconfigure.reconcile import Reconciler

Flip = Callable[["Reconciler"], tuple[Manifest, tuple[ReloadOutcome, ...]]]


class Flipped(NamedTuple):
    """What is live now, what is held, and what became of the reloads."""

    active: Manifest
    held: Held | None
    reloads: tuple[ReloadOutcome, ...]

    @property
    def exit_code(self) -> int:
        """Return 0 when every daemon that had to be told was told."""
        return EX_NOT_GOOD if any(told.result == "failed" for told in self.reloads) else EX_OK


def flip(settings: Settings, outcome: str, do: Flip, *, by: str) -> Flipped:
    """Put another generation in place and report it: status document, history, log.

    Args:
        settings: the tier's.
        outcome: what the history calls it: `rolled back` or `approved`.
        do: does it.
        by: who asked for it.

    Raises:
        GenerationError: it could not be done; nothing was changed.
        LockHeldError: a pass is running and did not end in time.
    """
    # Here, so that completing a generation's id does not wait for templates and AWS.
    from reconfigure import assembly  # noqa: PLC0415
    from reconfigure.report import Reporter  # noqa: PLC0415

    account.become(settings.user)
    log_to_stderr(settings, least="warning")
    reconciler = assembly.reconciler(settings)
    active, reloads = do(reconciler)
    held = reconciler.store.held()
    Reporter(settings, None).flipped(active, outcome=outcome, held=held, reloads=reloads, by=by)
    return Flipped(active, held, reloads)


def show(flipped: Flipped, *, more: Iterable[str] = ()) -> None:
    """Print what is live now and what the daemons said; `more` are sentences to follow."""
    console = tables.console()
    console.print(Text.assemble("live now: ", (flipped.active.id, "bold")))
    console.print(
        tables.facts(
            [
                ("serves", tables.counted(flipped.active.counts)),
                ("reloads", tables.text(reloads(told._asdict() for told in flipped.reloads))),
            ]
        )
    )
    for sentence in more:
        console.print(tables.note(sentence))
    if flipped.exit_code:
        console.print(tables.note("A daemon could not be told; the next pass tries again.", tables.BAD))
