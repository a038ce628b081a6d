"""What came of each HTTP request to AWS, told to whoever counts: botocore's own retries included.

botocore emits `response-received.<service>.<operation>` once for every attempt, with the answer as it parsed it or the
exception that came in its place.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from reconfigure.sources.retry import FORBIDDEN, THROTTLED

if TYPE_CHECKING:
    from botocore.client import BaseClient

Outcome = Literal["ok", "throttled", "denied", "error", "unreachable"]
Told = Callable[[str, str, str], None]
"""Hears of a request: service, operation, outcome."""

_FIRST_ERROR = 400


def tell(client: "BaseClient", service: str, told: Told) -> None:
    """Tell `told` of every request that a client makes from now on; `service` is what it calls the service."""

    def heard(event_name: str, parsed_response: Mapping[str, Any] | None = None, **_: Any) -> None:
        told(service, event_name.rpartition(".")[2], outcome(parsed_response))

    client.meta.events.register("response-received", heard)


def outcome(answer: Mapping[str, Any] | None) -> Outcome:
    """Return what an answer as botocore parses it comes to; None stands for no answer."""
    if answer is None:
        return "unreachable"
    code = str(answer.get("Error", {}).get("Code", ""))
    if code in THROTTLED:
        return "throttled"
    if code in FORBIDDEN:
        return "denied"
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return "error" if code or status >= _FIRST_ERROR else "ok"
