"""Asks Cognito whether a password is right: InitiateAuth with USER_PASSWORD_AUTH, and no more than once.

Cognito says no in many ways, and not every refusal is about the password. What it says is sorted here into yes, no
and later, where "no" is kept for what the person at the keyboard can mend: anything unclear is "later" and an error
in the log, since a mail client that hears "no" throws away a password that may be right.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from reconfigure.login.answer import Answer, Verdict
from reconfigure.sources.answers import DamagedAnswerError, refuse_damaged
from reconfigure.sources.retry import THROTTLED, aws_errors

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient

CONNECT_SECONDS = 2.0

# API reference of InitiateAuth: what is about the user.
_REFUSED = {
    "UserNotFoundException": "unknown",
    "UserNotConfirmedException": "not-confirmed",
    "PasswordResetRequiredException": "reset-required",
    "UserLambdaValidationException": "refused-by-trigger",
}
# NotAuthorizedException says a wrong password, Cognito's own lock-out, a disabled user, or that the app client is not
# one that may ask; only the text tells which.
_ABOUT_THE_CLIENT = ("secret", "client")


def client(
    region: str, endpoint_url: str | None, *, connections: int, timeout: float
) -> "CognitoIdentityProviderClient":
    """Return a client of Cognito that asks once, waits shortly and signs nothing.

    Args:
        region: AWS region.
        endpoint_url: where Cognito is, instead of AWS's own endpoint.
        connections: requests at the same time.
        timeout: seconds without a byte of the answer.
    """
    from botocore import UNSIGNED  # noqa: PLC0415 - 20 MB that the tests of other modules need not load
    from botocore.config import Config  # noqa: PLC0415

    from reconfigure.sources.aws import session  # noqa: PLC0415

    made: Any = session().create_client(
        "cognito-idp",
        region_name=region,
        endpoint_url=endpoint_url,
        config=Config(
            signature_version=UNSIGNED,
            # Standard mode with one attempt: no retries, and no limiter of the client's own as adaptive mode has.
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=timeout,
            max_pool_connections=connections,
        ),
    )
    made.meta.events.register("before-parse", refuse_damaged)
    return cast("CognitoIdentityProviderClient", made)


class Cognito:
    """One app client of a user pool. May be asked by many threads at once.

    Args:
        client: from `client`.
        app_client: id of the app client, which has no secret and allows USER_PASSWORD_AUTH.
    """

    def __init__(self, client: "CognitoIdentityProviderClient", app_client: str) -> None:
        self._client = client
        self._app_client = app_client

    def ask(self, user: str, password: str) -> Answer:
        """Return whether the password is the user's."""
        try:
            said: Mapping[str, Any] = self._client.initiate_auth(
                AuthFlow="USER_PASSWORD_AUTH",
                ClientId=self._app_client,
                AuthParameters={"USERNAME": user, "PASSWORD": password},
            )
        except aws_errors() as error:
            return _refused(error, password)
        return _read(said, user)

    def reachable(self) -> bool:
        """Say whether Cognito answers, by asking for a user that nobody has."""
        return self.ask(f"probe-{secrets.token_hex(8)}", secrets.token_urlsafe(12)).reached is True


def _read(said: Mapping[str, Any], user: str) -> Answer:
    challenge = said.get("ChallengeName")
    if challenge:
        # MFA, a new password, ...: none of it can be answered in IMAP or SMTP.
        return Answer(Verdict.NO, f"challenge-{str(challenge)[:60]}", reached=True)
    result = said.get("AuthenticationResult")
    token = result.get("AccessToken") if isinstance(result, dict) else None
    if not isinstance(token, str):
        return _unclear("no-token", "the answer holds neither a token nor a challenge")
    name = _name_in(token)
    if name is None:
        return _unclear("no-token", "the access token names no user")
    if name.lower() != user:
        # Where the pool signs users in by alias too, what was typed may be somebody else's other name.
        return Answer(Verdict.NO, "alias", reached=True)
    return Answer(Verdict.YES, "password", reached=True)


def _name_in(token: str) -> str | None:
    """Return the user an access token was made for. It came over TLS from who signed it, so that is not checked."""
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        name = claims["username"]
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return None
    return name if isinstance(name, str) else None


def _refused(error: Exception, password: str) -> Answer:
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):  # only botocore's ClientError has one worth reading
        response = {}
    code = str(response.get("Error", {}).get("Code", ""))
    said = str(response.get("Error", {}).get("Message", "")).replace(password, "***")
    if code in _REFUSED:
        return Answer(Verdict.NO, _REFUSED[code], reached=True)
    if code == "NotAuthorizedException" and not any(word in said.lower() for word in _ABOUT_THE_CLIENT):
        return _not_authorized(said.lower())
    if code in THROTTLED:
        return Answer(Verdict.LATER, "throttled", reached=False, detail=f"{code}; raise the quota if this lasts")
    if not code or isinstance(error, DamagedAnswerError):
        detail = "no proper answer; check AWS_REGION, AWS_ENDPOINT_URL and the task's way to Cognito"
        return Answer(Verdict.LATER, type(error).__name__, reached=False, detail=detail)
    return _unclear(code, said[:200])


def _not_authorized(said: str) -> Answer:
    if "attempts exceeded" in said:
        return Answer(Verdict.LATER, "locked-by-cognito", reached=True)
    return Answer(Verdict.NO, "disabled" if "disabled" in said else "password", reached=True)


def _unclear(reason: str, said: str) -> Answer:
    fix = "check COGNITO_CLIENT_ID (an app client without a secret that allows USER_PASSWORD_AUTH)"
    return Answer(Verdict.LATER, reason, reached=False, detail=f"{said}; {fix}, and the AWS health page if it lasts")
