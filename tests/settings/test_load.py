"""Settings from the environment: defaults, values, mistakes and what is left out."""

import dataclasses
import socket
from pathlib import Path

import pytest

from reconfigure.errors import EX_CONFIG, ConfigurationError
from reconfigure.settings import Settings, Tier, load
from reconfigure.settings.parse import Endpoint

Environment = dict[str, str]


def problems_of(environ: Environment, *, secrets_required: bool = False) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, secrets_required=secrets_required)
    return caught.value.problems


def test_the_least_environment_loads_with_the_documented_defaults(smtp_in: Environment) -> None:
    settings = load(smtp_in)
    assert settings.tier is Tier.SMTP_IN
    assert settings.cert_domain == "mail.example.com"
    assert settings.imap_internal_host == "imap.mail.example.com"
    assert settings.addresses_table == "cabal-addresses"
    assert settings.interval == 900
    assert settings.state_dir == Path("/var/lib/reconfigure")
    assert settings.task == socket.gethostname()
    assert settings.guard_share == 0.3
    assert settings.guard_minimum == 10
    assert not settings.preflight
    assert settings.healthcheck_ping_url is None
    assert (settings.templates_dir / "imap").is_dir() or settings.templates_dir == Path(
        "/usr/share/reconfigure/templates"
    )


def test_settings_made_in_code_have_the_same_defaults_as_loaded_ones(smtp_in: Environment) -> None:
    made = Settings(tier=Tier.SMTP_IN, cert_domain="mail.example.com", aws_region="us-east-1")
    assert dataclasses.replace(load(smtp_in), warnings=()) == made


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({}, 20),
        ({"RECONFIGURE_CONNECTIONS_LIMIT": "60"}, 12),
        ({"RECONFIGURE_CONNECTIONS_LIMIT": "1"}, 1),
        ({"RECONFIGURE_CONNECTIONS_LIMIT": "60", "RECONFIGURE_CONNECTIONS_PER_CLIENT": "50"}, 50),
    ],
)
def test_one_client_may_have_a_fifth_of_the_connections_unless_told_otherwise(
    smtp_in: Environment, given: Environment, allowed: int
) -> None:
    assert load({**smtp_in, **given}).connections_per_client == allowed


