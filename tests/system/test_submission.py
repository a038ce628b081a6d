"""Who may send what as whom, and that nothing leaves unsigned: submission as users, and those who are none, see it."""

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system import dialogue
from tests.system.dialogue import NotTakenError, Reply
from tests.system.letters import Letter, new_ident
from tests.system.mail import PASSWORD, Mail
from tests.system.patience import until
from tests.system.signatures import Signature, signatures


def _signatures(mail: Mail, letter: Letter) -> list[Signature]:
    return signatures(mail.sent(letter).data, txt=mail.world.dns.txt)


def _answer(mail: Mail, letter: Letter) -> Reply:
    """Return the answer to a letter of Alice, at whichever step it was refused."""
    try:
        return mail.submit(letter, "alice")
    except NotTakenError as error:
        return error.reply


@pytest.mark.parametrize(
    ("user", "address"),
    [
        ("alice", "alice@example.com"),
        ("alice", "shop@acme.example.com"),
        ("alice", "shop+invoices@acme.example.com"),
        ("alice", "team@acme.example.com"),
        ("bob", "team@acme.example.com"),
        ("carol", "bees@garden.example.org"),
        ("erin", "family@example.net"),
    ],
)
def test_user_sends_from_an_own_or_shared_address_signed_once_for_its_domain(
    mail: Mail, user: str, address: str
) -> None:
    letter = Letter.to("friend@world.test", sender=address)

    said = mail.submit(letter, user)

    assert said.good, said
    assert _signatures(mail, letter) == [Signature(address.rpartition("@")[2], "cabal", valid=True)]


@pytest.mark.parametrize("port", ["587", "465"])
def test_both_ports_take_mail_of_who_has_logged_in(mail: Mail, port: str) -> None:
    letter = Letter.to("friend@elsewhere.test", sender="bob@example.com")

    assert mail.submit(letter, "bob", implicit=port == "465").good

    assert [each.valid for each in _signatures(mail, letter)] == [True]


def test_long_lines_eight_bit_text_and_leading_dots_arrive_with_a_signature_that_holds(mail: Mail) -> None:
    body = "\r\n".join(("x" * 900, ".", "..", "Grüße aus dem Garten", "trailing blanks   ", "", ""))
    headers = ("MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit")
    letter = Letter(
        recipients=["friend@world.test"], sender="carol@example.com", ident=new_ident(), headers=headers, body=body
    )

    assert mail.submit(letter, "carol").good

    assert [each.valid for each in _signatures(mail, letter)] == [True]
    assert "Grüße".encode() in mail.sent(letter).data


@pytest.mark.parametrize(
    "address",
    [
        "alice@example.com",  # another's
        "newsletter@acme.example.com",  # suspended
        "nobody@example.com",  # unknown
        "someone@elsewhere.test",  # not hosted
        "bob@acme.example.com",  # own name, no such address
        "team@example.com",  # shared, in another domain
    ],
)
@pytest.mark.parametrize("place", ["envelope", "From"])
def test_user_does_not_send_as_somebody_else_and_is_told_which_address(mail: Mail, address: str, place: str) -> None:
    own = "bob@example.com"
    sender, header = (address, own) if place == "envelope" else (own, address)
    letter = Letter(recipients=["friend@world.test"], sender=sender, header_from=f"Bob <{header}>")

    said = mail.submit(letter, "bob")

    assert said.verdict == "550 5.7.1", said
    assert address in said.text
    assert not mail.on_the_internet(letter.ident)


@pytest.mark.parametrize(
    "written",
    [
        "bob+x:alice@example.com",
        "bob+:MAILER-DAEMON@example.com",
        "bob+[1]:alice@example.com",
        'bob+x:"ceo"@example.com',
        "<bob+x:alice@example.com>",
        '<bob+x:"ceo"@example.com>',
        "<bob@example.com><alice@example.com>",
        "(x)",
        "\\",
    ],
)
def test_no_way_of_writing_a_sender_makes_another_the_envelopes(mail: Mail, written: str) -> None:
    with dialogue.session(mail.doors[Tier.SMTP_OUT], user="bob", password=PASSWORD) as talk:
        said = talk.step("mail", f"MAIL FROM:{written}")
        if said.good:
            said = talk.rcpt("friend@world.test")

    assert not said.good, f"taken: {said}"
    assert said.code // 100 == 5, said


def test_envelope_may_be_empty_for_a_disposition_notification_but_not_the_author_another(mail: Mail) -> None:
    good = Letter(recipients=["friend@world.test"], sender="", header_from="<bob@example.com>")
    bad = Letter(recipients=["friend@world.test"], sender="", header_from="<alice@example.com>")

    assert mail.submit(good, "bob").good
    assert mail.submit(bad, "bob").verdict == "550 5.7.1"

    assert [each.valid for each in _signatures(mail, good)] == [True]


