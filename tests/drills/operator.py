"""Somebody at night with a page of the runbooks: types what it says in the container that is in trouble.

What only reads may be typed again until it answers as the page says, as anybody would who looks again; what changes
something is typed once, and must succeed.
"""

import subprocess

from stack.world import World
from tests.drills import pages
from tests.drills.pages import Step
from tests.system.mail import Mail
from tests.system.patience import until

LOOK_SECONDS = 60.0
_SHELL = "export COLUMNS=500; {}"  # wide enough that no line is folded


class Operator:
    """Works through a page for one cause, in a container: a tier's, or another task's of it."""

    def __init__(self, world: World, mail: Mail, *, number: int, cause: str, tier: str) -> None:
        self._world, self._mail = world, mail
        self._page = pages.read(number)
        self._cause, self._tier = cause, tier
        if cause and cause not in self._page.causes:
            raise pages.UnreadablePageError(f"{self._page.name} has no cause {cause!r}, but {self._page.causes}")

    def confirms(self) -> None:
        """Type what shows the cause; the answers are the page's."""
        for step in self._steps("Confirm"):
            self._look(step)

    def mends(self) -> None:
        """Type what mends it."""
        for step in self._page.steps("Mend", self._cause):
            done = self._type(step)
            assert done.returncode == 0, f"{step.command} ended with {done.returncode}: {_said(done)}"
            assert pages.fits(step.expected, _said(done)), f"{step.command} said:\n{_said(done)}"

    def verifies(self) -> None:
        """Type what shows that it is mended: a success, unless the page says that the tier is degraded by then."""
        for step in self._steps("Verify"):
            done = self._look(step)
            wanted = 1 if step.expected[0].endswith(": degraded") else 0
            assert done.returncode == wanted, f"{step.command} ended with {done.returncode}: {_said(done)}"

    def _steps(self, heading: str) -> list[Step]:
        steps = self._page.steps(heading, self._cause)
        assert steps, f"{self._page.name} says nothing to type under {heading} for {self._cause or 'it'}"
        return steps

    def _look(self, step: Step) -> subprocess.CompletedProcess[str]:
        typed: list[subprocess.CompletedProcess[str]] = []

        def is_as_said() -> bool:
            typed.append(self._type(step))
            return pages.fits(step.expected, _said(typed[-1]))

        try:
            until(is_as_said, f"{step.command} answers as {self._page.name} says", seconds=LOOK_SECONDS, every=0.5)
        except AssertionError as error:
            wanted = "\n".join(step.expected)
            first, last = _said(typed[0]), _said(typed[-1])
            said = first if first == last else f"{first}\nand at last:\n{last}"
            raise AssertionError(f"{error}\nexpected:\n{wanted}\nanswered:\n{said}") from None
        return typed[-1]

    def _type(self, step: Step) -> subprocess.CompletedProcess[str]:
        return self._world.try_exec(step.tier or self._tier, "sh", "-c", _SHELL.format(step.command), timeout=120)


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command answered; the log, which goes to standard error, only where there is nothing else."""
    return done.stdout if done.stdout.strip() else done.stderr
