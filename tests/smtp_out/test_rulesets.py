"""Who may send as whom and to whom on submission, asked of the image's own sendmail.cf by `sendmail -bt`."""

import re
from pathlib import Path

import pytest

from tests.sendmail.configured import Configured, configure

OWN = "shop@acme.example.com"
OTHERS = "bob@example.net"
JUDGED = ".D{envelope}judged"

ALLOWED = [
    ("shop@acme.example.com", "alice"),
    ("SHOP@ACME.example.COM", "Alice"),
    ("shop+tag@acme.example.com", "alice"),
    ("shop+a+b@acme.example.com", "alice"),
    ("team@acme.example.com", "alice"),
    ("team@acme.example.com", "bob"),
    ("half@acme.example.com", "carol"),
    ("o'neil.99_x=y&z~w-v@acme.example.com", "bob"),
    ("shop@acme.example.com.", "alice"),
    ('"shop"@acme.example.com', "alice"),
    # RFC 5321 appendix C: a route is taken and left out.
    ("@evil.test:shop@acme.example.com", "alice"),
]
REFUSED = [
    ("shop@acme.example.com", "bob"),
    ("shop@acme.example.com", "*"),
    ("shop@acme.example.com", "alice@acme.example.com"),
    ("sold@acme.example.com", "alice"),
    ("gone@acme.example.com", "grace"),
    ("half@acme.example.com", "grace"),
    ("none@acme.example.com", "alice"),
    ("someone@elsewhere.test", "alice"),
    ("shop@acme.example.com.evil.test", "alice"),
    ("shop%acme.example.com@evil.test", "alice"),
    ("shop@acme.example.com!alice", "alice"),
    ("shop@acme.example.com@evil.test", "alice"),
    ("@evil.test:shop@acme.example.com", "bob"),
    ("shop+x:bob@acme.example.com", "alice"),
    ("shop+:MAILER-DAEMON@acme.example.com", "alice"),
    ("shop+[1]:bob@acme.example.com", "alice"),
    ('shop+x:"ceo"@acme.example.com', "alice"),
    ('"shop+x:ceo"@elsewhere.test', "alice"),
    ("shop+@evil.test@acme.example.com", "alice"),
    ("+shop@acme.example.com", "alice"),
    ("shop", "alice"),
    ("alice", "alice"),
    ("bob@example.net+@acme.example.com", "alice"),
]

GOOD_FROM = [
    OWN,
    f"<{OWN}>",
    f"Shop <{OWN}>",
    f"Shop<{OWN}>",
    "SHOP <SHOP+news@ACME.example.com>",
    f"Dr. O'Shop & Co <{OWN}>",
    f'"Shop, {OTHERS} (the <b>ig> one)" <{OWN}>',
    f'"say \\"hello\\"" <{OWN}>',
    f"=?utf-8?q?bob=40example=2Enet?= =?utf-8?b?w6k=?= <{OWN}>",
    f"  Shop   <{OWN}>  ",
]
BAD_FROM = [
    OTHERS,
    f"Shop <{OTHERS}>",
    f'"{OWN}" <{OTHERS}>',
    f"{OWN}, {OTHERS}",
    f"{OTHERS}, {OWN}",
    f"<{OWN}>, <{OTHERS}>",
    f"<{OWN}> <{OTHERS}>",
    f"<{OTHERS}> <{OWN}>",
    f"{OTHERS} <{OWN}>",
    f"<{OWN}> {OTHERS}",
    f"Team: {OWN};",
    f"Team: {OTHERS}, {OWN};",
    f"({OTHERS}) {OWN}",
    f"{OWN} (Shop)",
    f'"a <{OTHERS}>, "b" <{OWN}>',
    f'"a\\" <{OTHERS}>, "b" <{OWN}>',
    f'\\"a <{OTHERS}>, b\\" <{OWN}>',
    f'"<{OTHERS}" {OWN}',
    f"<@evil.test:{OWN}>",
    '<"shop"@acme.example.com>',
    "sh op@acme.example.com",
    "<sh op@acme.example.com>",
    "<shop @acme.example.com>",
    "<shop@acme.example com>",
    f"shop+<{OTHERS}>@acme.example.com",
    f"{OWN}.",
    "shop",
    "<>",
    "=?utf-8?q?shop=40acme.example.com?=",
]

TO = {
    "shop@acme.example.com": "OK",
    "SHOP+tag@acme.example.com": "OK",
    "none@acme.example.com": "550 5.1.1",
    "sold@acme.example.com": "550 5.2.1",
    "gone@acme.example.com": "450 4.2.1",
    "someone@elsewhere.test": "OK",
    "someone@smtp-out.control.example": "550 5.1.1",
    "someone%elsewhere.test@smtp-out.control.example": "550 5.1.1",
    "someone@localhost": "550 5.1.1",
    "someone@[127.0.0.1]": "550 5.1.",
    "someone": "550 5.1.3",
    '"|/bin/sh"@localhost': "550 5.1.1",
}


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> Configured:
    return configure("smtp-out", tmp_path_factory.mktemp("smtp-out"))


