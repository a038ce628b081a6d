"""The links of an explanation, and whether they agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["fits", "differs", "unknown", "skipped"]
"""`fits`: says what it should. `differs`: does not. `unknown`: could not be asked. `skipped`: not to be asked here."""

Kind = Literal["address", "user", "domain"]


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link: where it was looked, how it stands to the links before it, and what it says, a line each."""

    where: str
    state: State
    says: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What was found of one subject.

    Attributes:
        kind: what it was taken for.
        subject: its canonical form where it has one.
        means: what the sources mean for mail or login, in one sentence.
        links: from the source to the daemon.
        served: whether mail to it is to be taken, by the sources; None where they do not say, or for other kinds.
    """

    kind: Kind
    subject: str
    means: str
    links: tuple[Link, ...]
    served: bool | None = None

    @property
    def agrees(self) -> bool | None:
        """Whether all links agree; None when nothing differs but something could not be asked."""
        states = {link.state for link in self.links}
        if "differs" in states:
            return False
        return None if "unknown" in states else True

    @property
    def generation_differs(self) -> bool:
        """Whether what is live is not what the sources say."""
        return any(link.where == GENERATION and link.state == "differs" for link in self.links)

    def document(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "means": self.means,
            "agrees": self.agrees,
            "links": [{"where": link.where, "state": link.state, "says": list(link.says)} for link in self.links],
        }


GENERATION = "live generation"


def unknown(where: str, error: object) -> Link:
    """Return the link of what could not be asked."""
    return Link(where=where, state="unknown", says=(str(error),))


def listed(values: Sequence[str], limit: int) -> str:
    """Return the first values in one line, and how many more there are."""
    more = len(values) - limit
    return ", ".join(values[:limit]) + (f" and {more} more" if more > 0 else "")