def test_settings_cannot_be_changed(smtp_in: Environment) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(smtp_in).interval = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("CERT_DOMAIN", "Mail.Example.COM", "cert_domain", "mail.example.com"),
        ("IMAP_INTERNAL_HOST", "imap-1.internal", "imap_internal_host", "imap-1.internal"),
        ("IMAP_INTERNAL_HOST", "10.0.0.7", "imap_internal_host", "10.0.0.7"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000", "aws_endpoint_url", "http://127.0.0.1:5000"),
        ("AWS_ENDPOINT_URL", "http://aws_double:5000/", "aws_endpoint_url", "http://aws_double:5000/"),
        ("AWS_ENDPOINT_URL", "http://[::1]:5000", "aws_endpoint_url", "http://[::1]:5000"),
        (
            "SQS_QUEUE_URL",
            "http://127.0.0.1:5000/123456789012/q",
            "sqs_queue_url",
            "http://127.0.0.1:5000/123456789012/q",
        ),
        ("RECONFIGURE_INTERVAL", " 60 ", "interval", 60.0),
        ("RECONFIGURE_INTERVAL", "1e3", "interval", 1000.0),
        ("RECONFIGURE_POLL_SECONDS", "20", "poll_seconds", 20),
        ("RECONFIGURE_HISTORY_BYTES", "5_000_000", "history_bytes", 5_000_000),
        ("RECONFIGURE_HIGH_UIDS", "On", "high_uids", True),
        ("PREFLIGHT", "1", "preflight", True),
        ("PREFLIGHT", "no", "preflight", False),
        ("RECONFIGURE_STATE_DIR", "/srv/state/", "state_dir", Path("/srv/state")),
        ("RECONFIGURE_LOG_LEVEL", "DEBUG", "log_level", "debug"),
        (
            "RECONFIGURE_TOPIC_ARN",
            "arn:aws:sns:us-east-1:123456789012:t",
            "topic_arn",
            "arn:aws:sns:us-east-1:123456789012:t",
        ),
        ("HEALTHCHECK_PING_URL", "https://hc-ping.com/uuid", "healthcheck_ping_url", "https://hc-ping.com/uuid"),
        ("HEALTHCHECK_PING_PARAM", "/mail/ping", "healthcheck_ping_param", "/mail/ping"),
        ("FLEET_TABLE", "fleet", "fleet_table", "fleet"),
        ("RECONFIGURE_TASK", "", "task", socket.gethostname()),
        ("RECONFIGURE_HTTP", "127.0.0.1:9280", "http", Endpoint("127.0.0.1", 9280)),
        ("RECONFIGURE_HTTP", "[::1]:9280", "http", Endpoint("::1", 9280)),
        ("RECONFIGURE_HTTP", "off", "http", None),
        ("RECONFIGURE_EMF_NAMESPACE", "Mail/Reconfigure", "emf_namespace", "Mail/Reconfigure"),
    ],
)
def test_a_variable_sets_its_field(smtp_in: Environment, name: str, text: str, field: str, value: object) -> None:
    assert getattr(load(smtp_in | {name: text}), field) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TIER", "pop3"),
        ("CERT_DOMAIN", "mail.example.com\nevil RELAY"),
        ("CERT_DOMAIN", "mail..example.com"),
        ("CERT_DOMAIN", "-mail.example.com"),
        ("CERT_DOMAIN", "mail_1.example.com"),
        ("CERT_DOMAIN", "mail.example.com."),
        ("CERT_DOMAIN", "mail example.com"),
        ("CERT_DOMAIN", "192.0.2.1"),
        ("CERT_DOMAIN", "bücher.example"),
        ("CERT_DOMAIN", "mail.example\uff0ecom"),
        ("CERT_DOMAIN", f"{'a' * 64}.example.com"),
        ("CERT_DOMAIN", ".".join(["a" * 60] * 5)),
        ("CERT_DOMAIN", ".".join(["a" * 62] * 4)[:249]),
        ("IMAP_INTERNAL_HOST", "[10.0.0.7]"),
        ("IMAP_INTERNAL_HOST", "imap$example"),
        ("IMAP_INTERNAL_HOST", "imap:10143"),
        ("AWS_REGION", "us east"),
        ("AWS_ENDPOINT_URL", "127.0.0.1:5000"),
        ("AWS_ENDPOINT_URL", "ftp://127.0.0.1"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:99999"),
        ("AWS_ENDPOINT_URL", "http://[::1"),
        ("AWS_ENDPOINT_URL", "http://"),
        ("AWS_ENDPOINT_URL", "http://host?x=1"),
        ("ADDRESSES_TABLE", "a table"),
        ("COGNITO_POOL_ID", "AbCdEf"),
        ("SQS_QUEUE_URL", "reconfigure-imap"),
        ("SQS_QUEUE_URL", "arn:aws:sqs:us-east-1:123456789012:reconfigure-imap"),
        ("SQS_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/"),
        ("RECONFIGURE_INTERVAL", "15 minutes"),
        ("RECONFIGURE_INTERVAL", "nan"),
        ("RECONFIGURE_INTERVAL", "inf"),
        ("RECONFIGURE_INTERVAL", "1e999"),
        ("RECONFIGURE_INTERVAL", "0"),
        ("RECONFIGURE_INTERVAL", "٩٠٠"),
        ("RECONFIGURE_POLL_SECONDS", "5.5"),
        ("RECONFIGURE_POLL_SECONDS", "21"),
        ("RECONFIGURE_POLL_SECONDS", "9" * 500),
        ("RECONFIGURE_POLL_SECONDS", "9" * 5000),
        ("RECONFIGURE_GUARD_SHARE", "30%"),
        ("RECONFIGURE_GUARD_SHARE", "1.1"),
        ("RECONFIGURE_KEEP_GENERATIONS", "1"),
        ("PREFLIGHT", "maybe"),
        ("RECONFIGURE_STATE_DIR", "state"),
        ("RECONFIGURE_STATE_DIR", "/"),
        ("RECONFIGURE_STATE_DIR", "/srv/\x00"),
        ("RECONFIGURE_STATE_DIR", "/srv/\udcff"),
        ("RECONFIGURE_STATE_DIR", "/srv/\u2028"),
        ("TLS_KEY", "-----BEGIN PRIVATE KEY-----\n\x00"),
        ("RECONFIGURE_SECRETS_DIR", "./secrets"),
        ("RECONFIGURE_SUPERVISOR_SOCKET", "/" + "s" * 107),
        ("RECONFIGURE_ABSENT_PROGRAMS", "ignore"),
        ("RECONFIGURE_HTTP", "0.0.0.0:9180"),
        ("RECONFIGURE_HTTP", "10.0.0.7:9180"),
        ("RECONFIGURE_HTTP", "localhost.example.com:9180"),
        ("RECONFIGURE_HTTP", "127.0.0.1:65536"),
        ("RECONFIGURE_HTTP", "127.0.0.1"),
        ("RECONFIGURE_EMF_NAMESPACE", "AWS/ECS"),
        ("RECONFIGURE_EMF_NAMESPACE", "two words"),
        ("RECONFIGURE_TASK", "task\x1b[2J"),
        ("RECONFIGURE_TASK", "task\udcff"),
        ("RECONFIGURE_CONFIG", "/nowhere\x00.yaml"),
        ("RECONFIGURE_CONFIG", "/nowhere/at-all.yaml"),
    ],
)
def test_a_wrong_value_is_one_printable_problem_that_begins_with_its_name(
    smtp_in: Environment, name: str, text: str
) -> None:
    (problem,) = problems_of(smtp_in | {name: text})
    assert problem.startswith(f"{name}: ")
    assert "; set " in problem
    assert problem.isprintable()


