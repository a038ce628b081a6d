"""Ways to break a tier that several drills need, and what everybody outside must see once it is mended."""

from datetime import UTC, datetime

from reconfigure.settings import Tier
from stack.world import World
from tests.system.mail import Mail
from tests.system.patience import until

ADDRESS = "drill@acme.example.com"

_UNTIL_FATAL = """
until supervisorctl status {program} | grep -q FATAL; do
    pid=$(supervisorctl pid {program})
    [ "$pid" -gt 0 ] 2>/dev/null && kill -KILL "$pid"
done
"""


def keep_from_starting(world: World, tier: Tier, program: str) -> None:
    """Kill a program as often as it is started, until supervisord gives it up; in the container, to be fast enough."""
    world.exec(tier, "sh", "-c", _UNTIL_FATAL.format(program=program))


def becomes(world: World, tier: Tier, word: str, *, seconds: float = 60.0) -> None:
    """Wait until a tier's health is this: ok, degraded, failing."""
    until(lambda: world.health(tier)["status"] == word, f"{tier} is {word}", seconds=seconds, every=0.5)


def applies_changes(world: World, mail: Mail, tier: Tier) -> None:
    """See from outside that a change reaches a tier again: an address is created, and answered for; then revoked."""
    world.admin.create(ADDRESS, "alice")
    mail.says(tier, ADDRESS, "250")
    world.admin.revoke(ADDRESS)
    mail.says(tier, ADDRESS, "451" if tier is Tier.IMAP else "550")


def right_after_a_pass(world: World, tier: Tier, *, seconds: float = 12.0) -> None:
    """Wait until no pass is to come for so long, so that what changes quietly is not seen meanwhile.

    That is after a pass of the timer: by then no message of an earlier change is under way.
    """

    def is_quiet() -> bool:
        report = world.status(tier)["report"]
        due = datetime.fromisoformat(report["next_pass"])
        return report["pass"]["trigger"] == "timer" and (due - datetime.now(UTC)).total_seconds() > seconds

    until(is_quiet, f"no pass of {tier} is near", seconds=60, every=0.5)
