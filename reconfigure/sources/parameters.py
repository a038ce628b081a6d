"""One SSM parameter that is re-read while the program runs, so that rotating it needs no redeploy.

For values that are convenient rather than vital (the heartbeat's URL): reading it never fails; what was read last
stays in use until something newer is.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from reconfigure.sources.answers import DamagedAnswerError
from reconfigure.sources.retry import Source, aws_errors, failure

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

log = structlog.get_logger()

RETRY = 30.0  # seconds after a failed read, or the time to live where that is shorter


class Parameter:
    """The value of an SSM parameter, at most `ttl` seconds old; safe to use from several threads.

    Args:
        read: gives the SSM client; called at each read, so the client may be released in between.
        name: the parameter.
        clock: monotonic seconds.
        ttl: seconds until the value is read again.
    """

    def __init__(
        self,
        read: Callable[[], "SSMClient"],
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        ttl: float = 300,
    ) -> None:
        self._read = read
        self._name = name
        self._clock = clock
        self._ttl = ttl
        self._lock = threading.Lock()
        self._value: str | None = None
        self._due: float | None = None
        self._failing = False

    def value(self) -> str | None:
        """Return the value, read now when it is due; the last good one when that fails; None before the first."""
        with self._lock:
            now = self._clock()
            if self._due is None or now >= self._due:
                wait = self._ttl if self._refresh() else min(self._ttl, RETRY)
                self._due = now + wait
            return self._value

    def _refresh(self) -> bool:
        """Read the parameter; log when reading starts or stops to fail, not each time. Return whether it succeeded."""
        try:
            answer = self._read().get_parameter(Name=self._name, WithDecryption=True)
            if "Value" not in answer.get("Parameter", {}):
                raise DamagedAnswerError("the answer holds no value")
        except aws_errors() as error:
            if not self._failing:
                source = Source(
                    where="SSM",
                    action="ssm:GetParameter (and kms:Decrypt)",
                    settings="HEALTHCHECK_PING_PARAM and AWS_REGION",
                )
                message = str(failure(error, f"parameter {self._name}", source=source))
                log.warning("parameter_read_failed", error=message, kept=self._value is not None)
            self._failing = True
            return False
        if self._failing:
            log.info("parameter_read_again", parameter=self._name)
        self._failing = False
        self._value = answer["Parameter"]["Value"]
        return True
