"""What the built configuration is, beyond addresses: no class files, no Jinja left over, TLS demanded of one host."""

import re
from pathlib import Path

import jinja2
import pytest

from tests.sendmail.configured import PAUSE, SETTINGS, Configured, built, configure

TIERS = ["smtp-in", "imap"]
VERIFIED = "DeliveryTier"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Configured:
    return configure("smtp-in", tmp_path_factory.mktemp("relay"))


def rendered(tier: str, folder: Path, **changed: object) -> str:
    settings = SETTINGS | {"host_name": f"{tier}.control.example", "state_dir": "/state"} | changed
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, autoescape=False)  # noqa: S701
    return environment.from_string(built(tier, folder)).render(settings=settings)


@pytest.mark.parametrize("tier", TIERS)
def test_nothing_is_read_once_at_start_but_the_configuration_itself(tier: str, tmp_path: Path) -> None:
    text = rendered(tier, tmp_path)
    assert re.findall(r"^F.*", text, re.MULTILINE) == []
    maps = re.findall(r"^K\w+ (?:btree|hash).* (/\S+)$", text, re.MULTILINE)
    assert maps
    assert all(path.startswith("/state/current/mail/") for path in maps)


@pytest.mark.parametrize("tier", TIERS)
def test_the_same_sources_make_the_same_bytes_anywhere(tier: str, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    assert built(tier, first) == built(tier, second)
    assert str(Path.home()) not in built(tier, first)


@pytest.mark.parametrize("tier", TIERS)
def test_settings_reach_the_configuration(tier: str, tmp_path: Path) -> None:
    text = rendered(tier, tmp_path, message_bytes=77_777, recipients_limit=7, connections_limit=8)
    assert f"\nDj{tier}.control.example\n" in text
    assert f"\nO MaxMessageSize={777770 if tier == 'imap' else 77777}\n" in text
    assert "\nO MaxRecipientsPerMessage=7\n" in text
    assert "\nO MaxDaemonChildren=8\n" in text
    assert "{{" not in text
    assert "{%" not in text


def test_verification_is_asked_for_only_when_it_is_on_and_never_stops_mail(tmp_path: Path) -> None:
    assert "\nO InputMailFilters=verdicts\n" in rendered("smtp-in", tmp_path)
    text = rendered("smtp-in", tmp_path, verify_headers=True)
    assert "\nO InputMailFilters=verdicts, opendkim, opendmarc, results\n" in text
    filters = re.findall(r"^Xopend.*", text, re.MULTILINE)
    assert len(filters) == 2
    assert not [line for line in filters if "F=" in line]


@pytest.mark.parametrize(("tier", "after"), [("smtp-in", ""), ("smtp-out", ", login, complete, opendkim")])
def test_what_comes_from_outside_is_shown_first_to_the_milter_that_takes_its_verdicts_away(
    tier: str, after: str, tmp_path: Path
) -> None:
    text = rendered(tier, tmp_path)
    assert re.findall(r"^O InputMailFilters=(.*)$", text, re.MULTILINE) == [f"verdicts{after}"]
    [line] = re.findall(r"^Xverdicts, .*", text, re.MULTILINE)
    assert "F=T" in line, "while it is away mail must be put off"
    # What cannot be shown to a milter must not be taken: a packet of its protocol has 65,535 bytes.
    assert 0 < int(re.findall(r"^O MaxHeadersLength=(\d+)$", text, re.MULTILINE)[0]) < 65_535


@pytest.mark.parametrize(
    ("names", "verify", "answer"),
    [
        ("imap.control.example", "OK", "OK"),
        ("mx.control.example imap.control.example", "OK", "OK"),
        ("*.control.example", "OK", "OK"),
        ("*.example", "OK", "454 4.7.0"),
        ("smtp-in.control.example", "OK", "454 4.7.0"),
        ("imap.control.example.evil.example", "OK", "454 4.7.0"),
        ("imap.control.example", "FAIL", "454 4.7.0"),
        ("imap.control.example", "NO", "454 4.7.0"),
        ("imap.control.example", "NONE", "454 4.7.0"),
        ("imap.control.example", "CLEAR", "454 4.7.0"),
        ("imap.control.example", "TEMP", "454 4.7.0"),
    ],
)
def test_hosted_mail_leaves_only_for_a_server_that_proved_to_be_the_delivery_tier(
    relay: Configured, names: str, verify: str, answer: str
) -> None:
    said = relay.said(*(f".C{{cert_altnames}}{name}" for name in names.split()), f"{VERIFIED} {verify}")
    last = re.findall(rf"^{VERIFIED} +returns: (.*)$", said, re.MULTILINE)[-1]
    assert last.startswith("OK" if answer == "OK" else "$# error $@ 4 . 7 . 0"), said


@pytest.mark.parametrize(("tier", "wait"), [("smtp-in", "2m"), ("smtp-out", "1m"), ("imap", "5m")])
def test_an_idle_session_ends_sooner_where_clients_are_strangers(tier: str, wait: str, tmp_path: Path) -> None:
    assert f"\nO Timeout.command={wait}\n" in rendered(tier, tmp_path)


def test_a_refused_recipient_costs_a_second_where_strangers_ask(tmp_path: Path) -> None:
    assert PAUSE in rendered("smtp-in", tmp_path)


def test_a_client_that_has_too_many_connections_open_is_told_to_close_some(relay: Configured) -> None:
    for count, refused in (("20", False), ("21", True)):
        said = relay.said(f".D{{client_connections}}{count}", "Local_check_relay anything")
        assert ("4 . 3 . 2" in said) is refused, said


def test_a_client_that_connects_too_often_is_told_to_come_later(relay: Configured) -> None:
    for rate, refused in (("60", False), ("61", True)):
        said = relay.said(f".D{{client_rate}}{rate}", "Local_check_relay anything")
        assert ("4 . 3 . 2" in said) is refused, said
