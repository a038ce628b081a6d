"""The client of the sink: what "the internet" received, and how it is told to behave from now on."""

import base64
from dataclasses import dataclass
from typing import Any

import requests


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as the sink took it: its envelope, its bytes, and when (seconds since 1970)."""

    number: int
    received: float
    client: str
    helo: str
    tls: str | None
    sender: str
    recipients: tuple[str, ...]
    data: bytes


class Sink:
    """The sink's HTTP side, at a base URL such as http://127.0.0.1:8025."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the machine's is no way into this network

    def messages(self, since: int = 0) -> list[Message]:
        """Return the messages with a number above `since`, in the order in which they came."""
        return [_message(each) for each in self._ask("GET", f"/messages?since={since}")]

    def count(self) -> int:
        """Return how many were taken since it was cleared."""
        return int(self._ask("GET", "/count")["count"])

    def clear(self) -> None:
        """Forget all messages; numbers go on."""
        self._ask("DELETE", "/messages")

    def behave(self, behaviour: str, recipient: str | None = None) -> None:
        """Answer in a way of `stack.lab.sink.Behaviour` from now on, to one recipient (lower case) or to all.

        To all again is also what ends every rule for one recipient.
        """
        self._ask("POST", "/behaviour", {"behaviour": behaviour, "recipient": recipient})

    def offer_tls(self, offered: bool) -> None:  # noqa: FBT001 the one thing there is to say
        """Offer STARTTLS, or no longer."""
        self._ask("POST", "/tls", {"offered": offered})

    def _ask(self, method: str, path: str, document: object = None) -> Any:
        answer = self._session.request(method, self.url + path, json=document, timeout=30)
        if not answer.ok:
            raise RuntimeError(f"{method} {self.url}{path} was answered {answer.status_code}: {answer.text.strip()}")
        return answer.json()


def _message(document: dict[str, Any]) -> Message:
    data = base64.b64decode(document.pop("data"))
    return Message(**(document | {"recipients": tuple(document["recipients"])}), data=data)
