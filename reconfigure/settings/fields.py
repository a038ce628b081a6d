"""Every setting, once: its field, environment name, default, kind, meaning and where it is required.

Reading (`load`), masking (`Settings.shown`) and the reference page all walk `SPECS`, which is taken from the fields
below, so a new setting is one field here. Nothing here reads the environment or a file.
"""

import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Literal, NamedTuple

from reconfigure.settings import comparable, parse
from reconfigure.settings.parse import Domains, Endpoint, Kind, Networks, Secret, number, whole


class Tier(StrEnum):
    """A mail tier: what the container that this runs in does."""

    IMAP = "imap"
    SMTP_IN = "smtp-in"
    SMTP_OUT = "smtp-out"


EVERY_TIER = frozenset(Tier)
WITH_ACCOUNTS = frozenset({Tier.IMAP, Tier.SMTP_OUT})
SENDING = frozenset({Tier.SMTP_OUT})


class About(NamedTuple):
    """What is known of a setting besides its name, type and default.

    Attributes:
        meaning: a sentence for the reference.
        kind: how its text is read and shown.
        env: environment name; RECONFIGURE_<FIELD> when not given.
        also: environment names read when that one is unset.
        contract: whether task definitions rely on it; the others are the finer settings.
        required_on: tiers that do not start without it.
        secret_on: tiers that need it where secrets are written to files.
        lenient: whether a wrong value is left out with a warning, where all others are mistakes.
        default: the default in words, where it is derived.
    """

    meaning: str
    kind: Kind
    env: str = ""
    also: tuple[str, ...] = ()
    contract: bool = False
    required_on: frozenset[Tier] = frozenset()
    secret_on: frozenset[Tier] = frozenset()
    lenient: bool = False
    default: str = ""


def _fine(meaning: str, kind: Kind, default: str = "") -> Mapping[str, About]:
    return {"about": About(meaning, kind, default=default)}


def _contract(env: str, meaning: str, kind: Kind, **more: Any) -> Mapping[str, About]:
    return {"about": About(meaning, kind, env, contract=True, **more)}


def _templates_dir() -> Path:
    return _shared("templates", checkout="templates")


def _runbooks_dir() -> Path:
    return _shared("runbooks", checkout="docs/runbooks")


def _shared(name: str, *, checkout: str) -> Path:
    """Return where a folder of data lies: in a checkout, where pip installed it, or where an image has it."""
    beside = Path(__file__).resolve().parents[2] / checkout
    installed = Path(sys.prefix) / "share/reconfigure" / name
    return next((folder for folder in (beside, installed) if folder.is_dir()), Path("/usr/share/reconfigure") / name)


