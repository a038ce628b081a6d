"""A hundred changes while mail flows: each is made as the admin app would, and proved by a letter through it.

Addresses come, are handed on, are suspended, come back and go; domains and users are new. Nobody waits for anything
that a user would not wait for: once a tier answers as it should, a letter is sent at once, and it must arrive.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

from reconfigure.settings import Tier
from stack.world import World
from tests.system.ledger import INTERNET
from tests.system.load import BROKEN, Load, Route, Writer
from tests.system.mail import Mail

LIVE_SECONDS = 30.0

_OWNERS = ("alice", "bob", "carol", "dave", "erin", "heidi")
_LOOK_SECONDS = 0.15


@dataclass
class Changes:
    """Makes changes under a running load; `late` holds what did not become live in time."""

    world: World
    mail: Mail
    load: Load
    word: str
    first_osid: int
    made: int = 0
    domains: int = 0
    users: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def address_changes(self) -> Iterator[None]:
        """Make one change of an address at each step, for ever: created, suspended, resumed, revoked, in turn."""
        for number, owner in enumerate(cycle(_OWNERS)):
            address = f"{self.word}-{number}@acme.example.com"
            route = Route(address, (owner,))
            self.world.admin.create(address, owner)
            if self._becomes(address, "250"):
                self.load.bring(route, kind="to a new address")
            self.made += 1
            yield
            self.world.admin.suspend(address)
            self._becomes(address, "550 5.2.1")
            self.made += 1
            yield
            self.world.admin.resume(address)
            if self._becomes(address, "250"):
                self.load.bring(route, kind="to a resumed address")
            self.made += 1
            yield
            self.world.admin.revoke(address)
            self._becomes(address, "550 5.1.1")
            self.made += 1
            yield

    def new_domain(self) -> None:
        """Create the first address of a domain; it receives, and sends at once and signed."""
        self.domains += 1
        owner = _OWNERS[self.domains % len(_OWNERS)]
        address = f"hello@{self.word}-{self.domains}.example.org"
        self.world.admin.create(address, owner)
        if self._becomes(address, "250"):
            self.load.bring(Route(address, (owner,)), kind="to a new domain")
        if self._becomes(address, "250", tier=Tier.SMTP_OUT):
            self.load.submit(Writer(owner, address), "friend@world.test", [INTERNET], kind="from a new domain")

    def new_user(self) -> None:
        """Create a user with an address; they receive, log in, read and send."""
        name = f"{self.word}-{len(self.users) + 1}"
        address = f"{name}@example.com"
        self.world.admin.create_user(name, self.first_osid + len(self.users))
        self.world.admin.create(address, name)
        self.users.append(name)
        if self._becomes(address, "250") and self._becomes(address, "250", tier=Tier.IMAP):
            self.load.bring(Route(address, (name,)), kind="to a new user")
            self.load.read(name, kind="by a new user")
        if self._becomes(address, "250", tier=Tier.SMTP_OUT):
            self.load.submit(Writer(name, address), "friend@world.test", [INTERNET], kind="from a new user")

    def nothing(self) -> None:
        """Ask all tiers to read everything anew, with nothing to change."""
        self.world.admin.tell(event="resync")

    def _becomes(self, address: str, verdict: str, *, tier: Tier = Tier.SMTP_IN) -> bool:
        """Wait until a tier says this to an address; a connection that fails meanwhile is a fault of its own."""
        began = time.monotonic()
        while True:
            said = self._said(tier, address)
            waited = time.monotonic() - began
            if said.startswith(verdict):
                self.waits.append(waited)
                return True
            if waited > LIVE_SECONDS:
                self.late.append(f"{tier} does not say {verdict} to {address} after {waited:.0f} s, but {said}")
                return False
            time.sleep(_LOOK_SECONDS)

    def _said(self, tier: Tier, address: str) -> str:
        self.load.ledger.tries("look")
        try:
            verdict = self.mail.ask(tier, address).verdict
        except BROKEN as error:
            self.load.ledger.refused("look", f"{tier}, {address}: {type(error).__name__}: {error}")
            return "nothing"
        self.load.ledger.took("look")
        return verdict
