"""Many light tasks in one process: `python -m bench.fleet.follower URL REGION TABLE FIRST COUNT`.

Each follows the change log as a task does, and applies at once what it sees; a line says who, up to which change, and
when (monotonic seconds, which are the same in all processes).
"""

import json
import sys
import threading
import time

from reconfigure.fleet.member import Member, Spacing
from reconfigure.fleet.roll import Limits
from reconfigure.fleet.table import FleetTable
from reconfigure.settings import Tier
from reconfigure.sources.aws import Clients

READ_SECONDS = 2.0
_saying = threading.Lock()


def follow(name: str, table: FleetTable) -> None:
    """Follow the log under a name."""
    member = Member(
        table, tier=Tier.IMAP, task=name, spacing=Spacing(read=READ_SECONDS, forget=900), limits=Limits(180, 180)
    )

    def tell(_event: object) -> None:
        if not member.is_behind:
            return
        mark = member.mark()
        member.reached(mark)
        if mark.position is not None:
            with _saying:
                print(json.dumps([name, mark.position.sequence, time.monotonic()]), flush=True)

    member.start(tell)


def main() -> None:
    """Follow until the process is killed."""
    url, region, table, first, count = sys.argv[1:]
    clients = Clients(region, url)
    for number in range(int(first), int(first) + int(count)):
        shared = FleetTable(lambda: clients.fleet, table, region=region)
        threading.Thread(target=follow, args=(f"light-{number:03}", shared)).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