_TABLE = parse.matching(
    r"[A-Za-z0-9_.-]{3,255}|arn:[\w-]+:dynamodb:[\w-]+:\d{12}:table/[A-Za-z0-9_.-]{3,255}",
    "the name or ARN of a DynamoDB table",
)
_QUEUE = parse.url(
    "the queue's URL as GetQueueUrl answers it, not its name or ARN", path=r"(/[\w.-]+)*/[A-Za-z0-9_-]{1,80}(\.fifo)?"
)
_SHORTEST_MASTER_PASSWORD = 12  # characters
_CERTIFICATES = parse.pem("CERTIFICATE", "certificates in PEM, line ends kept")
_PRIVATE_KEY = parse.pem("PRIVATE KEY", "a private key in PEM, line ends kept")


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings:
    """Everything that can be set, valid and complete; `load` makes one.

    Durations are seconds unless the name says otherwise. `warnings` holds what the daemon says once at start.
    """

    tier: Tier = field(metadata=_contract("TIER", "The tier to serve.", parse.one_of(Tier), required_on=EVERY_TIER))
    cert_domain: str = field(
        metadata=_contract(
            "CERT_DOMAIN",
            "Control domain: TLS names, and the default of `IMAP_INTERNAL_HOST`.",
            parse.host_name(longest=253 - len("smtp-out.")),
            required_on=EVERY_TIER,
        )
    )
    aws_region: str = field(
        metadata=_contract(
            "AWS_REGION",
            "AWS region; `AWS_DEFAULT_REGION` is read when it is unset.",
            parse.matching(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "a region such as us-east-1"),
            also=("AWS_DEFAULT_REGION",),
            required_on=EVERY_TIER,
        )
    )
    aws_endpoint_url: str | None = field(
        default=None,
        metadata=_contract(
            "AWS_ENDPOINT_URL",
            "Where AWS is reached, when not at AWS itself.",
            parse.url("an http or https URL without credentials"),
        ),
    )
    addresses_table: str = field(
        default="cabal-addresses", metadata=_contract("ADDRESSES_TABLE", "DynamoDB table of addresses.", _TABLE)
    )
    cognito_pool_id: str | None = field(
        default=None,
        metadata=_contract(
            "COGNITO_POOL_ID",
            "User pool. Unset on smtp-in: users are taken as present.",
            parse.matching(r"[\w-]+_[0-9A-Za-z]+", "a user pool's id such as us-east-1_AbCdEfGhI", longest=55),
            required_on=WITH_ACCOUNTS,
        ),
    )
    cognito_client_id: str | None = field(
        default=None,
        metadata=_contract(
            "COGNITO_CLIENT_ID",
            "The user pool's app client.",
            parse.matching(r"[\w+]+", "an app client's id", longest=128),
            required_on=WITH_ACCOUNTS,
        ),
    )
    sqs_queue_url: str | None = field(
        default=None, metadata=_contract("SQS_QUEUE_URL", "This tier's queue of changes. Unset: timer only.", _QUEUE)
    )
    sqs_dlq_url: str | None = field(
        default=None,
        metadata=_contract(
            "SQS_DLQ_URL", "Its dead-letter queue. Unset: looked up from the queue's redrive policy.", _QUEUE
        ),
    )
    interval: float = field(
        default=900.0,
        metadata=_contract(
            "RECONFIGURE_INTERVAL", "Time between full passes without a message.", number(1, 86_400, "seconds")
        ),
    )
    imap_internal_host: str = field(
        default="",
        metadata=_contract(
            "IMAP_INTERNAL_HOST",
            "Where the smtp tiers relay hosted mail.",
            parse.host_name(numeric=True),
            default="`imap.` and `CERT_DOMAIN`",
        ),
    )
    healthcheck_ping_url: str | None = field(
        default=None,
        metadata=_contract(
            "HEALTHCHECK_PING_URL",
            "Ping URL of the tier's check. Not an http or https URL: no pings, and a warning.",
            parse.url("the check's ping URL", private=True),
            lenient=True,
        ),
    )
    healthcheck_ping_param: str | None = field(
        default=None,
        metadata=_contract(
            "HEALTHCHECK_PING_PARAM",
            "SSM parameter that holds the ping URL, re-read while running; wins over `HEALTHCHECK_PING_URL`.",
            parse.matching(r"[A-Za-z0-9_.:/-]+", "the name or ARN of an SSM parameter", longest=2048),
        ),
    )
    fleet_table: str | None = field(
        default=None,
        metadata=_contract("FLEET_TABLE", "DynamoDB table of fleet rows and the change log. Unset: off.", _TABLE),
    )
    state_dir: Path = field(
        default=Path("/var/lib/reconfigure"),
        metadata=_contract(
            "RECONFIGURE_STATE_DIR", "Generations, status and history.", parse.absolute_path("a folder")
        ),
    )
    tls_ca_bundle: Secret | None = field(
        default=None,
        metadata=_contract(
            "TLS_CA_BUNDLE", "Certificates of the authorities to trust.", _CERTIFICATES, secret_on=EVERY_TIER
        ),
    )
    tls_cert: Secret | None = field(
        default=None,
        metadata=_contract("TLS_CERT", "The tier's certificate and its chain.", _CERTIFICATES, secret_on=EVERY_TIER),
    )
    tls_key: Secret | None = field(
        default=None,
        metadata=_contract("TLS_KEY", "The certificate's private key.", _PRIVATE_KEY, secret_on=EVERY_TIER),
    )
    dkim_private_key: Secret | None = field(
        default=None,
        metadata=_contract(
            "DKIM_PRIVATE_KEY", "Key that mail from hosted domains is signed with.", _PRIVATE_KEY, secret_on=SENDING
        ),
    )
    master_password: Secret | None = field(
        default=None,
        metadata=_contract(
            "MASTER_PASSWORD",
            "Password of the IMAP master user, who may log in from the service's own networks. Unset: there is none.",
            parse.password(_SHORTEST_MASTER_PASSWORD),
        ),
    )
    network_cidr: Networks | None = field(
        default=None,
        metadata=_contract(
            "NETWORK_CIDR",
            "Networks of the service itself: no login is paused because of an address in them, and the IMAP master user"
            " logs in from there alone. Unset: there are none.",
            parse.NETWORKS,
        ),
    )
    login_trusted_networks: Networks | None = field(
        default=None,
        metadata=_contract("LOGIN_TRUSTED_NETWORKS", "Wins over `NETWORK_CIDR`, where it is set.", parse.NETWORKS),
    )
    mail_domains: Domains | None = field(
        default=None,
        metadata=_contract(
            "MAIL_DOMAINS",
            "Apexes that may be hosted, each with all that is below it; rows of other domains are quarantined. The same"
            " on every tier. Unset: every domain but the service's own host names may be.",
            parse.DOMAINS,
        ),
    )
    preflight: bool = field(
        default=False,
        metadata=_contract(
            "PREFLIGHT", "Do everything up to the first activated generation, then exit 0 or say why not.", parse.SWITCH
        ),
    )

    templates_dir: Path = field(
        default_factory=_templates_dir,
        metadata=_fine(
            "Templates and manifests of the tiers.",
            parse.absolute_path("a folder"),
            "`templates` beside the package, or what was installed with it",
        ),
    )
    runbooks_dir: Path = field(
        default_factory=_runbooks_dir,
        metadata=_fine(
            "Pages that `reconfigure runbook` shows.",
            parse.absolute_path("a folder"),
            "`docs/runbooks` beside the package, or what was installed with it",
        ),
    )
    secrets_dir: Path = field(
        default=Path("/run/reconfigure/secrets"),
        metadata=_fine("Where secrets are written at container start.", parse.absolute_path("a folder")),
    )
    static_dir: Path | None = field(
        default=None,
        metadata=_fine(
            "Where the daemons' own configuration is written at container start. Unset: it is not written.",
            parse.absolute_path("a folder"),
        ),
    )
    user: str | None = field(
        default=None,
        metadata=_fine(
            "Account that whatever writes the state folder becomes when started as root. Unset: it stays root.",
            parse.matching(r"[a-z_][a-z0-9_-]*", "an account's name", longest=32),
        ),
    )
    homes_dir: Path = field(
        default=Path("/home"), metadata=_fine("Where users' homes lie.", parse.absolute_path("a folder"))
    )
    interval_jitter: float = field(
        default=0.1,
        metadata=_fine(
            "Share of the interval by which it varies at random, so that tasks do not read in step.", number(0, 1)
        ),
    )
    quiet_seconds: float = field(
        default=0.15,
        metadata=_fine("A burst of messages becomes one pass once none came for this long.", number(0, 60, "seconds")),
    )
    quiet_limit: float = field(
        default=2.0,
        metadata=_fine(
            "A burst waits no longer than this; at least `RECONFIGURE_QUIET_SECONDS`.", number(0, 300, "seconds")
        ),
    )
    poll_seconds: int = field(
        default=5, metadata=_fine("How long one request to the queue waits for a message.", whole(1, 20, "seconds"))
    )
    retry_seconds: float = field(
        default=10.0,
        metadata=_fine("First wait after a failed pass; it doubles up to a minute.", number(0.1, 3600, "seconds")),
    )
    follow_up_seconds: float = field(
        default=30.0,
        metadata=_fine(
            "After a message had the users read, everything is read once more so much later, since Cognito may answer"
            " what was true a moment ago; 0 for never.",
            number(0, 3600, "seconds"),
        ),
    )
    start_spread_seconds: float = field(
        default=5.0,
        metadata=_fine(
            "With `FLEET_TABLE`: longest wait before a task's first full read, so that tasks that start together do not"
            " read together.",
            number(0, 300, "seconds"),
        ),
    )
    fleet_read_seconds: float = field(
        default=2.0,
        metadata=_fine("With `FLEET_TABLE`: time between two readings of the change log.", number(0.2, 300, "seconds")),
    )
    fleet_silent_seconds: float = field(
        default=180.0,
        metadata=_fine(
            "A task that gives no sign of life for so long, or is so far behind, makes its tier's heartbeat fail.",
            number(90, 86_400, "seconds"),
        ),
    )
    fleet_forget_seconds: float = field(
        default=900.0,
        metadata=_fine(
            "A silent task is forgotten after this; at least `RECONFIGURE_FLEET_SILENT_SECONDS`.",
            number(90, 604_800, "seconds"),
        ),
    )
    read_by_key: bool = field(
        default=True,
        metadata=_fine("Read only the addresses that a message names, where that is enough.", parse.SWITCH),
    )
    high_uids: bool = field(default=False, metadata=_fine("Serve UIDs above 65535 too.", parse.SWITCH))
    guard_share: float = field(
        default=0.30,
        metadata=_fine(
            "A generation that loses more than this share of addresses, domains or users who have an address is held:"
            " of those before it, or of the most in the last day.",
            number(0, 1),
        ),
    )
    guard_minimum: int = field(
        default=10,
        metadata=_fine(
            "Losing fewer than this many never holds a generation, unless nothing is left.", whole(0, 1_000_000)
        ),
    )
    guard_reassigned: float = field(
        default=0.30,
        metadata=_fine(
            "A generation that gives more than this share of the addresses to other users is held.", number(0, 1)
        ),
    )
    guard_renumbered: int = field(
        default=1,
        metadata=_fine(
            "A generation in which more users who have an address than this have another UID is held: a home belongs"
            " to a number.",
            whole(0, 1_000_000),
        ),
    )
    guard_floor: int = field(
        default=0,
        metadata=_fine(
            "A first generation with fewer addresses that take mail than this is held, and any later one that loses"
            " some.",
            whole(0, 10_000_000),
        ),
    )
    keep_generations: int = field(
        default=20,
        metadata=_fine(
            "Generations kept on disk; the active one and the one before are never pruned.", whole(2, 10_000)
        ),
    )
    keep_days: float = field(
        default=14.0, metadata=_fine("Generations older than this are pruned.", number(0, 3650, "days"))
    )
    lock_wait: float = field(
        default=60.0,
        metadata=_fine(
            "How long to wait for another process that changes the state folder.", number(0, 3600, "seconds")
        ),
    )
    supervisor_socket: Path = field(
        default=Path("/run/supervisor.sock"), metadata=_fine("supervisord's XML-RPC socket.", parse.SOCKET)
    )
    absent_programs: Literal["fail", "skip"] = field(
        default="fail",
        metadata=_fine(
            "What a reload does when supervisord does not know the program.", parse.one_of(("fail", "skip"))
        ),
    )
    heartbeat_timeout: float = field(
        default=10.0, metadata=_fine("Time limit of one ping.", number(0.1, 120, "seconds"))
    )
    heartbeat_spacing: float = field(
        default=60.0,
        metadata=_fine(
            "Least time between two pings that say the same: success, or failure.", number(0, 3600, "seconds")
        ),
    )
    tool_timeout: float = field(
        default=120.0, metadata=_fine("Time limit of one run of a tool such as makemap.", number(0.1, 3600, "seconds"))
    )
    read_attempts: int = field(
        default=3, metadata=_fine("Attempts at one page of a source before the pass fails.", whole(1, 20))
    )
    delivery_networks: Networks | None = field(
        default=None,
        metadata=_fine(
            "On imap: networks from which mail is taken without a certificate of the relays; `0.0.0.0/0` for all."
            " Unset: from the container itself alone.",
            parse.IPV4_NETWORKS,
        ),
    )
    message_bytes: int = field(
        default=52_428_800,
        metadata=_fine("Largest message that is taken, as it is transferred.", whole(65_536, 1_073_741_824, "bytes")),
    )
    recipients_limit: int = field(
        default=100,
        metadata=_fine("Recipients of one message; those beyond are asked to come again.", whole(1, 10_000)),
    )
    connections_limit: int = field(
        default=100, metadata=_fine("Connections that sendmail serves at once.", whole(1, 10_000))
    )
    connections_per_client: int = field(
        default=0,
        metadata=_fine(
            "On smtp-in and smtp-out: connections that one client may have open to sendmail at once.",
            whole(1, 10_000),
            "a fifth of `RECONFIGURE_CONNECTIONS_LIMIT`",
        ),
    )
    connection_rate: int = field(
        default=120, metadata=_fine("Connections that one client may open to sendmail in a minute.", whole(1, 100_000))
    )
    imap_sessions: int = field(
        default=100,
        metadata=_fine(
            "On imap: sessions that Dovecot serves at once, each with two processes; more want more memory.",
            whole(20, 900),
        ),
    )
    imap_sessions_per_client: int = field(
        default=10, metadata=_fine("On imap: sessions that one user may have from one address.", whole(1, 900))
    )
    verify_headers: bool = field(
        default=False,
        metadata=_fine("On smtp-in: check DKIM and DMARC, and say what came of it in a header.", parse.SWITCH),
    )
    hosted_from: Literal["mark", "refuse"] = field(
        default="mark",
        metadata=_fine(
            "On smtp-in with `RECONFIGURE_VERIFY_HEADERS`: what becomes of mail whose `From:` is of a hosted domain, or"
            " not one address, and does not pass DMARC.",
            parse.one_of(("mark", "refuse")),
        ),
    )
    http: Endpoint | None = field(
        default=Endpoint("127.0.0.1", 9180),
        metadata=_fine("Where `run` answers HTTP: the page, `/health`, `/status` and `/metrics`.", parse.LOOPBACK),
    )
    emf_namespace: str | None = field(
        default=None,
        metadata=_fine(
            "CloudWatch namespace of the metrics that are written into the log (EMF). Unset: none are.",
            parse.matching(r"(?!AWS/)[A-Za-z0-9_./#-]+", "a namespace such as Reconfigure", longest=255),
        ),
    )
    login_dir: Path = field(
        default=Path("/run/login"),
        metadata=_fine("Where the login helper's sockets lie.", parse.absolute_path("a folder")),
    )
    login_user: str | None = field(
        default=None,
        metadata=_fine(
            "Account that the login helper becomes when started as root. Unset: it stays root.",
            parse.matching(r"[a-z_][a-z0-9_-]*", "an account's name", longest=32),
        ),
    )
    login_group: str | None = field(
        default=None,
        metadata=_fine(
            "Group that may ask the login helper. Unset: where it becomes an account, `sasl` on imap and `smmta` on"
            " smtp-out.",
            parse.matching(r"[A-Za-z_][A-Za-z0-9_-]*", "a group's name", longest=32),
        ),
    )
    login_cache: float = field(
        default=60.0,
        metadata=_fine("How long the login helper remembers an answer about a password.", number(0, 3600, "seconds")),
    )
    login_threads: int = field(
        default=100, metadata=_fine("Logins that Cognito is asked about at once; as many may wait.", whole(1, 1000))
    )
    login_timeout: float = field(
        default=5.0, metadata=_fine("How long an answer of Cognito's to a login may take.", number(0.1, 60, "seconds"))
    )
    login_hold: float = field(
        default=60.0,
        metadata=_fine(
            "How long sendmail waits for a login while Cognito is away; then it says that the login failed.",
            number(0, 600, "seconds"),
        ),
    )
    login_guesses: int = field(
        default=5,
        metadata=_fine(
            "Wrong logins of one name from one address before pauses begin; they do not concern an address from which"
            " the user has logged in.",
            whole(1, 1_000_000),
        ),
    )
    login_guesses_address: int = field(
        default=20,
        metadata=_fine(
            "Wrong passwords from one address, for whichever user, before pauses begin.", whole(1, 1_000_000)
        ),
    )
    login_guesses_user: int = field(
        default=4,
        metadata=_fine(
            "Wrong passwords of one user, from wherever, that Cognito is asked about in a quarter of an hour; it"
            " locks a user out after five. The last is kept for addresses that the user has logged in from, and the one"
            " before it from whoever has had the others.",
            whole(1, 1_000_000),
        ),
    )
    login_pause: float = field(
        default=900.0,
        metadata=_fine("Longest pause after wrong passwords; pauses double up to it.", number(1, 86_400, "seconds")),
    )
    mail_queue_dir: Path = field(
        default=Path("/var/spool/mqueue"),
        metadata=_fine("Where sendmail's queue lies, for `reconfigure sending`.", parse.absolute_path("a folder")),
    )
    sending_messages_day: int = field(
        default=500,
        metadata=_fine("On smtp-out: messages that one account may send in 24 hours.", whole(1, 10_000_000)),
    )
    sending_recipients_day: int = field(
        default=500,
        metadata=_fine(
            "On smtp-out: recipients that one account may write to in 24 hours, each message's counted.",
            whole(1, 10_000_000),
        ),
    )
    sending_messages_minute: int = field(
        default=30, metadata=_fine("On smtp-out: messages that one account may send in a minute.", whole(1, 1_000_000))
    )
    sending_recipients_minute: int = field(
        default=200,
        metadata=_fine("On smtp-out: recipients that one account may write to in a minute.", whole(1, 1_000_000)),
    )
    sending_dir: Path = field(
        default=Path("/run/sending"),
        metadata=_fine(
            "On smtp-out: where is written what accounts have sent, and who is held. On a volume, both outlive the"
            " container.",
            parse.absolute_path("a folder"),
        ),
    )
    topic_arn: str | None = field(
        default=None,
        metadata=_fine(
            "SNS topic that `reconfigure notify` publishes to.",
            parse.matching(r"arn:[\w-]+:sns:[\w-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?", "an SNS topic's ARN"),
        ),
    )
    history_bytes: int = field(
        default=5_000_000,
        metadata=_fine("Size at which the history is rotated.", whole(10_000, 1_000_000_000, "bytes")),
    )
    quarantine_listed: int = field(
        default=1000, metadata=_fine("Refused rows listed in full; the rest are only counted.", whole(0, 100_000))
    )
    log_format: Literal["auto", "json", "text"] = field(
        default="auto",
        metadata=_fine(
            "Log lines as JSON or as text; auto: text on a terminal.", parse.one_of(("auto", "json", "text"))
        ),
    )
    log_level: Literal["debug", "info", "warning", "error"] = field(
        default="info",
        metadata=_fine("Least level that is logged.", parse.one_of(("debug", "info", "warning", "error"))),
    )
    task: str = field(
        default_factory=socket.gethostname,
        metadata=_fine(
            "This task's name in heartbeats and the fleet table.",
            parse.matching(r"[A-Za-z0-9_.:/-]+", "letters, digits and _ . : / -", longest=128),
            "the host name",
        ),
    )

    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.imap_internal_host:
            object.__setattr__(self, "imap_internal_host", f"imap.{self.cert_domain}")
        if not self.connections_per_client:
            object.__setattr__(self, "connections_per_client", max(1, self.connections_limit // 5))

    @property
    def host_name(self) -> str:
        """The name that this tier's daemons go by, whatever the container is called."""
        return f"{self.tier}.{self.cert_domain}"

    @property
    def own_hosts(self) -> frozenset[str]:
        """The host names that the service itself goes by, on whichever tier; no mail is hosted there."""
        return frozenset({*(f"{tier}.{self.cert_domain}" for tier in Tier), self.imap_internal_host})

    @property
    def own_networks(self) -> Networks:
        """The networks of the service itself."""
        return self.login_trusted_networks or self.network_cidr or Networks()

    @property
    def delivery_prefixes(self) -> tuple[str, ...]:
        """The first numbers of addresses in `delivery_networks`, with dots between them."""
        networks = (each for each in self.delivery_networks or () if isinstance(each, IPv4Network))
        return tuple(prefix for network in networks for prefix in comparable.prefixes(network))

    @property
    def tls_fingerprint(self) -> str:
        """The SHA-256 of the tier's certificate as sendmail writes it; empty where there is none."""
        return "" if self.tls_cert is None else comparable.fingerprint(self.tls_cert.reveal())

    def shown(self) -> dict[str, str | int | float | bool | None]:
        """Return environment name → value as anyone may see it: secrets masked, the ping URL cut to its host."""
        return {spec.env: spec.shown(getattr(self, spec.field)) for spec in SPECS}

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.shown().items())})"


class Spec(NamedTuple):
    """A setting's names, what is known of it, and its default (a value, or `MISSING` where required or derived)."""

    field: str
    env: str
    about: About
    default: object

    def shown(self, value: object) -> str | int | float | bool | None:
        """Return a value of this setting as it may be shown."""
        if value is None or isinstance(value, int | float):
            return value
        return self.about.kind.mask(str(value))


SPECS = tuple(
    Spec(each.name, about.env or f"RECONFIGURE_{each.name.upper()}", about, each.default)
    for each in fields(Settings)
    if (about := each.metadata.get("about"))
)
