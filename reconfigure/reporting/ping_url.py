"""Where a task's pings go: a ping URL in which `{tier}` and `{task}` may stand, for one check a task."""

import re
from collections.abc import Callable

TIER, TASK = "{tier}", "{task}"


class PingUrl:
    """Returns the ping URL when it is called, with what stands for this task filled in.

    Args:
        read: returns the URL as somebody wrote it, or None for no pings; may raise.
        tier: the tier.
        task: the task; Healthchecks' slugs are of small letters, digits and hyphens, so it is written like that.

    Attributes:
        is_own: whether the check that the last URL leads to is this task's alone.
    """

    def __init__(self, read: Callable[[], str | None], *, tier: str, task: str) -> None:
        self._read = read
        self._tier = tier
        self._task = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")
        self.is_own = False

    def __call__(self) -> str | None:
        """Return the URL, or None for no pings."""
        url = self._read()
        if url is None:
            return None
        self.is_own = TASK in url
        return url.replace(TIER, self._tier).replace(TASK, self._task)
