"""Decides the logins of the IMAP master user, who reads anybody's mail: for the programs of the service alone.

Its password is one for all, so nothing of it may be tried from outside: other networks than the service's are refused
without a look. Within them the same pauses hold as for users; Cognito is not asked. What is kept is a keyed hash.
"""

import secrets
from collections.abc import Iterable
from pathlib import Path

import structlog

from reconfigure.errors import ReconfigureError
from reconfigure.login.answer import Answer, Verdict
from reconfigure.login.guesses import Guesses, Network, within
from reconfigure.login.memory import digest

log = structlog.get_logger()

NAME = "admin"
FILE = "master-password"  # in the secrets folder; the tier's manifest has the same

_COUNTED_AS = "*admin"  # no user's name has an asterisk


class Master:
    """The one place where logins of the master user are decided.

    Args:
        password: from `read`; None: there is no master user.
        networks: where it may log in from; none: from nowhere.
        guesses: counts failures.
    """

    def __init__(self, password: bytes | None, *, networks: Iterable[Network], guesses: Guesses) -> None:
        self._password = password
        self._networks = tuple(networks)
        self._guesses = guesses

    def check(self, name: str, password: str, address: str | None, *, service: str) -> Answer:
        """Return whether somebody may log in as the master user, and write it to the log.

        Args:
            name: as the client sent it.
            password: as the client sent it.
            address: the client's, where it is known.
            service: who asks, for the log.
        """
        answer = self._decide(name, password, address)
        log.info("master_login", address=address, service=service, result=answer.verdict.value, reason=answer.reason)
        return answer

    def _decide(self, name: str, password: str, address: str | None) -> Answer:
        if self._password is None:
            return Answer(Verdict.NO, "no-master")
        if not within(address, self._networks):
            self._guesses.failed(_COUNTED_AS, address)
            return Answer(Verdict.NO, "network")
        right = name.lower() == NAME and secrets.compare_digest(digest(NAME, password), self._password)
        # As for users: from where it has logged in, the right password is no guess, whatever was tried from there.
        paused = self._guesses.pause_of_guesser(_COUNTED_AS, address) > 0
        if paused and not (right and self._guesses.may_look(_COUNTED_AS, address)):
            self._guesses.looked(_COUNTED_AS, address)
            return Answer(Verdict.LATER, "guesses")
        if not right:
            self._guesses.failed(_COUNTED_AS, address)
            return Answer(Verdict.NO, "password")
        self._guesses.succeeded(_COUNTED_AS, address)
        return Answer(Verdict.YES, "password")


def read(folder: Path) -> bytes | None:
    """Return the hash of the master user's password, or None where there is none.

    Args:
        folder: the secrets folder; its file is root's alone.

    Raises:
        ReconfigureError: it is there and cannot be read.
    """
    path = folder / FILE
    try:
        return digest(NAME, path.read_text(encoding="utf-8").removesuffix("\n"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ReconfigureError(
            f"reading {path} failed: {error}; start the login helper as root, which becomes RECONFIGURE_LOGIN_USER"
        ) from error
