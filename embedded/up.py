"""Brings an embedded world up, or mends one that is half there; start reading at `up`.

Running → said so. Not running → whatever an earlier life left over is ended, then supervisord is started on
`supervisord.conf` beside this file. Half-dead → what is dead is started again. In each case it is up only when every
tier has a generation made by what runs now, and its loop runs.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from json import dumps, loads
from pathlib import Path

from filelock import FileLock
from rich.console import Console

from embedded import board, key_material, processes, sample, tiers
from embedded.places import CHECKOUT, MARK, Places
from reconfigure.settings import Tier

_DEADLINE_SECONDS = 60.0
_LOCK_SECONDS = 180.0
_LOG_LINES = 12
_ALIVE = {"RUNNING", "STARTING"}
_GIVEN_UP = {"FATAL", "EXITED"}
PROGRAMS = ("healthchecks", "aws", *Tier)


def up(places: Places, console: Console) -> int:
    """Bring everything up and show it; return 0, or 1 when a part did not come up, having said which and why."""
    began = time.monotonic()
    places.make()
    with FileLock(places.lock, timeout=_LOCK_SECONDS):
        since = time.time()
        states = processes.program_states(places.socket)
        if states is None:
            _start(places, console)
        elif not _mend(places, console, states=states):
            since = 0.0
        behind = _wait(places, console, since=since)
    if behind:
        _explain(places, console, behind=behind)
        return 1
    said = "Up already" if since == 0.0 else f"Up in {time.monotonic() - began:.1f} s"
    console.print(f"\n[green]{said}.[/] Stop it with [cyan]make down[/].\n", highlight=False)
    board.show(places, console)
    return 0


def _start(places: Places, console: Console) -> None:
    if processes.ours(places):
        console.print("Ending what an earlier start left over …")
        processes.end(places, tell=console.print)
    places.aws.unlink(missing_ok=True)
    key_material.load_or_make(places.key_material, cert_domain=sample.CERT_DOMAIN)
    tiers.write_launchers(places)
    ports = _ports(places.ports)
    environ = tiers.base_environment(os.environ) | {
        MARK: str(places.state),
        "EMBEDDED_SOCKETS": str(places.sockets),
        "EMBEDDED_CHECKOUT": str(CHECKOUT),
        "EMBEDDED_PYTHON": sys.executable,
        "EMBEDDED_AWS_PORT": str(ports["aws"]),
        "EMBEDDED_PINGS_PORT": str(ports["healthchecks"]),
    }
    supervisord = Path(sys.executable).with_name("supervisord")
    subprocess.run(
        [supervisord, "-c", CHECKOUT / "embedded" / "supervisord.conf"],
        env=environ,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=30,
    )


def _mend(places: Places, console: Console, *, states: Mapping[str, str]) -> bool:
    """Start again whatever is dead; return whether there was anything."""
    strays = processes.strays(places, top=processes.call(places.socket, "getPID"))
    if strays:
        console.print("Ending processes that lost their supervisord …")
        processes.end_these(strays)
    dead = [str(name) for name in PROGRAMS if states.get(name) not in _ALIVE or not _loop_alive(places, name)]
    for name in dead:
        console.print(f"Starting {name} again, which was {states.get(name, 'absent').lower()} …")
        if states.get(name) in _ALIVE:  # and what is inside it is not
            processes.call(places.socket, "stopProcess", name)
        processes.call(places.socket, "startProcess", name, False)
    return bool(dead or strays)


def _loop_alive(places: Places, name: str) -> bool:
    """Return whether what runs inside a tier is alive too; of what is no tier there is nothing inside."""
    if name not in set(Tier):
        return True
    inside = processes.program_states(places.tier_socket(Tier(name))) or {}
    return bool(_ALIVE & {inside.get("prepare"), inside.get("reconfigure")})


def _wait(places: Places, console: Console, *, since: float) -> list[Tier]:
    """Wait until every tier is up; return those that are not when time is over, or supervisord gave up on them."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    with console.status("") as spinner:
        while behind := [tier for tier in Tier if not _is_up(places, tier, since)]:
            spinner.update(f"Waiting for the first generation of {', '.join(behind)} …")
            states = processes.program_states(places.socket) or {}
            if time.monotonic() > deadline or "FATAL" in states.values() or _hopeless(places, behind):
                return behind
            time.sleep(0.1)
    return []


def _is_up(places: Places, tier: Tier, since: float) -> bool:
    """Return whether a tier has a generation and its loop runs; if started since, whether the loop itself says so."""
    document = tiers.status_document(places, tier)
    if document is None or document.get("generation") is None or places.status(tier).stat().st_mtime < since:
        return False
    loop = processes.program(places.tier_socket(tier), "reconfigure")
    return loop is not None and loop.state in _ALIVE and (since == 0.0 or document.get("pid") == loop.pid)


def _hopeless(places: Places, behind: list[Tier]) -> bool:
    """Return whether a tier will not come up by waiting: `prepare` has ended, and did not start the loop."""
    for tier in behind:
        inside = processes.program_states(places.tier_socket(tier)) or {}
        if inside.get("reconfigure") == "FATAL":
            return True
        if inside.get("prepare") in _GIVEN_UP and inside.get("reconfigure") == "STOPPED":
            return True
    return False


def _explain(places: Places, console: Console, *, behind: list[Tier]) -> None:
    states = processes.program_states(places.socket) or {}
    for name in (name for name in PROGRAMS if name in behind or states.get(name) not in _ALIVE):
        inside = processes.program_states(places.tier_socket(Tier(name))) if name in behind else None
        parts = "".join(f", {part} in it {state}" for part, state in (inside or {}).items())
        console.print(f"\n[red]{name} did not come up[/]: {states.get(name, 'absent')}{parts}.", highlight=False)
        log = places.logs / f"{name}.log"
        if log.exists():
            console.print(f"The last lines of {board.shown(log)}:", highlight=False)
            for line in log.read_text(errors="replace").splitlines()[-_LOG_LINES:]:
                console.print(f"  {line}", markup=False, highlight=False)
    console.print("\nMend the cause and run [cyan]make up[/] again; [cyan]make down[/] stops what runs.")


def _ports(path: Path) -> Mapping[str, int]:
    """Return the loopback ports: those of last time, unless somebody else has taken one meanwhile."""
    kept: dict[str, int] = loads(path.read_text()) if path.exists() else {}
    with ExitStack() as held:  # until all are chosen, so that none is chosen twice
        ports = {name: _hold(kept.get(name, 0), held) or _hold(0, held) for name in ("aws", "healthchecks")}
    path.write_text(dumps(ports) + "\n")
    return ports


def _hold(port: int, held: ExitStack) -> int:
    """Bind a loopback port (0: any free one) and return it; return 0 when it is taken."""
    probe = held.enter_context(socket.socket())
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return 0
    return int(probe.getsockname()[1])