def test_every_mistake_is_named_at_once_with_what_was_given_and_what_to_set(no_file: Path) -> None:
    problems = problems_of(
        {
            "TIER": "imap",
            "AWS_REGION": "us-east-1",
            "COGNITO_POOL_ID": "pool",
            "RECONFIGURE_INTERVAL": "often",
            "RECONFIGURE_POLL_SECONDS": "0",
            "RECONFIGURE_QUIET_SECONDS": "3",
            "RECONFIGURE_CONFIG": str(no_file),
        },
        secrets_required=True,
    )
    assert [problem.partition(":")[0] for problem in problems] == [
        "COGNITO_POOL_ID",
        "RECONFIGURE_INTERVAL",
        "RECONFIGURE_POLL_SECONDS",
        "CERT_DOMAIN",
        "COGNITO_CLIENT_ID",
        "TLS_CA_BUNDLE",
        "TLS_CERT",
        "TLS_KEY",
        "RECONFIGURE_QUIET_LIMIT",
    ]
    assert (
        "RECONFIGURE_POLL_SECONDS: is out of range (given '0'); set a whole number of seconds from 1 to 20" in problems
    )


def test_a_configuration_error_ends_a_command_with_78() -> None:
    assert ConfigurationError.exit_code == EX_CONFIG == 78


@pytest.mark.parametrize("name", ["TIER", "CERT_DOMAIN", "AWS_REGION"])
@pytest.mark.parametrize("text", [None, "", "  "])
def test_a_required_variable_that_is_unset_or_empty_is_missing(
    smtp_in: Environment, name: str, text: str | None
) -> None:
    environ = {key: value for key, value in smtp_in.items() if key != name} | ({} if text is None else {name: text})
    (problem,) = problems_of(environ)
    assert problem.startswith(f"{name}: is required (nothing given); set ")


