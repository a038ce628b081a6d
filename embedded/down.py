"""Takes an embedded world down and makes sure that nothing of it is left: no process, no socket. State is kept."""

import shutil
from contextlib import ExitStack

from filelock import FileLock
from rich.console import Console

from embedded import processes
from embedded.places import Places

_LOCK_SECONDS = 180.0


def down(places: Places, console: Console) -> int:
    """End everything; return 0. Nothing there to end is as good.

    Raises:
        processes.LeftOverError: a process would not end.
    """
    with ExitStack() as held:
        if places.state.exists():
            held.enter_context(FileLock(places.lock, timeout=_LOCK_SECONDS))
        running = processes.ours(places)
        if running:
            with console.status(f"Ending {len(running)} processes …"):
                processes.end(places, tell=console.print)
        places.aws.unlink(missing_ok=True)
        (places.state / "healthchecks.port").unlink(missing_ok=True)
        if places.sockets.exists():
            shutil.rmtree(places.sockets)
    if running:
        console.print(f"Down: {len(running)} processes ended, none left. State is kept in {places.state}.")
    else:
        console.print("Nothing was running.")
    return 0
