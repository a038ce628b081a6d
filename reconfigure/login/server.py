"""The helper's sockets and its life: bound as root where there is root to be had, served as nobody in particular.

Who may ask is decided by the sockets' owner, group and mode alone: they belong to root and a group in which only the
daemon that asks is: on imap `sasl`, for Dovecot's authentication, on smtp-out that of sendmail's account, whose
processes have no other group.
"""

import asyncio
import grp
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from reconfigure import account
from reconfigure.errors import ConfigurationError, ReconfigureError
from reconfigure.login import cognito, master
from reconfigure.login.checker import Checker
from reconfigure.login.dovecot import LONGEST_HEAD, Dovecot
from reconfigure.login.gate import Gate
from reconfigure.login.guesses import Guesses, Limits
from reconfigure.login.master import Master
from reconfigure.login.peers import Peers
from reconfigure.login.saslauthd import Saslauthd
from reconfigure.login.served import Served
from reconfigure.settings import Settings, Tier

log = structlog.get_logger()

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

SOCKETS: Mapping[Tier, tuple[str, ...]] = {Tier.IMAP: ("dovecot",), Tier.SMTP_OUT: ("mux", "gate")}
GROUPS: Mapping[Tier, str] = {Tier.IMAP: "sasl", Tier.SMTP_OUT: "smmta"}
MODE = 0o660
BACKLOG = 256
MOST_CONNECTIONS = 800  # of each socket; a container often allows 1,024 files


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the tier has nobody who logs in, or an account or group is missing.
        ReconfigureError: a socket could not be made, or the master user's password not read.
    """
    if settings.tier not in SOCKETS or settings.cognito_client_id is None:
        raise ConfigurationError(f"TIER: nobody logs in on {settings.tier}; run this on imap and smtp-out alone")
    account.require(settings.login_user)
    group = _group(settings)
    listening = {name: listen(settings.login_dir / name, group=group) for name in SOCKETS[settings.tier]}
    master_password = master.read(settings.secrets_dir) if settings.tier is Tier.IMAP else None
    account.become(settings.login_user)
    directory = cognito.Cognito(
        cognito.client(
            settings.aws_region,
            settings.aws_endpoint_url,
            connections=settings.login_threads,
            timeout=settings.login_timeout,
        ),
        settings.cognito_client_id,
    )
    asyncio.run(_run(settings, directory, listening, master_password))


def listen(path: Path, *, group: int | None) -> socket.socket:
    """Return a listening UNIX socket, in place of one that an earlier process has left.

    Args:
        path: where.
        group: who may connect besides its owner; None: the process's own group.

    Raises:
        ReconfigureError: it could not be made.
    """
    made = socket.socket(socket.AF_UNIX)
    made.setblocking(False)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if path.is_socket():
            path.unlink()
        before = os.umask(0o777 & ~MODE)  # so that nobody gets in between bind and chmod
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        if group is not None:
            os.chown(path, -1, group)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise ReconfigureError(
            f"making the socket {path} failed: {error.strerror or error}; look at its folder's owner and mode"
        ) from error
    return made


def _group(settings: Settings) -> int | None:
    """Return the id of the group that may ask; None where this process could not give a socket away anyhow."""
    name = settings.login_group
    if name is None:
        if os.geteuid() != 0 or settings.login_user is None:
            return None
        name = GROUPS[settings.tier]
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ConfigurationError(f"RECONFIGURE_LOGIN_GROUP: the system has no group {name}; make it") from error


async def _run(
    settings: Settings,
    directory: cognito.Cognito,
    listening: Mapping[str, socket.socket],
    master_password: bytes | None,
) -> None:
    guesses = Guesses(
        Limits(
            pair=settings.login_guesses,
            address=settings.login_guesses_address,
            user=settings.login_guesses_user,
            longest=settings.login_pause,
        ),
        trusted=settings.own_networks,
    )
    checker = Checker(
        directory,
        served=Served(settings.state_dir),
        guesses=guesses,
        seconds=settings.login_cache,
        threads=settings.login_threads,
    )
    peers = Peers()
    handlers: Mapping[str, Handler] = {
        "dovecot": Dovecot(checker, Master(master_password, networks=settings.own_networks, guesses=guesses)),
        "mux": Saslauthd(checker, peers, hold=settings.login_hold),
        "gate": Gate(checker, peers),
    }
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for name, made in listening.items():
        await asyncio.start_unix_server(_Door(handlers[name]), sock=made, limit=LONGEST_HEAD)
    log.info("started", sockets=[str(settings.login_dir / name) for name in listening], cache=settings.login_cache)
    await stop.wait()
    log.info("stopped")
    # Questions under way would keep the interpreter for seconds: it waits for its threads. Nobody waits for them.
    os._exit(0)


class _Door:
    """Lets connections in, not too many, and closes them whatever happens."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._inside = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._inside += 1
        try:
            if self._inside <= MOST_CONNECTIONS:
                await self._handler(reader, writer)
        except OSError:
            pass  # the client hung up in the middle
        except Exception:  # one connection's defect must not be everybody's
            log.exception("connection_failed")
        finally:
            self._inside -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