def answer(said: str, ruleset: str) -> str:
    """Return what a ruleset answered: `OK`, or the code and the enhanced code of an error, which must say why."""
    [returned] = re.findall(rf"^{ruleset} +returns: (.*)$", said, re.MULTILINE)
    error = re.fullmatch(r'\$# error \$@ (\d) \. (\d) \. (\d) \$: "?(\d{3}) .{10,}"?', returned)
    if error:
        return f"{error[4]} {error[1]}.{error[2]}.{error[3]}"
    return str(returned).replace("$# ", "").strip()


def header(submission: Configured, value: str, user: str) -> str:
    quoted = value.replace('"', '\\"')
    macros = (f".D{{auth_authen}}{user}", f'.D{{currHeader}}" {quoted}"', f".D{{hdrlen}}{len(value) + 1}")
    # Address test mode takes what a comma parts for several addresses; here it is the field as a whole that counts.
    said = submission.said(*macros, f"FromHeader {value if value.count(',') == 0 else OWN}")
    return answer(said, "FromHeader")


@pytest.mark.parametrize(("address", "user"), ALLOWED)
def test_a_user_may_send_from_an_address_of_their_own(submission: Configured, address: str, user: str) -> None:
    said = submission.said(f".D{{auth_authen}}{user}", f"Local_check_mail <{address}>")
    assert answer(said, "Local_check_mail") == "OK"


@pytest.mark.parametrize(("address", "user"), REFUSED)
def test_nobody_may_send_from_an_address_that_is_not_theirs(submission: Configured, address: str, user: str) -> None:
    said = submission.said(f".D{{auth_authen}}{user}", f"Local_check_mail <{address}>")
    assert answer(said, "Local_check_mail") in {"550 5.7.1", "553 5.1.3"}  # not one's own, or no address at all


def test_the_empty_sender_of_notifications_is_allowed(submission: Configured) -> None:
    said = submission.said(".D{auth_authen}alice", "Local_check_mail <>")
    assert answer(said, "Local_check_mail") == "OK"


@pytest.mark.parametrize("value", GOOD_FROM)
def test_a_from_with_one_address_of_ones_own_is_taken(submission: Configured, value: str) -> None:
    assert header(submission, value, "alice") == "OK"


@pytest.mark.parametrize("value", GOOD_FROM)
def test_the_same_from_is_refused_to_somebody_else(submission: Configured, value: str) -> None:
    assert header(submission, value, "bob") == "550 5.7.1"


@pytest.mark.parametrize("value", BAD_FROM)
def test_a_from_that_names_or_could_be_read_as_naming_another_is_refused(submission: Configured, value: str) -> None:
    assert header(submission, value, "alice") in {"550 5.7.1", "550 5.6.0"}


def test_a_from_that_sendmail_may_have_cut_off_is_refused(submission: Configured) -> None:
    said = submission.said(".D{auth_authen}alice", f'.D{{currHeader}}" {OWN}"', ".D{hdrlen}501", f"FromHeader {OWN}")
    assert answer(said, "FromHeader") == "550 5.6.0"


def test_a_second_from_is_refused_however_good(submission: Configured) -> None:
    macros = (".D{auth_authen}alice", f'.D{{currHeader}}" {OWN}"', ".D{hdrlen}22")
    said = submission.said(*macros, f".D{{sender}}{OWN}", f"FromHeader {OWN}")
    assert answer(said, "FromHeader") == "550 5.6.0"


def test_a_message_without_a_from_that_was_found_good_is_refused(submission: Configured) -> None:
    assert answer(submission.said("check_eoh 5 $| 100"), "check_eoh") == "550 5.6.0"
    assert answer(submission.said(f".D{{sender}}{OWN}", "check_eoh 5 $| 100"), "check_eoh") == "OK"


def test_a_list_of_senders_that_cannot_be_read_puts_mail_off(tmp_path: Path) -> None:
    submission = configure("smtp-out", tmp_path)
    (submission.maps / "senders.db").unlink()
    said = submission.said(".D{auth_authen}alice", f"Local_check_mail <{OWN}>")
    assert answer(said, "Local_check_mail") == "451 4.3.0"
    assert header(submission, OWN, "alice") == "451 4.3.0"


@pytest.mark.parametrize(("address", "wanted"), TO.items())
def test_recipients_are_the_hosted_ones_that_take_mail_and_the_world(
    submission: Configured, address: str, wanted: str
) -> None:
    said = submission.said(".D{auth_type}PLAIN", JUDGED, f"Local_check_rcpt <{address}>")
    assert answer(said, "Local_check_rcpt").startswith(wanted)


def test_a_sender_that_was_not_judged_has_no_recipients(submission: Configured) -> None:
    said = submission.said(".D{auth_type}PLAIN", "Local_check_rcpt <someone@elsewhere.test>")
    assert answer(said, "Local_check_rcpt") == "550 5.7.1"


def test_the_world_is_for_those_who_logged_in(submission: Configured) -> None:
    said = submission.said(JUDGED, "Local_check_rcpt <someone@elsewhere.test>")
    assert answer(said, "Local_check_rcpt") == "550 5.7.1"
