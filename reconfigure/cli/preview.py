"""What a pass would do, without doing any of it: read, judged and rendered, and nothing written or locked.

For `once --dry-run` and `diff --source`, which may run as another user than the daemon.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from reconfigure.directory.model import Directory
from reconfigure.generations.guard import Verdict
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.store import Held
from reconfigure.generations.texts import RenderedText, Text
from reconfigure.phases import Phases
from reconfigure.reconcile import Reconciler
from reconfigure.rendering import View


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a pass would meet.

    Attributes:
        directory: what the sources say now.
        active: the active generation, None before the first.
        held: the generation that waits for approval, whatever it was made from.
        is_held_already: whether that one was made from what the sources say now, so a pass would change nothing.
        differs: whether a pass would build a generation (or find it held) instead of leaving the active one.
        verdict: what the guard would say.
        seconds: how long it took.
    """

    directory: Directory
    active: Manifest | None
    held: Held | None
    is_held_already: bool
    differs: bool
    verdict: Verdict
    seconds: float

    @property
    def outcome(self) -> Literal["unchanged", "changed", "held"]:
        """What a pass would come to, as far as can be seen without building anything."""
        if not self.differs:
            return "unchanged"
        return "held" if self.is_held_already or self.verdict.reasons else "changed"

    @property
    def reason(self) -> str:
        """Why it would be held, in one line; empty when it would not."""
        if self.is_held_already and self.held is not None:
            return f"generation {self.held.id} is held: {'; '.join(self.held.reasons)}"
        return "; ".join(self.verdict.reasons) if self.differs else ""

    @property
    def changes(self) -> dict[str, int]:
        """How much of each kind would come and go, without the zeros: {"addresses gained": 1}."""
        return self.verdict.changes


def preview(reconciler: Reconciler, *, on_phase: Callable[[str], None] = lambda _: None) -> Preview:
    """Return what a pass would meet now.

    Raises:
        SourceError: something could not be read completely.
        GenerationError: a manifest in the state folder is damaged.
    """
    settings, store = reconciler.settings, reconciler.store
    phases = Phases(on_phase)
    directory = reconciler.observer(phases, attempts=settings.read_attempts).everything()
    digest = reconciler.input_digest(directory)
    active, held = store.active(), store.held()
    differs = active is None or active.input_digest != digest or not store.is_intact(active)
    with phases("guard"):
        verdict = reconciler.judging.verdict(directory, active, now=reconciler.now())
    return Preview(
        directory=directory,
        active=active,
        held=held,
        is_held_already=differs and held is not None and held.input_digest == digest,
        differs=differs,
        verdict=verdict,
        seconds=round(phases.elapsed(), 3),
    )


def rendered(reconciler: Reconciler, directory: Directory) -> Mapping[str, Text]:
    """Return the tier's files as a pass would write them, by path.

    Reading one may raise ConfigurationError: its template is wrong.
    """
    view = View(directory)
    return {
        spec.path: RenderedText(partial(reconciler.renderer.stream, spec.template, view))
        for spec in reconciler.tier.files
    }
