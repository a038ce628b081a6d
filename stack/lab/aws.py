"""The AWS double of the test world, seeded with the sample, and the receiver of heartbeats beside it.

    python -m stack.lab.aws --port 4566 --pings 8000 --trouble 4567 --file /tmp/aws.json

SIGUSR1 makes AWS refuse connections, SIGUSR2 ends that; what was created stays. Other trouble is ordered over HTTP
(`stack.lab.trouble`). The ids are made from names, so they are the same at each start, and the compose file can name
them.
"""

import argparse
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

from embedded.aws import LOOPBACK, Server, seed, use_lasting_ids
from embedded.healthchecks import HealthchecksDouble
from stack.lab.signals import Signals
from stack.lab.trouble import Front, controlled

_TELLING: Mapping[signal.Signals, Callable[[Front], None]] = {signal.SIGUSR1: Front.down, signal.SIGUSR2: Front.up}


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m stack.lab.aws", description="AWS and heartbeats for the test world."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--name", default="127.0.0.1", help="host name in the ping URLs")
    parser.add_argument("--port", type=int, default=4566, help="port of AWS")
    parser.add_argument("--pings", type=int, default=8000, help="port of the receiver of heartbeats")
    parser.add_argument("--trouble", type=int, default=4567, help="port where trouble is ordered")
    parser.add_argument("--file", type=Path, required=True, help="where URL and ids are written once it is seeded")
    arguments = parser.parse_args()
    signals = Signals(*_TELLING)
    use_lasting_ids()
    with HealthchecksDouble(arguments.host, arguments.pings), Server() as server:
        front = Front(server.url, host=arguments.host, port=arguments.port)
        controlled(front, host=arguments.host, port=arguments.trouble)
        # Seeded by the port that clients know: the double writes URLs of queues as it is spoken to.
        at = f"http://{LOOPBACK}:{arguments.port}"
        seed(at, pings=f"http://{arguments.name}:{arguments.pings}").write(arguments.file)
        print(f"AWS double on port {arguments.port}, heartbeats on {arguments.pings}", flush=True)
        while (told := signals.wait()) in _TELLING:
            _TELLING[told](front)
            print(f"AWS double: {_TELLING[told].__name__}", flush=True)


if __name__ == "__main__":
    main()
