"""A world as its users and strangers see it: letters that arrive or are submitted, mailboxes, the internet."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

from embedded import sample
from reconfigure.settings import Tier
from stack.sink import Message
from stack.world import World
from tests.system import dialogue, mailbox
from tests.system.dialogue import Door, Reply
from tests.system.letters import Letter, ident_of
from tests.system.mailbox import Box
from tests.system.patience import until

PASSWORD = sample.PASSWORD
ARRIVAL_SECONDS = 100.0  # a letter that the delivery tier put off is tried again once a minute


class Mail:
    """What can be done with a world from outside, by connections alone."""

    def __init__(self, world: World) -> None:
        self.world = world

    @cached_property
    def doors(self) -> dict[Tier, Door]:
        """Where each tier takes mail: port 25, as a relay where it takes it from relays, and submission by STARTTLS."""
        return {tier: self.door(tier) for tier in Tier}

    def door(self, tier: Tier, *, port: int | None = None, tls: str | None = None) -> Door:
        """Return a way in; the tier's usual one where nothing else is asked for."""
        submission, delivery = tier is Tier.SMTP_OUT, tier is Tier.IMAP
        return Door(
            host=self.world.ip(tier),
            port=port or (587 if submission else 25),
            name=self.world.name(tier),
            tls=tls or ("starttls" if submission or delivery else "none"),
            authorities=str(self.world.ca),
            shown=str(self.world.tier) if delivery else None,
        )

    @cached_property
    def box(self) -> Box:
        """Where mailboxes are read."""
        imap = Tier.IMAP
        return Box(host=self.world.ip(imap), name=self.world.name(imap), authorities=str(self.world.ca))

    def ask(self, tier: Tier, recipient: str, *, user: str = "alice", sender: str | None = None) -> Reply:
        """Return what a tier says to a recipient, on smtp-out to a user who has logged in."""
        door = self.doors[tier]
        if tier is Tier.SMTP_OUT:
            sender = sender or f"{user}@example.com"
            return dialogue.ask(door, recipient, sender=sender, user=user, password=PASSWORD)
        return dialogue.ask(door, recipient, sender=sender or "someone@elsewhere.test")

    def says(self, tier: Tier, recipient: str, verdict: str, *, user: str = "alice", seconds: float = 30.0) -> None:
        """Wait until a tier says this to a recipient, such as "550 5.1.1", or a code alone."""
        said: list[str] = []

        def look() -> bool:
            said.append(self.ask(tier, recipient, user=user).verdict)
            return said[-1].startswith(verdict)

        try:
            until(look, f"{tier} says {verdict} to {recipient}", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said {said[-1]}") from None

    def arrive(self, letter: Letter) -> Reply:
        """Bring a letter from the internet."""
        return dialogue.send(self.doors[Tier.SMTP_IN], [letter])[0]

    def submit(self, letter: Letter, user: str, *, password: str = PASSWORD, implicit: bool = False) -> Reply:
        """Send a letter as a user, by port 587, or by 465 where TLS is implicit.

        Raises:
            NotTakenError: the user could not log in.
        """
        door = self.door(Tier.SMTP_OUT, port=465, tls="implicit") if implicit else self.doors[Tier.SMTP_OUT]
        return dialogue.send(door, [letter], user=user, password=password)[0]

    def inbox(self, user: str) -> Counter[str]:
        """Return what lies in a user's INBOX, by id."""
        return mailbox.inbox(self.box, user, PASSWORD)

    def delivered(self, letter: Letter, *users: str, seconds: float = ARRIVAL_SECONDS) -> None:
        """Wait until a letter lies in the INBOX of each of these users, then see that it is there once."""
        for user in users:
            until(
                lambda user=user: self.inbox(user)[letter.ident],  # type: ignore[misc]
                f"{letter.ident} is in the mailbox of {user}",
                seconds=seconds,
                every=0.3,
            )
            found = self.inbox(user)[letter.ident]
            assert found == 1, f"{letter.ident} is {found} times in the mailbox of {user}"

    def sent(self, letter: Letter, *, seconds: float = ARRIVAL_SECONDS) -> Message:
        """Wait until the internet has a letter, and return it as it came out.

        Raises:
            AssertionError: it did not come, or not once.
        """
        found = until(lambda: self.on_the_internet(letter.ident), f"{letter.ident} is at the sink", seconds=seconds)
        assert len(found) == 1, f"{letter.ident} is {len(found)} times at the sink"
        return found[0]

    def on_the_internet(self, ident: str) -> Sequence[Message]:
        """Return the messages with that id that the internet has."""
        return [message for message in self.world.sink.messages() if ident_of(message.data) == ident]
