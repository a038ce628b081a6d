"""The daemons' own checkers, run against a candidate before it may go live, where they are installed."""

import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from reconfigure.errors import GenerationError
from reconfigure.generations.maps import entries
from reconfigure.generations.tools import run_tool
from reconfigure.rendering import Renderer, View
from reconfigure.tiers import TierManifest

PASSED = "passed"
NOT_INSTALLED = "not installed"
NO_DOMAIN = "skipped: the host name has no domain"


class CheckedMap(NamedTuple):
    """What a check's templates see of a map: a label, its type, where it lies, and a key it must know (or none)."""

    label: str
    kind: str
    path: str
    probe: str


def run_checks(
    manifest: TierManifest,
    generation: Path,
    *,
    renderer: Renderer,
    view: View,
    timeout: float,
    checkpoint: Callable[[], None] = lambda: None,
) -> Mapping[str, str]:
    """Run a tier's checks and return what came of each by name.

    Args:
        manifest: the tier's.
        generation: the candidate's folder.
        renderer: renders the configuration that a check reads.
        view: what those templates see as `world`.
        timeout: seconds for each check.
        checkpoint: called while a check runs; may raise to end it.

    Raises:
        GenerationError: a check failed; the message has what the checker said.
    """
    maps = _maps(manifest, generation)
    results = {}
    for check in manifest.checks:
        program = shutil.which(check.command[0])
        if program is None:
            results[check.name] = NOT_INSTALLED
            continue
        if check.needs_domain and not has_domain():
            results[check.name] = NO_DOMAIN
            continue
        names = {"generation": str(generation), "maps": maps}
        config = generation / ".check.conf"
        config.write_bytes(b"".join(renderer.stream(check.config, view, **names)))
        probe = b"".join(renderer.stream(check.probe, view, **names)) if check.probe else b""
        try:
            places = {"{config}": str(config), "{generation}": str(generation)}
            command = [program, *(places.get(argument, argument) for argument in check.command[1:])]
            what = f"the check {check.name!r}"
            ended = run_tool(command, what, timeout=timeout, checkpoint=checkpoint, text=probe)
        finally:
            config.unlink()
        refused = [line for line in ended.said.splitlines() if any(text in line for text in check.refuse)]
        if ended.code != 0 or refused:
            raise GenerationError(
                f"{what} refused the candidate ({' '.join(command)} ended with {ended.code}): "
                f"{'; '.join(refused[:3]) or ended.said[-500:]}; the active generation serves on"
            )
        results[check.name] = PASSED
    return results


def has_domain() -> bool:
    """Tell whether this host's name has a domain; without one, sendmail sleeps a minute at every start."""
    return "." in socket.gethostname()


def _maps(manifest: TierManifest, generation: Path) -> list[CheckedMap]:
    maps = []
    for at, spec in enumerate(spec for spec in manifest.files if spec.map):
        if spec.map is None:
            continue
        with (generation / spec.path).open("rb") as text:
            first = next(iter(entries(text, spec.map)), (b"", b""))[0]
        maps.append(CheckedMap(f"map{at}", spec.map.kind, str(generation / spec.path), first.decode("ascii")))
    return maps
