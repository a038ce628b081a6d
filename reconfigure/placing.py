"""Puts one file where another account reads it: with its mode and its owner from its first moment, or not at all.

For files that are made at container start and hold what not everybody may see; whoever calls knows what they are for.
"""

import grp
import os
import pwd
from pathlib import Path

from reconfigure.errors import ReconfigureError


def place(path: Path, content: bytes, *, mode: int, owner: str | None) -> None:
    """Replace a file, never writing through a link.

    Args:
        path: in a folder that nobody else may write to.
        content: the whole of it.
        mode: permission bits.
        owner: `user` or `user:group`, applied where the process is root; None leaves it to this process's account.

    Raises:
        ReconfigureError: the system does not know the owner.
        OSError: it could not be written; the old content is untouched.
    """
    uid, gid = _numbers(path.name, owner) if owner is not None and os.geteuid() == 0 else (-1, -1)
    unfinished = path.with_name(f".{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            # In this order, since root without CAP_FOWNER may not change the mode of what is somebody else's.
            os.fchmod(file.fileno(), mode)
            os.fchown(file.fileno(), uid, gid)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def known(owner: str) -> bool:
    """Return whether the system has this `user` or `user:group`."""
    try:
        _numbers("", owner)
    except ReconfigureError:
        return False
    return True


def _numbers(name: str, owner: str) -> tuple[int, int]:
    user, _, group = owner.partition(":")
    try:
        return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid if group else -1
    except KeyError as error:
        raise ReconfigureError(
            f"the file {name} should belong to {owner}, which this system does not know; "
            "install the daemon that reads it, or change 'owner' in the tier's manifest"
        ) from error
