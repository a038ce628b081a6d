"""Decides each login: what can be said without Cognito, then Cognito, then what is remembered of it.

Runs in one event loop, so nothing here needs a lock; only the question to Cognito runs in a thread. A hundred logins
at once are a hundred threads at most: one slow answer holds nobody else up, and who comes when all are taken and as
many wait is told to come back.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import structlog

from reconfigure.directory import syntax
from reconfigure.login.answer import Answer, Verdict
from reconfigure.login.guesses import COGNITO_FORGETS, Guesses
from reconfigure.login.memory import Memory, digest

log = structlog.get_logger()

LONGEST_PASSWORD = 256  # characters; the most that Cognito takes
PROVEN_SECONDS = 86_400.0  # for so long a password that was right is asked about in spite of pauses
REPEATS = 2  # wrong passwords that Cognito has heard of before one that it knows already is kept from it
FRESH_SECONDS = 5.0  # for so long what Cognito did last says whether it is there
TELL_AGAIN_SECONDS = 60.0

_NOBODY = "-"  # before a name that is not served; no user's name begins so


class Directory(Protocol):
    """What knows the users' passwords; `cognito.Cognito`. Both calls block, for some seconds at most."""

    def ask(self, user: str, password: str) -> Answer:
        """Return whether the password is the user's."""

    def reachable(self) -> bool:
        """Say whether it can be asked at all."""


class Checker:
    """The one place where logins are decided.

    Args:
        directory: where passwords are known.
        served: says whether a user is served; None for "cannot tell".
        guesses: counts failures.
        seconds: how long an answer is remembered.
        threads: questions at the same time; as many may wait.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        served: Callable[[str], bool | None],
        guesses: Guesses,
        seconds: float,
        threads: int,
    ) -> None:
        self._directory = directory
        self._served = served
        self._guesses = guesses
        self._right = Memory(seconds)
        self._wrong = Memory(seconds)
        self._heard = Memory(COGNITO_FORGETS)
        self._proven = Memory(PROVEN_SECONDS)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="cognito")
        self._most = 2 * threads
        self._asking: dict[bytes, asyncio.Task[Answer]] = {}
        self._probe: asyncio.Task[bool] | None = None
        self._reached = (True, float("-inf"))
        self._told = ("", float("-inf"))

    async def check(self, name: str, password: str, address: str | None, *, service: str) -> Answer:
        """Return whether somebody may log in, and write it to the log.

        Args:
            name: as the client sent it; case does not count.
            password: as the client sent it.
            address: the client's, where it is known.
            service: who asks, for the log.
        """
        began = time.monotonic()
        # Letters beyond ASCII may fold into it, and are other names to the daemon that asks.
        user = name.lower() if name.isascii() else name
        known = not isinstance(syntax.user_name(user), syntax.Unfit) and self._served(user)
        answer = await self._decide(user, password, address, known=known)
        # Only a served user's name is logged: people type passwords into the wrong field.
        log.info(
            "login",
            user=user if known else None,
            address=address,
            service=service,
            result=answer.verdict.value,
            reason=answer.reason,
            seconds=round(time.monotonic() - began, 3),
        )
        return answer

    async def available(self) -> bool:
        """Say whether passwords can be checked now; asks Cognito where nobody did so lately."""
        reached, when = self._reached
        if time.monotonic() - when < FRESH_SECONDS:
            return reached
        if self._probe is None:
            self._probe = asyncio.create_task(self._look())
        return await asyncio.shield(self._probe)

    def pause_of(self, address: str | None) -> float:
        """Return for how many seconds no login is looked at for this client."""
        return self._guesses.pause_of(address)

    async def _decide(self, user: str, password: str, address: str | None, *, known: bool | None) -> Answer:
        if not 0 < len(password) <= LONGEST_PASSWORD:
            return Answer(Verdict.NO, "password-length")
        if known is None:
            return Answer(Verdict.LATER, "no-generation")
        # Counted and remembered as a user is, or pauses would tell whoever guesses which names are users'. But apart:
        # who tries before the account is there must get in once it is.
        return await self._looked_at(user if known else f"{_NOBODY}{user}", password, address, known=known)

    async def _looked_at(self, user: str, password: str, address: str | None, *, known: bool) -> Answer:
        hashed = digest(user, password)
        # Before any pause: what was right the last time, from where the user has logged in. It is no guess.
        proven = self._guesses.may_look(user, address) and self._proven.holds(user, hashed)
        if self._guesses.pause(user, address, proven=proven, asking=hashed in self._asking):
            self._guesses.looked(user, address)
            return Answer(Verdict.LATER, "guesses")
        if self._right.holds(user, hashed):
            self._guesses.succeeded(user, address)
            return Answer(Verdict.YES, "remembered")
        if self._wrong.holds((user, hashed), hashed) or self._is_repeated(user, hashed):
            return Answer(Verdict.NO, "remembered")  # no new guess, so not counted
        return await self._asked(user, password, hashed, address=address, known=known)

    def _is_repeated(self, user: str, hashed: bytes) -> bool:
        """Say whether a device with an old password would use up what Cognito may hear of."""
        return self._guesses.heard(user) >= REPEATS and self._heard.holds((user, hashed), hashed)

    async def _asked(self, user: str, password: str, hashed: bytes, *, address: str | None, known: bool) -> Answer:
        task = self._asking.get(hashed)
        if task is None:
            if len(self._asking) >= self._most:
                return Answer(Verdict.LATER, "busy")
            task = self._asking[hashed] = asyncio.create_task(self._ask(user, password, hashed, address, known=known))
        answer = await asyncio.shield(task)  # others may wait for the same answer
        if answer.verdict is Verdict.YES:
            if not self._served(user):  # the generation may have changed meanwhile
                return Answer(Verdict.NO, "not-served", reached=True)
            self._guesses.succeeded(user, address)
        elif answer.verdict is Verdict.NO:
            self._guesses.failed(user, address)
        return answer

    async def _ask(self, user: str, password: str, hashed: bytes, address: str | None, *, known: bool) -> Answer:
        """Return what Cognito says; of whom nobody serves, what it would say, without a word to it."""
        loop = asyncio.get_running_loop()
        answer = Answer(Verdict.NO, "not-served")
        try:
            with self._guesses.looking(user, address):
                if known:
                    answer = await loop.run_in_executor(self._threads, self._directory.ask, user, password)
        finally:
            del self._asking[hashed]
        self._note(answer)
        if answer.verdict is Verdict.YES:
            self._guesses.accepted(user, address)
            self._right.put(user, hashed)
            self._proven.put(user, hashed)
        elif answer.verdict is Verdict.NO:
            self._guesses.refused(user, address)
            self._wrong.put((user, hashed), hashed)
            if self._proven.holds(user, hashed):
                self._proven.drop(user)
            if answer.reason in {"password", "not-served"}:
                self._heard.put((user, hashed), hashed)
            else:
                self._right.drop(user)  # it is the user who is refused
        return answer

    async def _look(self) -> bool:
        try:
            reached = await asyncio.get_running_loop().run_in_executor(self._threads, self._directory.reachable)
        finally:
            self._probe = None
        self._reached = (reached, time.monotonic())
        return reached

    def _note(self, answer: Answer) -> None:
        now = time.monotonic()
        if answer.reached is not None:
            self._reached = (answer.reached, now)
        reason, when = self._told
        if answer.reached is False and (reason != answer.reason or now - when > TELL_AGAIN_SECONDS):
            self._told = (answer.reason, now)
            log.error("cognito_unavailable", asked="InitiateAuth", reason=answer.reason, detail=answer.detail)
