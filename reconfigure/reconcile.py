"""One pass, in order: observe, directory, render, generation, guard, activate, reload. The only file that knows it.

A pass makes the live configuration what the sources of truth say, whatever woke it. When it happens, and what
follows from its result for messages and timers, is the loop's business; who hears of it is `report`'s.
"""

import hashlib
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from reconfigure import homes
from reconfigure.daemons import Reloader, ReloadOutcome
from reconfigure.directory.model import Directory
from reconfigure.errors import GenerationError, InterruptedPassError, LockHeldError, ReconfigureError, SourceError
from reconfigure.generations.build import Builder, counts_of
from reconfigure.generations.compare import directory_of, holders_of
from reconfigure.generations.guard import Verdict
from reconfigure.generations.judging import Judging
from reconfigure.generations.lock import Turn, exclusive
from reconfigure.generations.manifest import Manifest
from reconfigure.generations.peaks import Peaks
from reconfigure.generations.store import GenerationStore, Held
from reconfigure.generations.withdrawing import withdrawn
from reconfigure.observe import Observer
from reconfigure.outcome import Cause, Outcome, PassResult
from reconfigure.phases import Phases
from reconfigure.rendering import Renderer
from reconfigure.reporting.orders import Orders
from reconfigure.reporting.reports import Pin
from reconfigure.settings import Settings
from reconfigure.sources.aws import Clients
from reconfigure.tiers import Reload, TierManifest

log = structlog.get_logger()

_MOST_READS = 3  # in one pass, when others change what is live meanwhile

# Part of the input digest: raise it when the same input must be built anew, because this program builds it otherwise.
BUILD_FORMAT = 1

Checkpoint = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """Everything a pass needs, made once for the process (see `assembly`)."""

    settings: Settings
    clients: Clients
    tier: TierManifest
    store: GenerationStore
    renderer: Renderer
    builder: Builder
    judging: Judging
    reloader: Reloader
    owners: homes.Owners
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def reconcile(
        self,
        trigger: str,
        *,
        pass_id: str | None = None,
        changed: Collection[str] | None = None,
        attempts: int | None = None,
        checkpoint: Checkpoint = lambda: None,
        on_phase: Callable[[str], None] = lambda _: None,
    ) -> PassResult:
        """Make what is live what the sources say, and return what was done. Failures are results, not exceptions.

        Args:
            trigger: what woke the pass, for people: `message`, `timer`, `signal`, `operator`, `start`.
            pass_id: UUID of the pass; made here when None.
            changed: the addresses that may have changed, read by key where that is enough; None reads everything.
            attempts: tries for each read; None takes the setting.
            checkpoint: called between steps; raises InterruptedPassError to end the pass there.
            on_phase: told the name of each phase as it begins.

        Raises:
            InterruptedPassError: the checkpoint asked to stop; whatever was active still is.
        """
        run = _Run(self, trigger, pass_id or str(uuid.uuid4()), checkpoint, on_phase)
        try:
            return run.whole(changed, attempts=attempts or self.settings.read_attempts)
        except InterruptedPassError:
            raise
        except ReconfigureError as error:
            return run.failed(str(error), cause=_cause(error))
        except OSError as error:
            what = f"the state folder {self.settings.state_dir} cannot be used: {error}; free or mount it"
            return run.failed(what, cause="state-folder")
        except Exception as error:
            # A defect that one row brings to light must not end the daemon for all others.
            log.error("pass_defect", exc_info=error)
            what = f"{type(error).__name__}: {error}"
            told = f"a defect in this program ended the pass: {what}; report it with the log's traceback"
            return run.failed(told, cause="defect")

    @property
    def orders(self) -> Orders:
        """Return what operators have ordered for a while."""
        return Orders(self.settings.state_dir, now=self.now)

    def observer(self, phases: Phases, *, attempts: int, checkpoint: Checkpoint = lambda: None) -> Observer:
        """Return what reads the sources for one pass."""
        return Observer(
            settings=self.settings,
            clients=self.clients,
            phases=phases,
            attempts=attempts,
            holders=lambda: holders_of(self.store.snapshots()),
            checkpoint=checkpoint,
        )

    def input_digest(self, directory: Directory) -> str:
        """Return the digest of all that decides what a generation holds."""
        parts = f"{BUILD_FORMAT}\n{self.tier.tier}\n{self.renderer.digest()}\n{directory.digest()}\n"
        return hashlib.sha256(parts.encode("ascii")).hexdigest()

    def approve(self, generation: str | None = None) -> tuple[Manifest, tuple[ReloadOutcome, ...]]:
        """Apply the held generation, once, and tell the daemons; a pin is lifted by that.

        Raises:
            GenerationError: nothing is held, or another generation than the one named.
            LockHeldError: a pass is running and did not end in time.
        """
        with self._changing():
            held = self.store.held()
            if held is None:
                raise GenerationError("nothing is held, so there is nothing to approve; see 'reconfigure status'")
            if generation is not None and generation != held.id:
                raise GenerationError(
                    f"{generation} is not held; held is {held.id}. Look at 'reconfigure diff {held.id}'"
                )
            self.orders.lift_pin()  # before the flip: ended in between, the next pass must not undo an approval
            self.store.activate(held.id)
            self.store.release()
            self.orders.wake()  # the messages that the held pass left in hand are done with
            return self._serve(held.id)

    def rollback(
        self, generation: str | None = None, *, by: str, why: str | None = None
    ) -> tuple[Manifest, tuple[ReloadOutcome, ...]]:
        """Return to a generation (default: the one before) and pin it.

        The source still says what was left, so without the pin the next pass would bring it back at once. It is
        written before the flip, so that a pass finishes what is ended in between.

        Raises:
            GenerationError: there is no such generation, or it was damaged.
            LockHeldError: a pass is running and did not end in time.
        """
        with self._changing():
            active = self.store.active_id()  # not its manifest: that may be what is wrong
            target = self.store.load(generation) if generation is not None else self.store.before()
            if active is None or target is None:
                raise GenerationError("there is no generation before the active one; see 'reconfigure history'")
            if target.id == active:
                raise GenerationError(f"{target.id} is active already; see 'reconfigure history' for others")
            self.store.require_sound(target)
            self.orders.set_pin(target.id, by=by, why=why)
            self.store.activate(target.id)
            return self._serve(target.id)

    def desired_reloads(self, active: Manifest) -> dict[Reload, str]:
        """Return each reload of the tier with the digest of the live files that need it."""
        return {
            reload: hashlib.sha256(
                "".join(f"{path} {active.files[path].sha256}\n" for path in paths if path in active.files).encode()
            ).hexdigest()
            for reload, paths in self.tier.reloads.items()
        }

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock for an operator's change, and say what the disk refused."""
        try:
            with exclusive(self.settings.state_dir, wait=self.settings.lock_wait):
                yield
        except OSError as error:
            raise GenerationError(
                f"the state folder {self.settings.state_dir} cannot be changed: {error}; "
                "free space, or run this as the user that owns it. What was active serves on"
            ) from error

    def _serve(self, generation: str) -> tuple[Manifest, tuple[ReloadOutcome, ...]]:
        manifest = self.store.load(generation)
        return manifest, self.reloader.apply(self.desired_reloads(manifest))


