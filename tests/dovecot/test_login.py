import imaplib
import re
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.dovecot.clients import Tier
from tests.dovecot.conftest import OVERRIDE

MASTER = yaml.safe_load(Path(OVERRIDE).read_text())["services"]["imap"]["environment"]["MASTER_PASSWORD"]


def test_a_user_logs_in_and_finds_the_usual_folders_subscribed(imap: Tier) -> None:
    with imap.session("alice") as client:
        found = {re.sub(rb".* ", b"", each) for each in client.lsub()[1] if isinstance(each, bytes)}
    assert found >= {b"Drafts", b"Sent", b"Junk", b"Trash"}


def test_a_login_name_is_folded_to_lower_case(imap: Tier) -> None:
    assert imap.refusal("ALICE") == ""


@pytest.mark.parametrize(
    ("user", "password"),
    [
        pytest.param("bob", "wrong", id="wrong password"),
        pytest.param("bob@example.com", "Sample-passw0rd", id="an address is no login name"),
        pytest.param("grace", "Sample-passw0rd", id="disabled"),
        pytest.param("root", "Sample-passw0rd", id="an account of the system"),
    ],
)
def test_who_may_not_log_in_hears_that_it_failed(imap: Tier, user: str, password: str) -> None:
    assert "AUTHENTICATIONFAILED" in imap.refusal(user, password)


def test_without_tls_there_is_no_login(imap: Tier) -> None:
    client = imaplib.IMAP4(imap.ip, 143, timeout=30)
    assert "LOGINDISABLED" in client.capabilities
    assert not [each for each in client.capabilities if each.startswith("AUTH=")]
    with pytest.raises(imaplib.IMAP4.error, match=r"(?i)cleartext"):
        client.login("alice", "Sample-passw0rd")
    client.shutdown()


def test_after_starttls_there_is(imap: Tier) -> None:
    client = imaplib.IMAP4(imap.ip, 143, timeout=30)
    client.host = imap.world.name("imap")
    client.starttls(imap.world.tls)
    assert client.login("alice", "Sample-passw0rd")[0] == "OK"
    client.logout()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_before_1_2_is_not_spoken(imap: Tier) -> None:
    old = imap.world.tls
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    client = imaplib.IMAP4(imap.ip, 143, timeout=30)
    client.host = imap.world.name("imap")
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version|unsupported"):
        client.starttls(old)
    with suppress(OSError):  # the failed handshake has taken the socket with it
        client.shutdown()


def test_while_cognito_is_away_the_answer_is_later_not_wrong(imap: Tier) -> None:
    imap.world.aws_down()
    try:
        assert "UNAVAILABLE" in imap.refusal("heidi")  # nobody has logged in as heidi: no answer is remembered
    finally:
        imap.world.aws_up()


def test_the_master_user_reads_the_mail_of_a_served_user(imap: Tier) -> None:
    imap.deliver("dave", text="Subject: for dave\r\n\r\n")
    assert "for dave" in imap.subjects("dave*admin", MASTER).values()


@pytest.mark.parametrize("user", ["grace*admin", "root*admin", "dovecot*admin", "nobody*admin"])
def test_the_master_user_reaches_nobody_who_is_not_served(imap: Tier, user: str) -> None:
    with pytest.raises(imaplib.IMAP4.error), imap.session(user, MASTER) as client:
        client.list()


@pytest.mark.parametrize(("user", "password"), [("dave*admin", "wrong"), ("dave*dave", MASTER), ("admin", MASTER)])
def test_the_master_user_needs_name_and_password(imap: Tier, user: str, password: str) -> None:
    assert "AUTHENTICATIONFAILED" in imap.refusal(user, password)


def test_an_empty_password_is_nobodys(imap: Tier) -> None:
    # Dovecot's OAuth2 refuses to ask with one, and says "temporarily".
    assert imap.refusal("dave*admin", "")
    assert imap.refusal("dave", "")


def test_without_its_setting_there_is_no_master_user(second: Tier) -> None:
    assert "AUTHENTICATIONFAILED" in second.refusal("dave*admin", MASTER)


def test_guesses_at_the_master_password_end_in_a_pause_and_users_log_in_all_the_same(imap: Tier) -> None:
    assert "AUTHENTICATIONFAILED" in imap.refusal("dave*admin", "Guess number 0")
    # Dovecot waits before each of its answers, and the first pauses are over by then.
    assert any("UNAVAILABLE" in imap.refusal("dave*admin", f"Guess number {number}") for number in range(1, 20))
    assert imap.refusal("dave*admin", MASTER) == "", "from where it has logged in before"
    assert imap.refusal("dave") == ""


@pytest.mark.parametrize("typed", ["zebraword", "Zebra-Word", '"zebra word"', "zebra@word", "bob*zebraword", "x" * 300])
def test_what_is_typed_as_a_name_and_is_none_is_not_logged(imap: Tier, typed: str) -> None:
    assert imap.refusal(typed, "Guess-1")
    assert imap.refusal("carol") == ""
    logged = imap.world.logs("imap").casefold()
    assert "zebra" not in logged
    assert "xxxxxxxx" not in logged
    assert "carol" in logged


def test_the_master_password_lies_nowhere_in_clear_but_in_its_own_file(imap: Tier) -> None:
    found = imap.shell(f"grep -rl --devices=skip --binary-files=text '{MASTER}' /run /tmp /etc 2>/dev/null || true")
    assert found.split() == ["/run/reconfigure/secrets/master-password"]
    assert imap.shell("stat -c '%U %a' /run/reconfigure/secrets/master-password") == "root 600"