@pytest.mark.parametrize("tier", ["imap", "smtp-out"])
def test_tiers_with_accounts_demand_the_user_pool_and_its_client(smtp_in: Environment, tier: str) -> None:
    problems = problems_of(smtp_in | {"TIER": tier})
    assert [problem.split(" (")[0] for problem in problems] == [
        f"COGNITO_POOL_ID: is required on {tier}",
        f"COGNITO_CLIENT_ID: is required on {tier}",
    ]


def test_the_region_is_read_under_its_second_name_only_when_the_first_is_unset(smtp_in: Environment) -> None:
    second = smtp_in | {"AWS_DEFAULT_REGION": "eu-west-1"}
    assert load(second).aws_region == "us-east-1"
    assert load(second | {"AWS_REGION": ""}).aws_region == "eu-west-1"


def test_a_quiet_limit_below_the_quiet_time_is_a_mistake_also_against_the_default(smtp_in: Environment) -> None:
    (problem,) = problems_of(smtp_in | {"RECONFIGURE_QUIET_LIMIT": "0.1"})
    assert problem.startswith("RECONFIGURE_QUIET_LIMIT: is below RECONFIGURE_QUIET_SECONDS (given 0.1 and 0.15); set")


def test_a_dead_letter_queue_that_is_the_queue_itself_is_a_mistake(smtp_in: Environment) -> None:
    queue = "https://sqs.us-east-1.amazonaws.com/123456789012/reconfigure"
    (problem,) = problems_of(smtp_in | {"SQS_QUEUE_URL": queue, "SQS_DLQ_URL": queue})
    assert problem.startswith("SQS_DLQ_URL: is SQS_QUEUE_URL (given ")


@pytest.mark.parametrize(
    ("tier", "demanded"),
    [
        ("imap", ["TLS_CA_BUNDLE", "TLS_CERT", "TLS_KEY"]),
        ("smtp-in", ["TLS_CA_BUNDLE", "TLS_CERT", "TLS_KEY"]),
        ("smtp-out", ["TLS_CA_BUNDLE", "TLS_CERT", "TLS_KEY", "DKIM_PRIVATE_KEY"]),
    ],
)
def test_secrets_are_demanded_by_tier_and_only_where_they_are_written(
    imap: Environment, secrets: Environment, tier: str, demanded: list[str]
) -> None:
    environ = imap | {"TIER": tier}
    assert load(environ).tls_key is None
    problems = problems_of(environ, secrets_required=True)
    assert [problem.partition(":")[0] for problem in problems] == demanded
    loaded = load(environ | secrets, secrets_required=True)
    assert loaded.tls_key is not None
    assert loaded.tls_key.reveal() == secrets["TLS_KEY"]


def test_a_short_master_password_is_refused(imap: Environment) -> None:
    (problem,) = problems_of(imap | {"MASTER_PASSWORD": "eleven-long"})
    assert problem.startswith("MASTER_PASSWORD: is too short to be safe from guessing (given '********'); set")
    assert load(imap | {"MASTER_PASSWORD": "twelve-long!"}).master_password is not None


def test_own_networks_are_those_of_the_second_variable_where_it_is_set(imap: Environment) -> None:
    given = {"NETWORK_CIDR": "10.0.0.0/16", "LOGIN_TRUSTED_NETWORKS": "192.0.2.0/24  2001:db8::/56"}
    assert str(load(imap | given).own_networks) == "192.0.2.0/24 2001:db8::/56"
    assert str(load(imap | {"NETWORK_CIDR": "10.0.0.0/16"}).own_networks) == "10.0.0.0/16"
    assert load(imap).own_networks == ()
    (problem,) = problems_of(imap | {"NETWORK_CIDR": "10.0.0.1/16"})
    assert problem.startswith("NETWORK_CIDR: is not a list of networks")


def test_domains_that_may_be_hosted_are_read_in_lower_case(smtp_in: Environment) -> None:
    loaded = load(smtp_in | {"MAIL_DOMAINS": " Example.com  xn--mnchen-3ya.example"})
    assert loaded.mail_domains == ("example.com", "xn--mnchen-3ya.example")
    assert loaded.shown()["MAIL_DOMAINS"] == "example.com xn--mnchen-3ya.example"
    assert load(smtp_in).mail_domains is None


