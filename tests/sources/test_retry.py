import pytest
from botocore import exceptions
from structlog.testing import capture_logs

from reconfigure.errors import InterruptedPassError, SourceError
from reconfigure.sources.answers import DamagedAnswerError
from reconfigure.sources.retry import LONGEST_WAIT, Policy, Source, failure, is_retryable, read

SOURCE = Source(where="DynamoDB table t in r", action="dynamodb:Scan", settings="ADDRESSES_TABLE and AWS_REGION")


def client_error(code: str, status: int = 400) -> exceptions.ClientError:
    answer = {"Error": {"Code": code, "Message": "no."}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return exceptions.ClientError(answer, "Scan")  # type: ignore[arg-type]


def carry_on() -> None:
    """Nobody asks for a stop."""


@pytest.mark.parametrize(
    "error",
    [
        client_error("ProvisionedThroughputExceededException"),
        client_error("ThrottlingException"),
        client_error("TooManyRequestsException"),
        client_error("RequestTimeout"),
        client_error("InternalServerError", 500),
        client_error("", 503),
        exceptions.EndpointConnectionError(endpoint_url="http://x"),
        exceptions.ConnectTimeoutError(endpoint_url="http://x"),
        exceptions.ReadTimeoutError(endpoint_url="http://x"),
        exceptions.ConnectionClosedError(endpoint_url="http://x"),
        exceptions.HTTPClientError(error="x"),
        exceptions.CredentialRetrievalError(provider="container-role", error_msg="timed out"),
        DamagedAnswerError("cut short"),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert is_retryable(error)


@pytest.mark.parametrize(
    "error",
    [
        client_error("AccessDeniedException"),
        client_error("ValidationException"),
        client_error("ResourceNotFoundException"),
        client_error("ExpiredTokenException"),
        exceptions.NoCredentialsError(),
        exceptions.ParamValidationError(report="x"),
        InterruptedPassError("stop"),
        KeyError("a defect"),
    ],
    ids=repr,
)
def test_what_cannot_pass_is_final(error: Exception) -> None:
    assert not is_retryable(error)


def test_waits_grow_are_jittered_and_stay_bounded() -> None:
    waits: list[float] = []
    policy = Policy(attempts=12, checkpoint=carry_on, sleep=waits.append)

    def request() -> None:
        raise client_error("ThrottlingException")

    with pytest.raises(SourceError), capture_logs() as logs:
        read(request, "a page", source=SOURCE, policy=policy)
    assert len(waits) == len(logs) == 11
    assert all(0 <= wait <= min(0.5 * 2**n, LONGEST_WAIT) for n, wait in enumerate(waits))
    assert len(set(waits)) == 11
    assert logs[0]["event"] == "source_read_retried"
    assert logs[0]["attempt"] == 1


def test_a_defect_is_not_dressed_up_as_a_source_error() -> None:
    def request() -> None:
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        read(request, "a page", source=SOURCE, policy=Policy(attempts=3, checkpoint=carry_on))


def test_the_message_says_what_from_where_what_came_back_and_what_to_do() -> None:
    error = client_error("AccessDeniedException")
    assert str(failure(error, "page 2", source=SOURCE)) == (
        "reading page 2 from DynamoDB table t in r failed: AccessDeniedException no;"
        " allow dynamodb:Scan on it in the task's role"
    )


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (exceptions.NoCredentialsError(), "give the task a role"),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), "the task's way there"),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), "the task's way there"),
        (client_error("ThrottlingException"), "raise its capacity or quota"),
        (DamagedAnswerError("cut short"), "what stands between this task and AWS"),
        (client_error("InternalServerError", 500), "AWS health page"),
    ],
    ids=repr,
)
def test_each_kind_of_failure_has_its_own_fix(error: Exception, fix: str) -> None:
    assert fix in str(failure(error, "x", source=SOURCE))
