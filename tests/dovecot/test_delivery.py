import pytest

from tests.dovecot.clients import Tier, letter
from tests.system.patience import until


def test_mail_lies_in_the_users_own_maildir(imap: Tier) -> None:
    assert imap.deliver("bob", text=letter("first"))["bob"].startswith("250 ")
    assert "first" in imap.subjects("bob").values()
    owners = imap.shell("find /home/bob -mindepth 1 -printf '%U %m %y\\n' | sort -u | grep -v '^2002 [67]00 '  || true")
    assert owners in {"", "2002 444 f"}  # 444: the counter of UIDVALIDITY, whose name is its content


@pytest.mark.parametrize("who", ["nobody-here", "root", "dovecot", "nobody", "alice@example.com", "a/../b", "grace"])
def test_whoever_is_not_served_is_deferred_and_never_refused(imap: Tier, who: str) -> None:
    assert imap.deliver(who, text=letter("for nobody"))[who].startswith("451 ")


def test_a_detail_makes_no_folder(imap: Tier) -> None:
    imap.deliver("carol+Archive", text=letter("with detail"))
    with imap.session("carol") as client:
        folders = b" ".join(each for each in client.list()[1] if isinstance(each, bytes))
    assert "with detail" in imap.subjects("carol").values()
    assert b"Archive" not in folders


def test_one_bad_mailbox_stops_nobody_else(imap: Tier) -> None:
    imap.shell("rm -rf /home/dave/Maildir && touch /home/dave/Maildir")
    imap.shell("mv /home/erin /home/.away")
    try:
        said = imap.deliver("dave", "erin", "alice", text=letter("for three"))
    finally:
        imap.shell("rm /home/dave/Maildir; mv /home/.away /home/erin")
    assert {who: answer[:3] for who, answer in said.items()} == {"dave": "451", "erin": "451", "alice": "250"}
    again = imap.deliver("dave", "erin", text=letter("again"))
    assert {answer[:3] for answer in again.values()} == {"250"}


def test_users_come_and_go_by_the_flip_alone(imap: Tier) -> None:
    before = imap.world.programs("imap")["mail:dovecot"].pid
    admin = imap.world.admin

    admin.create_user("newcomer", 2777)
    until(lambda: imap.deliver("newcomer", text=letter("welcome"))["newcomer"].startswith("250 "), "delivered")
    assert "welcome" in imap.subjects("newcomer").values()
    with imap.session("newcomer") as still_open:
        admin.remove_user("newcomer")
        until(lambda: imap.refusal("newcomer") != "", "no login any more")
        assert "AUTHENTICATIONFAILED" in imap.refusal("newcomer")
        assert imap.deliver("newcomer", text=letter("too late"))["newcomer"].startswith("451 ")
        assert still_open.noop()[0] == "OK"

    assert imap.world.programs("imap")["mail:dovecot"].pid == before
