"""One SSM parameter that is re-read while the program runs, so that rotating it needs no redeploy.

For values that are convenient rather than vital (the heartbeat's URL): once it was read, reading it never fails; what
was read last stays in use until something newer is.
"""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from reconfigure.errors import SourceError
from reconfigure.sources.answers import DamagedAnswerError
from reconfigure.sources.retry import Source, aws_errors, failure

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

log = structlog.get_logger()

RETRY = 30.0  # seconds after a failed or a doubted read, or the time to live where that is shorter


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
        self._read_at: float | None = None
        self._wait = ttl
        self._doubted = False
        self._failure: SourceError | None = None

    def value(self) -> str:
        """Return the value, read now when it is due; the last good one when that fails.

        Raises:
            SourceError: it was never read; says why, also between two tries.
        """
        with self._lock:
            now = self._clock()
            wait = min(self._wait, RETRY) if self._doubted else self._wait
            if self._read_at is None or now >= self._read_at + wait:
                self._refresh()
                self._read_at, self._doubted = now, False
                self._wait = self._ttl if self._failure is None else min(self._ttl, RETRY)
            if self._value is not None:
                return self._value
            raise self._failure or SourceError(f"parameter {self._name} holds nothing")

    def doubt(self) -> None:
        """Say that the value did not do, so that it is read again sooner: `RETRY` seconds after the last time.

        Returns at once, also while a reading hangs.
        """
        self._doubted = True

    def _refresh(self) -> None:
        """Read the parameter; log when reading starts or stops to fail, not each time."""
        try:
            answer = self._read().get_parameter(Name=self._name, WithDecryption=True)
            if "Value" not in answer.get("Parameter", {}):
                raise DamagedAnswerError("the answer holds no value")
        except aws_errors() as error:
            source = Source(
                where="SSM",
                action="ssm:GetParameter (and kms:Decrypt)",
                settings="HEALTHCHECK_PING_PARAM and AWS_REGION",
            )
            failed = failure(error, f"parameter {self._name}", source=source)
            if self._failure is None:
                log.warning("parameter_read_failed", error=str(failed), kept=self._value is not None)
            self._failure = failed
            return
        if self._failure is not None:
            log.info("parameter_read_again", parameter=self._name)
        self._failure = None
        self._value = answer["Parameter"]["Value"]
