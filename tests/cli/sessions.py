"""A daemon with two sessions, as far as the kernel tells: two processes of the name that a session's has."""

import time
from collections.abc import Callable
from pathlib import Path

from reconfigure.daemons import Supervisor

_PROGRAMS = """
[group:mail]
programs=sendmail,dovecot
[program:sendmail]
command=/bin/sh -c "ln -s /bin/sleep %(here)s/sendmail; %(here)s/sendmail 1000 & %(here)s/sendmail 1000 & wait"
startsecs=0
stopasgroup=true
[program:dovecot]
command=/bin/sleep 1000
startsecs=0
"""


def occupied(supervise: Callable[[str], Supervisor]) -> None:
    """Run it as the program mail:sendmail, and wait until it has both."""
    pid = next(each.pid for each in supervise(_PROGRAMS).programs() if each.name == "mail:sendmail")
    deadline = time.monotonic() + 30
    while _children(pid) != ["sendmail", "sendmail"]:
        assert time.monotonic() < deadline, "both did not run within 30 s"
        time.sleep(0.02)


def _children(pid: int) -> list[str]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{each}/comm").read_text().strip() for each in found]
