"""The disk of the state folder is full."""

from reconfigure.settings import Tier
from stack.world import World
from tests.drills.breaking import becomes
from tests.drills.conftest import Read
from tests.drills.healing import FILLER
from tests.system.mail import Mail

NEW = "late@acme.example.com"
# A pass makes room by itself as long as there are generations that nobody needs.
NEEDED_ONLY = """
cd /var/lib/reconfigure/generations
for each in *; do
    case " $(readlink ../current) $(readlink ../previous) " in *"/$each "*) ;; *) rm -r "$each" ;; esac
done
"""
FILL = f"dd if=/dev/zero of={FILLER} bs=64k 2>/dev/null || dd if=/dev/zero bs=1k >>{FILLER} 2>/dev/null || true"


def test_drill_15_disk_full(world: World, mail: Mail, read: Read) -> None:
    world.exec(Tier.IMAP, "sh", "-ec", NEEDED_ONLY)
    world.exec(Tier.IMAP, "sh", "-c", FILL)
    world.admin.create(NEW, "alice")
    becomes(world, Tier.IMAP, "degraded")
    page = read(15, tier=Tier.IMAP)

    page.confirms()
    assert mail.ask(Tier.IMAP, "alice@example.com").code == 250
    assert mail.ask(Tier.IMAP, NEW).verdict.startswith("451 4.2.1")
    page.mends()
    page.verifies()

    assert mail.ask(Tier.IMAP, NEW).code == 250
