"""The services of AWS: each permission that a pass needs, by the smallest call that needs it."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from reconfigure.checkup.finding import Absent, Check, Harm
from reconfigure.errors import SourceError
from reconfigure.fleet.table import FleetTable
from reconfigure.settings import Settings
from reconfigure.sources.aws import Clients
from reconfigure.sources.queue_facts import dead_letter_url, facts
from reconfigure.sources.retry import Source, aws_errors, failure, is_forbidden
from reconfigure.sources.users import OSID, SENDING_LIMIT

T = TypeVar("T")

PATIENCE = 3.0  # seconds for an answer
SKEW_WARNING = 30.0  # seconds
SKEW_FAILURE = 300.0  # seconds; AWS refuses what is signed further away (Signature Version 4)

STAYS = "changes are not applied; mail goes on with the last generation"

# Attributes that are not the users' to write, and what one who does can do.
MEANINGS = {
    OSID: "take another's UID, and with it perhaps the other's files: who is live with it keeps it, but a new task"
    " knows of nobody who is",
    SENDING_LIMIT: "send as much as it likes",
}


def checks(settings: Settings, clients: Clients) -> dict[str, Check]:
    """Return the checks of everything that is reached over the network."""
    return {
        "dynamodb": lambda: _dynamodb(settings, clients),
        "dynamodb by key": lambda: _by_key(settings, clients),
        "cognito": lambda: _cognito(settings, clients),
        "app client": lambda: _app_client(settings, clients),
        "queue": lambda: _queue(settings, clients),
        "dead letters": lambda: _dead_letters(settings, clients),
        "fleet": lambda: _fleet(settings, clients),
        "heartbeat": lambda: _heartbeat(settings, clients),
        "clock": lambda: _clock(settings, clients),
    }


def _table(settings: Settings, action: str) -> Source:
    where = f"DynamoDB table {settings.addresses_table} in {settings.aws_region}"
    return Source(where=where, action=action, settings="ADDRESSES_TABLE and AWS_REGION")


def _dynamodb(settings: Settings, clients: Clients) -> str:
    source = _table(settings, "dynamodb:Scan")
    found = _tried(
        lambda: clients.dynamodb.scan(TableName=settings.addresses_table, Limit=1), "a row", source, means=STAYS
    )
    if not found.get("Items"):
        raise Harm(
            f"{source.where} has no rows",
            means="a pass would be held: everything would go",
            fix="look at ADDRESSES_TABLE, and at who emptied the table",
            state="warning",
        )
    _tried(
        lambda: clients.dynamodb.describe_table(TableName=settings.addresses_table),
        "the table's state",
        _table(settings, "dynamodb:DescribeTable"),
        means="a table that is replaced during a read goes unnoticed",
        state="warning",
    )
    return f"{source.where} can be scanned"


def _by_key(settings: Settings, clients: Clients) -> str:
    if not settings.read_by_key:
        raise Absent("RECONFIGURE_READ_BY_KEY is off")
    source = _table(settings, "dynamodb:BatchGetItem")
    wanted: Any = {settings.addresses_table: {"Keys": [{"address": {"S": "nobody@example.com"}}]}}
    _tried(
        lambda: clients.dynamodb.batch_get_item(RequestItems=wanted),
        "an address by its key",
        source,
        means="every change reads the whole table, which is slower and costs more",
        state="warning",
    )
    return "addresses can be read by key"


def _cognito(settings: Settings, clients: Clients) -> str:
    pool = settings.cognito_pool_id
    if pool is None:
        raise Absent("no COGNITO_POOL_ID: users are taken as present")
    source = Source(
        where=f"Cognito user pool {pool} in {settings.aws_region}",
        action="cognito-idp:ListUsers",
        settings="COGNITO_POOL_ID and AWS_REGION",
    )
    _tried(lambda: clients.cognito.list_users(UserPoolId=pool, Limit=1), "a user", source, means=STAYS)
    return f"{source.where} can be listed"


def _app_client(settings: Settings, clients: Clients) -> str:
    """Read which attributes the users of the app client may write themselves (DescribeUserPoolClient)."""
    pool, client = settings.cognito_pool_id, settings.cognito_client_id
    if pool is None or client is None:
        raise Absent("no COGNITO_CLIENT_ID, or no pool: nobody logs in here")
    source = Source(
        where=f"app client {client} of Cognito user pool {pool} in {settings.aws_region}",
        action="cognito-idp:DescribeUserPoolClient",
        settings="COGNITO_CLIENT_ID, COGNITO_POOL_ID and AWS_REGION",
    )
    what = "the attributes that its users may write"
    try:
        found = clients.cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client)["UserPoolClient"]
    except aws_errors() as error:
        if is_forbidden(error):
            raise Absent(str(failure(error, what, source=source))) from error
        means = f"whether users may write {OSID} themselves is not known"
        raise _harm(failure(error, what, source=source), means=means, state="warning") from error
    writable = found.get("WriteAttributes")
    # Documented is that without a list the standard attributes may be written, observed that the custom ones may, too.
    wrong = [name for name in MEANINGS if not writable or name in writable]
    names = " and ".join(wrong)
    if not wrong:
        return f"users of {source.where} may write neither {' nor '.join(MEANINGS)}"
    raise Harm(
        f"users of {source.where} "
        + (f"may write {names}" if writable else f"have no list of attributes that they may write, so perhaps {names}"),
        means="whoever signs up or logs in can " + ", and ".join(MEANINGS[name] for name in wrong),
        fix=f"give the app client WriteAttributes without {names}, and set that by an administrator's call alone",
        state="warning",
    )


def _queue(settings: Settings, clients: Clients) -> str:
    if settings.sqs_queue_url is None:
        raise Absent("no SQS_QUEUE_URL: changes are seen by the timer only")
    try:
        found = facts(clients.sqs, settings.sqs_queue_url)
    except SourceError as error:
        raise _harm(error, means="changes wait for the timer") from error
    seen = f"{found.name}: {found.visible} waiting, {found.in_flight} in flight"
    # Receiving would take messages from the loop, so whether that is allowed shows in its log, not here.
    return f"{seen} (receiving and deleting were not tried: they would take messages from the loop)"


def _dead_letters(settings: Settings, clients: Clients) -> str:
    if settings.sqs_queue_url is None:
        raise Absent("no SQS_QUEUE_URL")
    try:
        queue = facts(clients.sqs, settings.sqs_queue_url)
        url = dead_letter_url(clients.sqs, queue, given=settings.sqs_dlq_url)
        dead = None if url is None else facts(clients.sqs, url)
    except SourceError as error:
        raise _harm(error, means="nobody here sees what no pass could read", state="warning") from error
    if dead is None:
        raise Harm(
            f"{queue.name} has no dead-letter queue",
            means="a message that nobody can read comes again until it is too old",
            fix="give the queue a redrive policy",
            state="warning",
        )
    if dead.total:
        raise Harm(
            f"{dead.name} holds {dead.total}",
            means="these changes were applied by the timer at the latest; why they failed is worth a look",
            fix="reconfigure queue peek --dlq",
            state="warning",
        )
    return f"{dead.name} is empty"


def _fleet(settings: Settings, clients: Clients) -> str:
    """Read the change log and the rows, and write what changes nothing: a row under a name that no task has."""
    if settings.fleet_table is None:
        raise Absent("no FLEET_TABLE: a change wakes one task of a tier, the others see it by the timer")
    table = FleetTable(lambda: clients.dynamodb, settings.fleet_table, region=settings.aws_region)
    tier = settings.tier.value
    means = "siblings of the task that hears of a change see it by the timer, and nobody sees how the others are"
    try:
        log = table.log(tier)
        rows = table.tiers([tier])[tier].rows
        table.try_to_write(tier)
    except SourceError as error:
        raise _harm(error, means=means) from error
    changes = "no change yet" if log is None else f"change {log.sequence}"
    return f"table {table.name} can be read and written: {changes}, {len(rows)} rows of {tier}"


def _heartbeat(settings: Settings, clients: Clients) -> str:
    """Look up where pings go, and reach that host, without a ping: that would say that all is well."""
    url = settings.healthcheck_ping_url
    name = settings.healthcheck_ping_param
    means = "nobody is told when this tier fails: it looks silent, or is"
    if name is not None:
        source = Source(
            where=f"SSM parameter {name} in {settings.aws_region}",
            action="ssm:GetParameter",
            settings="HEALTHCHECK_PING_PARAM and AWS_REGION",
        )
        answer = _tried(
            lambda: clients.ssm.get_parameter(Name=name, WithDecryption=True), "the ping URL", source, means=means
        )
        url = answer["Parameter"]["Value"]
    if url is None:
        raise Absent("no HEALTHCHECK_PING_URL or HEALTHCHECK_PING_PARAM: nothing is pinged")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        fix = "set it to the check's ping URL"
        raise Harm("the ping URL is none (its value is not shown)", means=means, fix=fix)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
    try:
        requests.head(place, timeout=PATIENCE, allow_redirects=False)
    except requests.RequestException as error:
        reason = type(error).__name__
        fix = "check the task's way out (route, security group, DNS)"
        raise Harm(f"{place} cannot be reached: {reason}", means=means, fix=fix) from error
    return f"{place} answers (no ping was sent)"


def _clock(settings: Settings, clients: Clients) -> str:
    source = _table(settings, "dynamodb:Scan")
    answer = _tried(
        lambda: clients.dynamodb.scan(TableName=settings.addresses_table, Limit=1), "the time", source, means=STAYS
    )
    stamp = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if stamp is None:
        raise Absent("the answer of AWS has no date")
    off = (datetime.now(UTC) - parsedate_to_datetime(stamp)).total_seconds()
    seen = f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} AWS"
    if abs(off) < SKEW_WARNING:
        return seen
    raise Harm(
        seen,
        means="AWS refuses requests signed more than 5 minutes away; log lines and status lie by as much",
        fix="set the host's clock (chrony)",
        state="failed" if abs(off) >= SKEW_FAILURE else "warning",
    )


def _tried(request: Callable[[], T], what: str, source: Source, *, means: str, state: Any = "failed") -> T:
    try:
        return request()
    except aws_errors() as error:
        raise _harm(failure(error, what, source=source), means=means, state=state) from error


def _harm(error: SourceError, *, means: str, state: Any = "failed") -> Harm:
    seen, _, fix = str(error).rpartition("; ")
    return Harm(seen or str(error), means=means, fix=fix, state=state)
