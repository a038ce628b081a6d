"""What a check found, and running all of them at once within a time."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from dataclasses import asdict, dataclass
from typing import Any, Literal

from reconfigure.runbooks import OF_CHECKS, Runbook

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes:
        check: its name.
        state: `failed` is what stops mail or changes now, `warning` what will or may.
        seen: what was seen.
        means: what that means for mail; "" when all is well.
        fix: what to type, grant or renew; "" when there is nothing to do.
        seconds: how long it took.
        runbook: the page that helps, where it is not all well and there is one.
    """

    check: str
    state: State
    seen: str
    means: str = ""
    fix: str = ""
    seconds: float = 0.0
    runbook: Runbook | None = None

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


class Harm(Exception):  # noqa: N818 - not an error of this program: what a check is there to find
    """Something is wrong with what was checked.

    Args:
        seen: what was seen.
        means: what that means for mail.
        fix: what to do.
        state: how bad it is.
        runbook: the page that helps, when it is another than that of the check.
    """

    def __init__(
        self, seen: str, *, means: str, fix: str, state: State = "failed", runbook: Runbook | None = None
    ) -> None:
        super().__init__(seen)
        self.seen, self.means, self.fix, self.state, self.runbook = seen, means, fix, state, runbook


class Absent(Exception):  # noqa: N818 - as above
    """What was to be checked is not here, which is fine."""


Check = Callable[[], str]
"""Returns what was seen when all is well.

Raises:
    Harm: it is not.
    Absent: there is nothing to check.
"""


def run(checks: Mapping[str, Check], *, seconds: float, at_once: int = 8) -> list[Finding]:
    """Run checks beside each other and return what they found, in their order.

    Args:
        checks: by name.
        seconds: for all of them together; what takes longer has failed by that.
        at_once: how many run at a time.
    """
    end = time.monotonic() + seconds
    pool = ThreadPoolExecutor(at_once)
    try:
        running = {name: pool.submit(_one, name, check) for name, check in checks.items()}
        return [_ended(name, future, end, seconds) for name, future in running.items()]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _one(name: str, check: Check) -> Finding:
    began = time.monotonic()

    def found(state: State, seen: str, means: str = "", fix: str = "", runbook: Runbook | None = None) -> Finding:
        spent = round(time.monotonic() - began, 3)
        return Finding(check=name, state=state, seen=seen, means=means, fix=fix, seconds=spent, runbook=runbook)

    try:
        return found("ok", check())
    except Absent as absent:
        return found("skipped", str(absent))
    except Harm as harm:
        return found(harm.state, harm.seen, harm.means, harm.fix, harm.runbook or OF_CHECKS.get(name))
    except Exception as error:  # noqa: BLE001 - one check that trips over something must not hide the others
        said = f"{type(error).__name__}: {error}"
        return found("failed", said, "this could not be checked", "look at what the message names; try again as root")


def _ended(name: str, future: Future[Finding], end: float, seconds: float) -> Finding:
    try:
        return future.result(timeout=max(0.0, end - time.monotonic()))
    except TooLate:
        return Finding(
            check=name,
            state="failed",
            seen=f"no answer within {seconds:g} s",
            means="whatever depends on it waits as long",
            fix="look at the network between this task and it",
            seconds=seconds,
            runbook=OF_CHECKS.get(name),
        )
