"""How long until the live maps show a change: measured inside the containers, by looking, without asking the loop."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Self

from stack.engine import Engine

MAPS: Mapping[str, str] = {"imap": "virtusertable", "smtp-in": "access", "smtp-out": "access"}

_DEADLINE_SECONDS = 20
# The text beside the compiled map: one rename makes both of them live. Twenty looks a second cost next to nothing.
_LOOK = """
key=$1 map=/var/lib/reconfigure/current/mail/$2 wanted=$3
echo looking
end=$(($(date +%s) + $4))
while :; do
    cut -f1 <"$map" | grep -qxF -e "$key" -e "to:$key" && seen=yes || seen=no
    [ "$seen" = "$wanted" ] && { echo seen; exit 0; }
    [ "$(date +%s)" -lt "$end" ] || exit 1
    sleep 0.05
done
"""


class NotLiveError(Exception):
    """A change did not become live in time."""


class Watch:
    """Watches one address: enter, make the change, ask for `seconds`.

    Args:
        engine: runs the containers.
        containers: tier → container.
        address: the address.
        present: whether it is to appear or to go.
    """

    def __init__(self, engine: Engine, containers: Mapping[str, str], *, address: str, present: bool = True) -> None:
        self._engine = engine
        self._containers = containers
        self._address = address
        self._wanted = "yes" if present else "no"
        self._looking: dict[str, subprocess.Popen[str]] = {}
        self._began = 0.0

    def __enter__(self) -> Self:
        for tier, container in self._containers.items():
            arguments = [self._address.lower(), MAPS[tier], self._wanted, str(_DEADLINE_SECONDS)]
            self._looking[tier] = self._engine.begin("exec", container, "sh", "-c", _LOOK, "sh", *arguments)
        for process in self._looking.values():
            if process.stdout is not None:
                process.stdout.readline()
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._looking.values():
            process.kill()
            process.communicate()

    def seconds(self) -> Mapping[str, float]:
        """Return tier → seconds from the entry to the `with` block until it was live there.

        Raises:
            NotLiveError: it did not become live on some tier in time.
        """
        after: dict[str, float] = {}
        behind: Sequence[str] = list(self._looking)
        while behind:
            for tier in behind:
                code = self._looking[tier].poll()
                if code == 0:
                    after[tier] = time.monotonic() - self._began
                elif code is not None:
                    wanted = "live" if self._wanted == "yes" else "gone"
                    raise NotLiveError(
                        f"{self._address} is not {wanted} on {tier} after {_DEADLINE_SECONDS} s; look at what"
                        f" `reconfigure status` says in {self._containers[tier]}"
                    )
            behind = [tier for tier in behind if tier not in after]
            time.sleep(0.01)
        return after
