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
import xmlrpc.client
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from json import dumps, loads
from pathlib import Path

from filelock import FileLock
from rich.console import Console

from embedded import board, key_material, processes, sample, tiers
from embedded.places import CHECKOUT, MARK, Places
from reconfigure.settings import Tier

PATIENCE_SECONDS = 60.0
_LOCK_SECONDS = 180.0
_LOG_LINES = 12
_ALIVE = {"RUNNING", "STARTING"}
_ENDED = {"EXITED", "FATAL"}
PROGRAMS = ("healthchecks", "aws", *Tier)


def up(places: Places, console: Console, *, patience: float = PATIENCE_SECONDS) -> int:
    """Bring everything up and show it; return 0, or 1 when a part did not come up, having said which and why.

    Args:
        places: where.
        console: who hears of it.
        patience: seconds until a tier without a generation is a failure.
    """
    began = time.monotonic()
    places.make()
    with FileLock(places.lock, timeout=_LOCK_SECONDS):
        since = time.time()
        states = processes.program_states(places.socket)
        if states is None:
            _start(places, console)
            started = set(PROGRAMS)
        else:
            started = _mend(places, console, states=states)
        behind = _wait(places, console, since={tier: since for tier in Tier if tier in started}, patience=patience)
    if behind:
        _explain(places, console, behind=behind)
        return 1
    said = f"Up in {time.monotonic() - began:.1f} s" if started else "Up already"
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


def _mend(places: Places, console: Console, *, states: Mapping[str, str]) -> set[str]:
    """Start again whatever is dead; return the programs started."""
    strays = processes.strays(places, top=processes.call(places.socket, "getPID"))
    if strays:
        console.print("Ending processes that lost their supervisord …")
        processes.end_these(strays)
    dead = {name for name in PROGRAMS if states.get(name) not in _ALIVE or _is_hollow(places, name)}
    if "aws" in dead:
        # It begins with the sample again, and tiers would learn of that only by their timers.
        dead |= set(Tier)
    for name in (name for name in PROGRAMS if name in dead):
        console.print(f"Starting {name} again, which was {states.get(name, 'absent').lower()} …")
        for method, wait in (("stopProcess", True), ("startProcess", False)):
            # NOT_RUNNING, ALREADY_STARTED: supervisord, which mends too, was quicker.
            with suppress(xmlrpc.client.Fault):
                processes.call(places.socket, method, name, wait)
    return dead


def _is_hollow(places: Places, name: str) -> bool:
    """Return whether it is a tier whose supervisord runs while all that counts in it has ended for good."""
    inside = processes.program_states(places.tier_socket(Tier(name))) if name in set(Tier) else None
    return inside is not None and {inside.get("prepare"), inside.get("reconfigure")} <= _ENDED | {"STOPPED"}


def _wait(places: Places, console: Console, *, since: Mapping[Tier, float], patience: float) -> list[Tier]:
    """Wait until every tier is up, those in `since` from that time on; return those that will not be."""
    deadline = time.monotonic() + patience
    with console.status("") as spinner:
        while behind := [tier for tier in Tier if not _is_up(places, tier, since.get(tier))]:
            spinner.update(f"Waiting for the first generation of {', '.join(behind)} …")
            given_up = "FATAL" in (processes.program_states(places.socket) or {}).values()
            if given_up or time.monotonic() > deadline or any(_is_hopeless(places, tier) for tier in behind):
                return behind
            time.sleep(0.1)
    return []


def _is_up(places: Places, tier: Tier, since: float | None) -> bool:
    """Return whether a tier has a generation and its loop runs; if started since, whether the loop itself says so."""
    loop = processes.program(places.tier_socket(tier), "reconfigure")
    document = tiers.status_document(places, tier)
    if loop is None or loop.state not in _ALIVE or document is None or document.get("generation") is None:
        return False
    return since is None or (document.get("pid") == loop.pid and places.status(tier).stat().st_mtime >= since)


def _is_hopeless(places: Places, tier: Tier) -> bool:
    """Return whether a tier will not come up by waiting: `prepare` failed before it started the loop, or that did."""
    inside = processes.program_states(places.tier_socket(tier)) or {}
    loop = inside.get("reconfigure")
    return loop == "FATAL" or (inside.get("prepare") in _ENDED and loop == "STOPPED")


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
        ports = {name: _hold(kept.get(name, 0), held) or _hold(0, held) for name in ("aws", "healthchecks", *Tier)}
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
