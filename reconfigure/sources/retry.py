"""The one policy for reads that fail: which errors are worth another try, how long to wait, what to say at last.

It stands above botocore's own retries (two requests a call, see `aws`): those answer a single lost packet, these
a throttled table or a service that is restarting. Only reads come here; what failed at last is a `SourceError`
that names what was read, from where, what came back and the fix. When to try a whole pass again is the loop's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from reconfigure.errors import SourceError
from reconfigure.sources.answers import DamagedAnswerError

log = structlog.get_logger()

T = TypeVar("T")

LONGEST_WAIT = 5.0  # seconds between two tries
FIRST_SERVER_ERROR = 500

THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
PASSING = frozenset({"RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete"})
FORBIDDEN = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "KMSAccessDeniedException",
        "KmsAccessDenied",
        "NotAuthorizedException",
    }
)
NOT_SIGNED = frozenset(
    {
        "CredentialRetrievalError",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NoCredentialsError",
        "PartialCredentialsError",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
MISSING = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NotFound",
        "ParameterNotFound",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where something is read from, and what an operator would have to set right.

    Attributes:
        where: the thing itself, as in "DynamoDB table cabal-addresses in eu-west-1".
        action: the IAM action that reading it needs.
        settings: the settings that name it, as in "ADDRESSES_TABLE and AWS_REGION".
    """

    where: str
    action: str
    settings: str


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How stubbornly to read.

    Attributes:
        attempts: tries, the first included; 1 makes of a read a probe.
        checkpoint: called before every try; may raise to stop in between.
        sleep: waits between tries, in seconds; one that returns early on shutdown makes them stop at once.
    """

    attempts: int
    checkpoint: Callable[[], None]
    sleep: Callable[[float], object] = time.sleep


def aws_errors() -> tuple[type[Exception], ...]:
    """Return what a call to AWS raises when it fails, for an `except` clause (botocore is imported here, late)."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    return (BotoCoreError, ClientError, DamagedAnswerError)


def is_retryable(error: BaseException) -> bool:
    """Say whether asking again may help: throttling, trouble at AWS, a lost connection, a damaged answer."""
    from botocore import exceptions  # noqa: PLC0415

    if isinstance(error, exceptions.ClientError):
        code, status = _code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code in THROTTLED or code in PASSING or status >= FIRST_SERVER_ERROR
    return isinstance(
        error,
        # A container's credentials come over HTTP too, so failing to fetch them may pass.
        DamagedAnswerError
        | exceptions.ConnectionError
        | exceptions.HTTPClientError
        | exceptions.CredentialRetrievalError,
    )


def is_forbidden(error: BaseException | None) -> bool:
    """Say whether AWS refused a call for want of a permission."""
    return error is not None and _code(error) in FORBIDDEN


def took_all_its_time(error: BaseException) -> bool:
    """Say whether a call failed because its time ran out: the next one to the same place would take as long."""
    from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError  # noqa: PLC0415

    return isinstance(error, ConnectTimeoutError | ReadTimeoutError)


def read(request: Callable[[], T], what: str, *, source: Source, policy: Policy) -> T:
    """Return what a request answers, asking again by the policy.

    Args:
        request: makes one call to AWS.
        what: what is being read, for the message: "page 3 of the addresses (2,400 rows read so far)".
        source: where from.
        policy: how often.

    Raises:
        SourceError: it failed for good, or as often as the policy allows.
    """

    def attempt() -> T:
        policy.checkpoint()
        return request()

    def pause(seconds: float) -> None:
        policy.sleep(seconds)

    def tell(state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        wait = state.next_action.sleep if state.next_action else 0.0
        log.warning(
            "source_read_retried",
            reading=what,
            source=source.where,
            error=f"{_code(error)} {error}" if error else None,
            attempt=state.attempt_number,
            retry_in=round(wait, 3),
        )

    retrying = Retrying(
        retry=retry_if_exception(is_retryable),
        stop=stop_after_attempt(policy.attempts),
        wait=wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT),
        sleep=pause,
        before_sleep=tell,
        reraise=True,
    )
    try:
        return retrying(attempt)
    except aws_errors() as error:
        raise failure(error, what, source=source) from error


def failure(error: BaseException, what: str, *, source: Source, doing: str = "reading") -> SourceError:
    """Return the error that says what could not be read (or else), from where, what came back and what to do."""
    code = _code(error)
    way = {"reading": "from", "writing": "to"}.get(doing, "from")
    return SourceError(f"{doing} {what} {way} {source.where} failed: {code} {_message(error)}; {_fix(code, source)}")


def _code(error: BaseException) -> str:
    response = getattr(error, "response", None)  # only botocore's ClientError has one
    if isinstance(response, dict) and response.get("Error", {}).get("Code"):
        return str(response["Error"]["Code"])
    return type(error).__name__


def _message(error: BaseException) -> str:
    response = getattr(error, "response", None)
    if isinstance(response, dict) and response.get("Error", {}).get("Message"):
        return str(response["Error"]["Message"]).rstrip(".")
    return str(error).rstrip(".")


def _fix(code: str, source: Source) -> str:
    fixes = (
        (code in FORBIDDEN, f"allow {source.action} on it in the task's role"),
        (code in NOT_SIGNED, "give the task a role (or AWS_ACCESS_KEY_ID and its secret), and check the clock"),
        (code in MISSING, f"create it, or correct {source.settings}"),
        (code in THROTTLED, "raise its capacity or quota if this lasts"),
        (
            code.endswith(("ConnectionError", "TimeoutError", "ClosedError", "SSLError", "HTTPClientError")),
            "check AWS_REGION, AWS_ENDPOINT_URL and the task's way there (route, security group, DNS)",
        ),
        (
            code == DamagedAnswerError.__name__,
            "look at what stands between this task and AWS (proxy, endpoint) if it lasts",
        ),
    )
    usual = f"check {source.settings}, and the AWS health page if it lasts"
    return next((fix for applies, fix in fixes if applies), usual)