@pytest.mark.parametrize(
    "header",
    [
        "<bob@example.com>, <alice@example.com>",
        "<alice@example.com>, <bob@example.com>",
        "Friends: <bob@example.com>, <alice@example.com>;",
        "bob@example.com <alice@example.com>",
        '"<bob@example.com>" <alice@example.com>',
        "<bob@example.com> <alice@example.com>",
        "alice@example.com (<bob@example.com>)",
        "=?utf-8?q?x?= <alice@example.com>",
        "<bob@example.com>\r\nFrom: <alice@example.com>",
        "<alice@example.com>\r\nFrom: <bob@example.com>",
        "<@bob.example.com,@example.com:alice@example.com>",
        "<bob@example.com>\r\n , alice@example.com",
    ],
)
def test_header_tricks_do_not_make_another_the_author(mail: Mail, header: str) -> None:
    letter = Letter(recipients=["friend@world.test"], sender="bob@example.com", header_from=header)

    said = mail.submit(letter, "bob")

    assert not said.good, f"taken: {said}"
    assert said.code // 100 == 5, said
    assert not mail.on_the_internet(letter.ident)


@pytest.mark.parametrize("port", ["587", "465"])
def test_nobody_sends_without_logging_in(mail: Mail, port: str) -> None:
    tls = "implicit" if port == "465" else "starttls"
    with dialogue.session(mail.door(Tier.SMTP_OUT, port=int(port), tls=tls)) as talk:
        said = talk.mail("alice@example.com")

    assert said.verdict == "530 5.7.0", said


def test_password_is_neither_asked_for_nor_taken_before_tls(mail: Mail) -> None:
    with dialogue.session(mail.door(Tier.SMTP_OUT, tls="none")) as talk:
        assert not talk.smtp.has_extn("auth")
        assert talk.smtp.has_extn("starttls")
        assert not talk.login("alice", PASSWORD).good


def test_both_plain_and_login_work_and_nothing_else_is_offered(mail: Mail) -> None:
    with dialogue.session(mail.doors[Tier.SMTP_OUT]) as talk:
        assert set(talk.smtp.esmtp_features["auth"].split()) == {"PLAIN", "LOGIN"}
        assert talk.login("alice", PASSWORD, mechanism="LOGIN").good


def test_old_tls_is_not_spoken(mail: Mail) -> None:
    for version in ("-tls1", "-tls1_1"):
        done = mail.world.try_exec(
            "smtp-out", "sh", "-c", f"echo QUIT | openssl s_client {version} -connect 127.0.0.1:465 2>&1"
        )
        assert "Cipher is (NONE)" in done.stdout or "no protocols available" in done.stdout, done.stdout[-500:]


def test_without_the_signer_mail_is_put_off_and_with_it_again_leaves_signed(world: World, mail: Mail) -> None:
    refused = Letter.to("friend@world.test", sender="alice@example.com")
    world.exec("smtp-out", "supervisorctl", "stop", "mail:opendkim")
    try:
        said = _answer(mail, refused)
    finally:
        world.exec("smtp-out", "supervisorctl", "start", "mail:opendkim")

    assert said.code // 100 == 4, said
    until(lambda: _answer(mail, refused).good, "the signer is back", seconds=30)
    assert [each.valid for each in _signatures(mail, refused)] == [True]


def test_signer_that_goes_away_in_the_middle_of_a_session_lets_nothing_out_unsigned(world: World, mail: Mail) -> None:
    letter = Letter.to("friend@world.test", sender="bob@example.com")
    with dialogue.session(mail.doors[Tier.SMTP_OUT], user="bob", password=PASSWORD) as talk:
        assert talk.mail(letter.sender).good
        assert talk.rcpt("friend@world.test").good
        world.exec("smtp-out", "supervisorctl", "stop", "mail:opendkim")
        try:
            said = talk.data(letter.text)
        finally:
            world.exec("smtp-out", "supervisorctl", "start", "mail:opendkim")

    assert said.code // 100 == 4, said
    assert not mail.on_the_internet(letter.ident)


def test_mail_that_the_world_puts_off_waits_in_the_queue_and_leaves_signed_once(world: World, mail: Mail) -> None:
    letter = Letter.to("slow@world.test", sender="alice@example.com")
    world.sink.behave("tempfail", "slow@world.test")
    try:
        assert mail.submit(letter, "alice").good
        assert not mail.on_the_internet(letter.ident)
    finally:
        world.sink.behave("accept")

    assert [each.valid for each in _signatures(mail, letter)] == [True]


@pytest.mark.parametrize("name", ["alice@example.com", "alice*admin", "alice/bob", "alice+tag", ""])
def test_name_that_is_no_users_logs_nobody_in(mail: Mail, name: str) -> None:
    with dialogue.session(mail.doors[Tier.SMTP_OUT]) as talk:
        assert not talk.login(name, PASSWORD).good


@pytest.mark.parametrize("name", [" alice", "alice ", "alice\t", "alice@", "ALICE"])
def test_name_written_otherwise_is_at_most_the_user_whose_password_it_is(mail: Mail, name: str) -> None:
    """The SASL library takes white space and an empty realm away, and case does not matter to Cognito's users."""
    with dialogue.session(mail.doors[Tier.SMTP_OUT]) as talk:
        if talk.login(name, PASSWORD).good:
            assert not (talk.mail("bob@example.com").good and talk.rcpt("friend@world.test").good)
