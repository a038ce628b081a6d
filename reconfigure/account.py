"""The account that the state folder belongs to, where that is not root's: becoming it, and giving it what it needs.

Started as root, `prepare` writes for others first and then becomes it; everything else that writes becomes it at once,
an operator's command in a root shell too, so that no file of root's is ever left in the state folder.
"""

import grp
import os
import pwd
import stat
from pathlib import Path

from reconfigure.errors import ConfigurationError, ReconfigureError

UMASK = 0o022
SOCKET_MODE = 0o770

# What this program makes in a state folder; anything else there means that the folder is not its own.
_OWN = frozenset(
    "generations current previous lock lock.holder held.json reloads.json static.json status.json history.jsonl "
    "history.jsonl.1 paused pinned.json unpinned.json woken extrausers".split()
)
_FOREIGN_AND_FINE = frozenset({"lost+found"})


def require(name: str | None) -> None:
    """Refuse an account that could not be become.

    Raises:
        ConfigurationError: there is no such account.
    """
    if name is not None and os.geteuid() == 0:
        _entry(name)


def become(name: str | None) -> bool:
    """Become an account for good, where this process is root's and one is named; return whether it did.

    Raises:
        ConfigurationError: there is no such account.
        ReconfigureError: the system did not let go of root's rights.
    """
    if name is None or os.geteuid() != 0:
        return False
    entry = _entry(name)
    if entry.pw_uid == 0:
        return False
    try:
        os.setgroups([entry.pw_gid])  # never what a name service says, which may read what this very account writes
        os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
        os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    except OSError as error:
        raise ReconfigureError(
            f"becoming {name} failed: {error.strerror}; give the container the capabilities SETUID and SETGID"
        ) from error
    os.environ.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name)
    os.umask(UMASK)
    return True


def hand_over(name: str | None, *, state_dir: Path, socket: Path) -> None:
    """Let an account write the state folder and speak to supervisord, where this process is root's and one is named.

    What an earlier start has left there as root's is given to it, too: deepest first, following no link and entering
    no folder but root's, so that nobody can slip something in which is not the folder's own.

    Raises:
        ConfigurationError: there is no such account, or the folder holds what this program does not make.
        ReconfigureError: it could not be handed over.
    """
    if name is None or os.geteuid() != 0:
        return
    entry = _entry(name)
    if entry.pw_uid == 0:
        return
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        _give(state_dir, entry.pw_uid, entry.pw_gid)
        if socket.is_socket():
            # Root's still, since root without CAP_DAC_OVERRIDE could not open what is another's alone.
            socket.chmod(SOCKET_MODE)
            os.chown(socket, 0, entry.pw_gid)
    except OSError as error:
        raise ReconfigureError(
            f"handing {state_dir} and {socket} over to {name} failed: {error}; "
            "give the container the capability CHOWN, or unset RECONFIGURE_USER"
        ) from error


def _entry(name: str) -> pwd.struct_passwd:
    try:
        entry = pwd.getpwnam(name)
        grp.getgrgid(entry.pw_gid)
    except KeyError as error:
        raise ConfigurationError(
            f"RECONFIGURE_USER: the system has no account {name}, or not its group; make it or unset the setting"
        ) from error
    return entry


def _give(state_dir: Path, uid: int, gid: int) -> None:
    descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = os.fstat(descriptor)
        if found.st_uid == uid:
            return
        names = set(_names(descriptor)) - _FOREIGN_AND_FINE
        foreign = sorted(name for name in names - _OWN if not name.startswith("."))
        if found.st_uid != 0 or foreign:
            what = ", ".join(foreign[:3]) if foreign else f"the files of user {found.st_uid}"
            raise ConfigurationError(
                f"RECONFIGURE_STATE_DIR: {state_dir} holds {what}, so it is not handed over; name a folder of its own"
            )
        for name in names:
            _give_entry(name, descriptor, device=found.st_dev, uid=uid, gid=gid)
        os.fchown(descriptor, uid, gid)
    finally:
        os.close(descriptor)


def _give_entry(name: str, within: int, *, device: int, uid: int, gid: int) -> None:
    found = os.stat(name, dir_fd=within, follow_symlinks=False)
    if found.st_uid != 0 or found.st_dev != device:
        return
    if not stat.S_ISDIR(found.st_mode):
        os.chown(name, uid, gid, dir_fd=within, follow_symlinks=False)
        return
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    try:
        for entry in _names(folder):
            _give_entry(entry, folder, device=device, uid=uid, gid=gid)
        os.fchown(folder, uid, gid)
    finally:
        os.close(folder)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)
