"""Whatever umask a root shell has, the daemons' accounts get to what a command made."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from reconfigure.durable import record_mode

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]

CLOSED = ["sh", "-c", 'umask 077; exec "$@"', "sh"]


def test_what_a_command_makes_under_a_closed_umask_is_open_to_the_daemons(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    once = run("once", through=CLOSED)
    assert once.process.wait(60) == 0
    generation = once.state / "current"
    folders = [once.state, once.state / "generations", generation.resolve(), generation / "mail"]
    assert [oct(folder.stat().st_mode & 0o777) for folder in folders] == ["0o755"] * 4
    maps = [path for path in (generation / "mail").iterdir() if path.suffix == ".db"]
    assert maps
    assert [path.name for path in maps if path.stat().st_mode & 0o040 != 0o040] == []
    for name in ("status.json", "history.jsonl"):
        assert (once.state / name).stat().st_mode & 0o777 == record_mode()