@pytest.mark.parametrize(
    "text", ["com", "example.com,example.org", "*.example.com", ".example.com", "m\u00fcnchen.example", "\u00a0"]
)
def test_what_is_no_list_of_domains_is_refused(smtp_in: Environment, text: str) -> None:
    (problem,) = problems_of(smtp_in | {"MAIL_DOMAINS": text})
    assert problem.startswith("MAIL_DOMAINS: is not a ")


def test_the_services_own_hosts_are_those_of_every_tier_and_where_the_relays_deliver(smtp_in: Environment) -> None:
    names = {"imap.mail.example.com", "smtp-in.mail.example.com", "smtp-out.mail.example.com"}
    assert load(smtp_in).own_hosts == names
    assert load(smtp_in | {"IMAP_INTERNAL_HOST": "Imap.Internal"}).own_hosts == {*names, "imap.internal"}


def test_a_master_user_that_can_log_in_from_nowhere_is_a_warning(imap: Environment) -> None:
    password = {"MASTER_PASSWORD": "a long enough one"}
    assert "NETWORK_CIDR: is not set" in "".join(load(imap | password).warnings)
    assert "NETWORK_CIDR" not in "".join(load(imap | password | {"NETWORK_CIDR": "10.0.0.0/16"}).warnings)


def test_what_is_left_out_is_a_warning(smtp_in: Environment) -> None:
    timer, users = load(smtp_in).warnings
    assert timer.startswith("SQS_QUEUE_URL: ")
    assert "timer only" in timer
    assert users.startswith("COGNITO_POOL_ID: ")
    assert "users are taken as present" in users


def test_nothing_left_out_is_no_warning(imap: Environment) -> None:
    assert load(imap | {"SQS_QUEUE_URL": "http://127.0.0.1:5000/123456789012/queue"}).warnings == ()


def test_an_unknown_variable_of_ours_is_a_warning_with_the_nearest_name(imap: Environment) -> None:
    warnings = load(imap | {"RECONFIGURE_POLL_SECOND": "3", "SOMETHING_ELSE": "x"}).warnings
    assert "RECONFIGURE_POLL_SECOND: no such setting, ignored (did you mean RECONFIGURE_POLL_SECONDS?)" in warnings
    assert not any("SOMETHING_ELSE" in warning for warning in warnings)


@pytest.mark.parametrize(
    "text", ["none", "hc-ping.com/uuid", "ftp://hc-ping.com/uuid", "https://", "https://a b", "http://x\n"]
)
def test_a_ping_url_that_is_not_http_means_no_pings_and_a_warning_that_does_not_show_it(
    imap: Environment, text: str
) -> None:
    settings = load(imap | {"HEALTHCHECK_PING_URL": text})
    assert settings.healthcheck_ping_url is None
    (warning,) = (line for line in settings.warnings if line.startswith("HEALTHCHECK_PING_URL: "))
    assert text not in warning


def test_networks_that_may_deliver_are_ipv4_and_none_where_none_are_named(imap: Environment) -> None:
    assert load(imap).delivery_prefixes == ()
    given = "10.1.2.128/25 10.7.0.0/16 192.0.2.1"
    shown = load(imap | {"RECONFIGURE_DELIVERY_NETWORKS": given}).delivery_prefixes
    assert shown == (*(f"10.1.2.{number}" for number in range(128, 256)), "10.7", "192.0.2.1")
    everybody = load(imap | {"RECONFIGURE_DELIVERY_NETWORKS": "0.0.0.0/0"}).delivery_prefixes
    assert everybody == tuple(str(number) for number in range(256))
    [problem] = problems_of(imap | {"RECONFIGURE_DELIVERY_NETWORKS": "10.0.0.0/8 2001:db8::/56"})
    assert problem.startswith("RECONFIGURE_DELIVERY_NETWORKS: holds an IPv6 network")
