"""The helper's sockets and its life: bound as root where there is root to be had, served as nobody in particular.

Who may ask is decided by the sockets' owner, group and mode alone: they belong to root and a group in which only the
daemon that asks is: on imap `sasl`, for Dovecot's authentication, on smtp-out that of sendmail's account, whose
processes have no other group.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping

import structlog

from reconfigure import account, doors
from reconfigure.errors import ConfigurationError
from reconfigure.login import cognito, master
from reconfigure.login.checker import Checker
from reconfigure.login.dovecot import LONGEST_HEAD, Dovecot
from reconfigure.login.gate import Gate
from reconfigure.login.guesses import Guesses, Limits
from reconfigure.login.master import Master
from reconfigure.login.peers import Peers
from reconfigure.login.saslauthd import Saslauthd
from reconfigure.login.served import Served
from reconfigure.sending import ledger
from reconfigure.sending.book import Book
from reconfigure.sending.holds import Holds
from reconfigure.sending.limits import Granted, limits_of
from reconfigure.settings import Settings, Tier

log = structlog.get_logger()

SOCKETS: Mapping[Tier, tuple[str, ...]] = {Tier.IMAP: ("dovecot",), Tier.SMTP_OUT: ("mux", "gate")}
GROUPS: Mapping[Tier, str] = {Tier.IMAP: "sasl", Tier.SMTP_OUT: "smmta"}


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
    listening = {name: doors.listen(settings.login_dir / name, group=group) for name in SOCKETS[settings.tier]}
    master_password = master.read(settings.secrets_dir) if settings.tier is Tier.IMAP else None
    if settings.tier is Tier.SMTP_OUT:
        ledger.make_folder(settings.sending_dir, user=settings.login_user)
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


def _group(settings: Settings) -> int | None:
    """Return the id of the group that may ask; None where this process could not give a socket away anyhow."""
    name = settings.login_group
    if name is None:
        if os.geteuid() != 0 or settings.login_user is None:
            return None
        name = GROUPS[settings.tier]
    return doors.group_id(name, named_by="RECONFIGURE_LOGIN_GROUP")


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
    sending = _Sending(settings) if settings.tier is Tier.SMTP_OUT else None
    handlers: dict[str, doors.Handler] = {
        "dovecot": Dovecot(checker, Master(master_password, networks=settings.own_networks, guesses=guesses)),
        "mux": Saslauthd(checker, peers, hold=settings.login_hold),
    }
    if sending is not None:
        handlers["gate"] = Gate(checker, peers, sending.book)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for name, made in listening.items():
        await asyncio.start_unix_server(doors.Door(handlers[name]), sock=made, limit=LONGEST_HEAD)
    log.info("started", sockets=[str(settings.login_dir / name) for name in listening], cache=settings.login_cache)
    writing = None if sending is None else asyncio.create_task(sending.keep())
    await stop.wait()
    if sending is not None and writing is not None:
        writing.cancel()
        sending.ledger.write()
    log.info("stopped")
    # Questions under way would keep the interpreter for seconds: it waits for its threads. Nobody waits for them.
    os._exit(0)


class _Sending:
    """The book of what accounts send, written down while the helper runs.

    Args:
        settings: of the task.
    """

    def __init__(self, settings: Settings) -> None:
        self._changed = asyncio.Event()
        self.ledger = ledger.Ledger(settings.sending_dir)
        self.book = Book(
            self.ledger,
            Holds(settings.sending_dir),
            Granted(settings.state_dir, limits_of(settings)),
            changed=self._changed.set,
        )

    async def keep(self) -> None:
        """Write changes down, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self.ledger.write()
            await asyncio.sleep(ledger.SPACING)
