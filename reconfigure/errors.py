"""Every error this program raises on purpose, and the exit code each one ends a command with.

A message says what was attempted, on what, what came back and what to do next: it is read by someone who was
just woken up. Anything that is not one of these is a defect and may end in a traceback.
"""

EX_OK = 0
EX_NOT_GOOD = 1
EX_USAGE = 2
EX_DIFFERENT = 3
EX_CONFIG = 78  # sysexits.h


class ReconfigureError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what a command ends with."""

    exit_code = EX_NOT_GOOD


class ConfigurationError(ReconfigureError):
    """Settings, a tier manifest or a template are wrong; `problems` has one line for every mistake found."""

    exit_code = EX_CONFIG

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class SourceError(ReconfigureError):
    """A source of truth could not be read completely, so nothing may be concluded from it."""


class GenerationError(ReconfigureError):
    """A generation could not be built, checked, found or activated; the active one was left as it is."""


class ReloadError(ReconfigureError):
    """A daemon could not be told about its changed files; it will be told again at the next pass."""


class LockHeldError(ReconfigureError):
    """Another process is changing the state folder and did not finish within the time allowed."""


class InterruptedPassError(ReconfigureError):
    """The process was asked to stop between two steps of a pass; nothing was half applied."""