class _Run:
    """One run through the steps; what it learned so far is what a failure can still report."""

    def __init__(
        self,
        reconciler: Reconciler,
        trigger: str,
        pass_id: str,
        checkpoint: Checkpoint,
        on_phase: Callable[[str], None],
    ) -> None:
        self._of = reconciler
        self._trigger = trigger
        self._id = pass_id
        self._checkpoint = checkpoint
        self._phases = Phases(on_phase)
        self._started = reconciler.now()
        self._directory: Directory | None = None
        self._requests: Mapping[str, int] = {}
        self._full = True
        self._pin: Pin | None = None
        self._withdrawn: Mapping[str, int] | None = None
        self._told: Mapping[tuple[str, str], ReloadOutcome] = {}

    def whole(self, changed: Collection[str] | None, *, attempts: int) -> PassResult:
        """Run every step. The lock is not held while the sources are read: a rollback does not wait for a slow table.

        Whoever held it meanwhile may have read what is newer, so everything is read again then.
        """
        with self._locked() as turn:
            self._of.store.prepare()
            self._obey()
        observer = self._of.observer(self._phases, attempts=attempts, checkpoint=self._checkpoint)
        self._requests = observer.requests
        for _ in range(_MOST_READS):
            self._directory = directory = self._read(observer, changed)
            mine = turn.number
            with self._locked() as turn:
                self._obey()
                if turn.before == mine or self._pin is not None:
                    return self._apply(directory)
            changed = None
        raise LockHeldError(
            f"{self._of.settings.state_dir} was changed by other commands {_MOST_READS} times while the sources were "
            "read; let them finish"
        )

    def _locked(self) -> AbstractContextManager[Turn]:
        return exclusive(self._of.settings.state_dir, wait=self._of.settings.lock_wait)

    def _obey(self) -> None:
        """Take note of the pin, if there is one, and see to it that it is followed; the lock is held."""
        self._pin = self._of.orders.pin()
        if self._pin is not None:
            self._return_to(self._pin)

    def _read(self, observer: Observer, changed: Collection[str] | None) -> Directory:
        directory = self._short_cut(observer, changed) if changed and self._of.settings.read_by_key else None
        self._full = directory is None
        return directory if directory is not None else observer.everything()

    def _apply(self, directory: Directory) -> PassResult:
        """Make live what was read, if that is to be; the lock is held."""
        store = self._of.store
        with self._phases("digest"):
            digest = self._of.input_digest(directory)
            active = store.active()
        if active is not None and active.input_digest == digest and store.is_intact(active):
            store.release()  # the source says again what is live, so whatever was held is out of date
            return self._settle(active, Outcome.UNCHANGED, {})
        held = store.held()
        if self._pin is not None and active is not None:
            return self._keep_pinned(active, held, directory)
        if held is not None and held.input_digest == digest:
            return self._withhold(active, held, {})
        verdict = self._judge(directory, active)
        if verdict.reasons and active is not None and (less := self._withdraw(directory, active)) is not None:
            active, verdict = less, self._judge(directory, less)
        peaks = self._of.judging.peaks(directory, active, verdict, now=self._started)
        return self._guard(self._build(directory, digest, peaks), active, directory, verdict)

    def _withdraw(self, wanted: Directory, active: Manifest) -> Manifest | None:
        """Make live what is live less what is taken away, where a candidate is to be held; None when nothing is."""
        judging, store = self._of.judging, self._of.store
        with self._phases("guard"):
            try:
                live = directory_of(store.path(active.id), active, users_known=wanted.users_known)
            except ValueError as error:
                log.warning("nothing_withdrawn", generation=active.id, why=f"its snapshot is damaged: {error}")
                return None
            self._checkpoint()
            less = withdrawn(live, wanted, lambda one: judging.verdict_while_held(one, active, now=self._started))
        if less is None:
            return None
        peaks = judging.peaks(less.directory, active, less.verdict, now=self._started)
        made = self._build(less.directory, self._of.input_digest(less.directory), peaks)
        with self._phases("activate"):
            self._checkpoint()
            store.activate(made.id)
        structlog.contextvars.bind_contextvars(generation=made.id)
        self._withdrawn = less.verdict.changes
        log.warning("withdrawn_while_held", changes=self._withdrawn)
        self._reload(made)  # at once: what is to be held may fail to build
        return made

    def _build(self, directory: Directory, digest: str, peaks: Peaks) -> Manifest:
        """Build a candidate; where there was no room for it, once more without the generations that nobody needs."""

        def build() -> Manifest:
            return self._of.builder.build(
                directory,
                input_digest=digest,
                created=self._of.now(),
                peaks=peaks,
                phases=self._phases,
                checkpoint=self._checkpoint,
            )

        try:
            return build()
        except GenerationError as error:
            removed = self._of.store.make_room(error, besides=self._pin.generation if self._pin else None)
            if not removed:
                raise
            log.warning("disk_full", error=str(error), removed=len(removed), next="built once more")
            return build()

    def _return_to(self, pin: Pin) -> None:
        """Make the pinned generation live, should it not be: a rollback was ended between pin and flip."""
        store, active = self._of.store, self._of.store.active()
        if pin.generation is None or (active is not None and active.id == pin.generation and store.is_intact(active)):
            return
        try:
            self._checkpoint()
            store.activate(pin.generation)
        except GenerationError as error:
            raise GenerationError(
                f"{pin.told}, and it cannot be made live: {error}. What is live serves on; "
                "'reconfigure resume' lifts the pin, so that the next pass builds what the source says"
            ) from error

    def _keep_pinned(self, active: Manifest, held: Held | None, directory: Directory) -> PassResult:
        """Leave what is pinned, and say what the source would change; nothing is built for that."""
        changes = self._judge(directory, active).changes
        reloads, failed = self._reload(active)
        self._prune()
        return self._result(
            Outcome.PINNED,
            active=active,
            held=held,
            changes=changes,
            reloads=reloads,
            problems=tuple(failed),
            cause="pin",
        )

    def _judge(self, directory: Directory, active: Manifest | None) -> Verdict:
        with self._phases("guard"):
            return self._of.judging.verdict(directory, active, now=self._started)

    def _short_cut(self, observer: Observer, changed: Collection[str]) -> Directory | None:
        """Return what is live with the changed addresses read anew, or None when everything must be read."""
        active = self._of.store.active()
        if active is None or self._of.store.held() is not None or not self._of.orders.is_settled():
            return None
        with self._phases("load"):
            try:
                base = directory_of(self._of.store.path(active.id), active, users_known=observer.reads_users)
                known = self._of.input_digest(base) == active.input_digest
            except ValueError:
                known = False
            if not known:
                return None  # made by other templates or settings, or damaged
        return observer.only(changed, base)

    def _guard(
        self, candidate: Manifest, active: Manifest | None, directory: Directory, verdict: Verdict
    ) -> PassResult:
        store = self._of.store
        self._checkpoint()
        if verdict.reasons:
            held = Held(
                id=candidate.id,
                reasons=verdict.reasons,
                lost=verdict.lost,
                since=self._of.now().isoformat(timespec="milliseconds"),
                input_digest=candidate.input_digest,
            )
            store.hold(held)
            return self._withhold(active, held, verdict.changes)
        with self._phases("activate"):
            problems = self._make_homes(directory)
            store.activate(candidate.id)
            structlog.contextvars.bind_contextvars(generation=candidate.id)
            store.release()
        return self._settle(candidate, Outcome.CHANGED, verdict.changes, problems)

    def _withhold(self, active: Manifest | None, held: Held, changes: Mapping[str, int]) -> PassResult:
        """Serve on with the active generation, and tell the daemons what they may not know of it yet."""
        reloads, failed = self._reload(active) if active is not None else ((), [])
        self._prune()
        return self._result(
            Outcome.HELD,
            active=active,
            held=held,
            changes=changes,
            reloads=reloads,
            problems=tuple(failed),
            cause="guard",
        )

    def _settle(
        self, active: Manifest, outcome: Outcome, changes: Mapping[str, int], problems: list[str] | None = None
    ) -> PassResult:
        """Bring everything beside the files to what the active generation wants: homes, daemons, old generations."""
        if problems is None and self._directory is not None:
            problems = self._make_homes(self._directory)
        reloads, failed = self._reload(active)
        self._prune()
        if self._of.tier.homes and self._directory is not None:
            problems = [*(problems or ()), *self._of.owners.foreign(self._directory.users)]
        wrong = (*(problems or ()), *failed)
        if self._full and self._pin is None:
            self._of.orders.settle()
        return self._result(
            Outcome.DEGRADED if wrong else outcome,
            active=active,
            held=None,
            changes=changes,
            reloads=reloads,
            problems=wrong,
            cause="daemon" if failed else "home" if wrong else "",
        )

    def _reload(self, active: Manifest) -> tuple[tuple[ReloadOutcome, ...], list[str]]:
        """Tell the daemons that are behind; return what came of each, and what went wrong."""
        with self._phases("reload"):
            reloads = self._of.reloader.apply(self._of.desired_reloads(active))
        # Told a moment ago, in this pass, is told by it.
        reloads = tuple(
            self._told.get((each.program, each.how), each) if each.result == "unchanged" else each for each in reloads
        )
        self._told = {(each.program, each.how): each for each in reloads}
        return reloads, [f"{told.program} ({told.how}): {told.detail}" for told in reloads if told.result == "failed"]

    def _make_homes(self, directory: Directory) -> list[str]:
        if not self._of.tier.homes:
            return []
        return homes.make_missing(self._of.settings.homes_dir, directory.users)

    def _prune(self) -> None:
        settings = self._of.settings
        with self._phases("prune"):
            pinned = self._pin.generation if self._pin is not None else None
            self._of.store.prune(
                keep=settings.keep_generations, days=settings.keep_days, now=self._of.now(), besides=pinned
            )

    def failed(self, reason: str, *, cause: Cause) -> PassResult:
        """Return the result of a pass that did not get through."""
        try:
            active, held = self._of.store.active(), self._of.store.held()
        except (ReconfigureError, OSError):
            active = held = None  # the reason above says more than this would
        return self._result(Outcome.FAILED, active=active, held=held, problems=(reason,), cause=cause)

    def _result(
        self,
        outcome: Outcome,
        *,
        active: Manifest | None,
        held: Held | None,
        changes: Mapping[str, int] | None = None,
        reloads: tuple[ReloadOutcome, ...] = (),
        problems: tuple[str, ...] = (),
        cause: Cause = "",
    ) -> PassResult:
        phases = self._phases.seconds()
        return PassResult(
            id=self._id,
            trigger=self._trigger,
            outcome=outcome,
            started=self._started,
            seconds=round(self._phases.elapsed(), 3),
            phases=phases,
            active=active,
            held=held,
            counts=counts_of(self._directory) if self._directory is not None else None,
            quarantine=self._directory.quarantine if self._directory is not None and self._full else None,
            full=self._full,
            changes=changes or {},
            reloads=reloads,
            problems=problems,
            requests=dict(self._requests),
            pinned=self._pin,
            withdrawn=self._withdrawn,
            cause=cause,
        )


def _cause(error: ReconfigureError) -> Cause:
    if isinstance(error, SourceError):
        return "source"
    return "lock" if isinstance(error, LockHeldError) else "build"
