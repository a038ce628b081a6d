"""Mail at a steady rate, as long as it is asked for: letters come in, go out and are read, each in its own session.

Every step is written into a ledger. A stream that is late catches up; none waits for another.
"""

import imaplib
import itertools
import smtplib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from reconfigure.settings import Tier
from tests.system import dialogue, mailbox
from tests.system.dialogue import NotTakenError
from tests.system.ledger import INTERNET, Ledger
from tests.system.letters import Letter
from tests.system.mail import PASSWORD, Mail

BROKEN = (NotTakenError, OSError, smtplib.SMTPException, imaplib.IMAP4.error)


TRIES = 3


class Route(NamedTuple):
    """Mail to an address, and the users who get it."""

    address: str
    users: tuple[str, ...]


class Writer(NamedTuple):
    """A user, and an address that is theirs."""

    user: str
    address: str


# Of the sample: one user's, a shared one's, one of a subdomain, and one whose second user was never confirmed.
ROUTES = (
    Route("alice@example.com", ("alice",)),
    Route("team@acme.example.com", ("alice", "bob")),
    Route("orders@acme.example.com", ("bob",)),
    Route("seeds+2026@garden.example.org", ("carol",)),
    Route("family@example.net", ("dave", "erin")),
)
WRITERS = (
    Writer("alice", "shop@acme.example.com"),
    Writer("bob", "team@acme.example.com"),
    Writer("carol", "bees@garden.example.org"),
    Writer("erin", "erin@example.net"),
)


class Load:
    """The streams between `with` and its end; `ledger` knows what they did."""

    def __init__(self, mail: Mail, ledger: Ledger) -> None:
        self.mail = mail
        self.ledger = ledger
        self._over = threading.Event()

    def bring(self, route: Route, *, kind: str = "in") -> None:
        """Bring one letter from the internet to an address."""
        letter = Letter.to(route.address, kind=kind)
        self._letter(kind, letter, route.users, lambda: self.mail.arrive(letter))

    def submit(self, writer: Writer, recipient: str, places: Iterable[str], *, kind: str = "out") -> None:
        """Submit one letter as a user."""
        letter = Letter.to(recipient, sender=writer.address, kind=kind)
        self._letter(kind, letter, places, lambda: self.mail.submit(letter, writer.user))

    def read(self, user: str, *, kind: str = "read") -> None:
        """Log in and look into the mailbox."""
        self.ledger.tries(kind)
        try:
            with mailbox.reading(self.mail.box, user, PASSWORD) as client:
                status, _ = client.search(None, "ALL")
        except BROKEN as error:
            self.ledger.refused(kind, f"{user}: {type(error).__name__}: {error}")
        else:
            self.ledger.took(kind) if status == "OK" else self.ledger.refused(kind, f"{user}: search {status}")

    def _letter(self, kind: str, letter: Letter, places: Iterable[str], send: Callable[[], dialogue.Reply]) -> None:
        """Send a letter, again where the answer is "try again", as every mail server does."""
        places = tuple(places)
        self.ledger.tries(kind)
        to = ", ".join(letter.recipients)
        for again in range(TRIES):
            try:
                reply = send()
            except BROKEN as error:
                self.ledger.refused(kind, f"to {to}: {type(error).__name__}: {error}", letter.ident, places)
                return
            if reply.good or not str(reply.code).startswith("4") or again == TRIES - 1:
                break
            self.ledger.puts_off(kind, f"to {to} at {reply.step}: {reply.code} {reply.text}")
            self._over.wait(1.0)
        if reply.good:
            self.ledger.took(kind, letter.ident, places)
        else:
            self.ledger.refused(kind, f"to {to} at {reply.step}: {reply.code} {reply.text}")

    @contextmanager
    def running(self, *, routes: Sequence[Route] = ROUTES, writers: Sequence[Writer] = WRITERS) -> Iterator[None]:
        """Run the streams: a second, two letters come in, one goes out, half a one between users, and a box is read."""
        coming, going, between = itertools.cycle(routes), itertools.cycle(writers), itertools.cycle(writers)
        readers = itertools.cycle(("alice", "bob", "carol", "dave"))
        streams: tuple[tuple[float, Callable[[], None]], ...] = (
            (0.5, lambda: self.bring(next(coming))),
            (1.0, lambda: self.submit(next(going), "friend@world.test", [INTERNET])),
            (2.0, lambda: self.submit(next(between), "heidi@example.net", ["heidi"], kind="between")),
            (1.0, lambda: self.read(next(readers))),
        )
        self._over.clear()
        threads = [threading.Thread(target=self._stream, args=stream) for stream in streams]
        threads += [threading.Thread(target=self._session_kept_open), threading.Thread(target=self._box_kept_open)]
        with ExitStack() as stack:
            for thread in threads:
                stack.callback(thread.join)
            stack.callback(self._over.set)
            for thread in threads:
                thread.start()
            yield

    def _stream(self, every: float, action: Callable[[], None]) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            action()
            due += every

    def _session_kept_open(self) -> None:
        """Send a letter a few seconds apart through one session that lasts from beginning to end."""
        kind = "in one session"
        try:
            with dialogue.session(self.mail.doors[Tier.SMTP_IN]) as talk:
                while not self._over.wait(5.0):
                    letter = Letter.to("bob@example.com", kind="session")
                    self._letter(kind, letter, ["bob"], lambda letter=letter: talk.send(letter))  # type: ignore[misc]
        except BROKEN as error:
            self.ledger.refused(kind, f"{type(error).__name__}: {error}")

    def _box_kept_open(self) -> None:
        """Keep a mailbox open from beginning to end and look at it now and then."""
        kind = "read in one session"
        try:
            with mailbox.reading(self.mail.box, "erin", PASSWORD) as client:
                while not self._over.wait(2.0):
                    self.ledger.tries(kind)
                    client.noop()
                    self.ledger.took(kind)
        except BROKEN as error:
            self.ledger.refused(kind, f"{type(error).__name__}: {error}")
