"""The clients of what the `aws` container has beside AWS: trouble on demand, and the receiver of heartbeats."""

from typing import Any

import requests

_SECONDS = 5.0


class _Service:
    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def _ask(self, method: str, path: str, document: object = None) -> Any:
        answer = self._session.request(method, f"{self.url}{path}", json=document, timeout=_SECONDS)
        if not answer.ok:
            raise ValueError(f"{method} {path} with {document}: {answer.text.strip()}")
        return answer.json()


class Trouble(_Service):
    """Has AWS answer as on a bad day; see `stack.lab.trouble`."""

    def order(self, match: str, kind: str, *, times: int | None = None, **how: Any) -> None:
        """Let the requests fail whose target contains `match`, such as "Scan": all until `heal`, or so many.

        Raises:
            ValueError: there is no such kind of trouble; says which there are.
        """
        self._ask("PUT", "/faults", {"match": match, "kind": kind, "times": times, **how})

    def heal(self) -> None:
        """Have AWS answer everything properly again."""
        self._ask("DELETE", "/faults")

    def count(self, match: str) -> int:
        """Return how many requests came whose target contains `match`."""
        return sum(number for target, number in self._ask("GET", "/faults").items() if match in target)


class Pings(_Service):
    """What a Healthchecks would know; see `embedded.healthchecks`."""

    def of(self, check: str) -> list[dict[str, Any]]:
        """Return the pings of a check, newest first, each with `time`, `kind` and `body`; none when it has had none."""
        checks = {each["name"]: each for each in self._ask("GET", "/?format=json")}
        return list(checks[check]["pings"]) if check in checks else []

    def status(self, check: str) -> str:
        """Return "up", "down", or "new" for a check that was never pinged."""
        return next((str(each["status"]) for each in self._ask("GET", "/?format=json") if each["name"] == check), "new")
