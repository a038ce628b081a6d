"""Where everything embedded lies: one folder for all state, and a short one for sockets when that path is long.

Nothing here starts, stops or writes anything but folders. A process belongs to an embedded world when its
environment says so (`MARK`); that is how `processes` finds each of them again.
"""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from reconfigure.settings import Tier

MARK = "EMBEDDED_STATE"
CHECKOUT = Path(__file__).resolve().parents[1]

_SOCKET_PATH_BYTES = 107  # unix(7): sun_path holds 108, the last one NUL
_LONGEST_SOCKET = len("/smtp-out.sock.4194304")  # supervisord first makes NAME.PID, and PIDs end at 2**22


@dataclass(frozen=True)
class Places:
    """The folders and files of one embedded world, below its absolute state folder."""

    state: Path

    @property
    def sockets(self) -> Path:
        """Where the sockets are: inside the state folder if their paths fit into `sun_path`, else in /tmp."""
        inside = self.state / "run"
        if len(os.fsencode(inside)) + _LONGEST_SOCKET <= _SOCKET_PATH_BYTES:
            return inside
        digest = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]
        return Path(f"/tmp/reconfigure-{os.getuid()}-{digest}")  # noqa: S108 made private and checked by `make`

    @property
    def socket(self) -> Path:
        """The control socket of the supervisord above all."""
        return self.sockets / "top.sock"

    def tier_socket(self, tier: Tier) -> Path:
        """The control socket of a tier's own supervisord."""
        return self.sockets / f"{tier}.sock"

    @property
    def logs(self) -> Path:
        """A log file for each part."""
        return self.state / "log"

    @property
    def launchers(self) -> Path:
        """Short commands for a person to type."""
        return self.state / "bin"

    @property
    def aws(self) -> Path:
        """What the AWS double wrote once it was seeded; absent while it is not."""
        return self.state / "aws.json"

    @property
    def ports(self) -> Path:
        """The loopback ports chosen at the first start, kept so that URLs survive a restart."""
        return self.state / "ports.json"

    @property
    def lock(self) -> Path:
        """Keeps two `up` or `down` apart."""
        return self.state / "lock"

    @property
    def key_material(self) -> Path:
        """TLS and DKIM keys made once."""
        return self.state / "keys.json"

    def tier(self, tier: Tier) -> Path:
        """A tier's own state folder."""
        return self.state / tier

    def config(self, tier: Tier) -> Path:
        """A tier's settings as YAML."""
        return self.tier(tier) / "reconfigure.yaml"

    def status(self, tier: Tier) -> Path:
        """A tier's status document."""
        return self.tier(tier) / "status.json"

    def make(self) -> None:
        """Make the folders.

        Raises:
            PermissionError: the folder for sockets exists and belongs to somebody else, or others may write there.
        """
        for folder in (self.logs, self.launchers, *(self.tier(tier) for tier in Tier)):
            folder.mkdir(parents=True, exist_ok=True)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise PermissionError(f"{self.sockets} is not a folder of our own that only we may write; remove it")
