"""What one account sends, by the real sendmail with the tier's own configuration, which asks the real helper."""

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconfigure.sending.limits import Granted, Limits, Sent
from reconfigure.settings import Tier
from tests.login.conftest import Helper, serve_users
from tests.sendmail.configured import configure
from tests.sendmail.test_flip import sendmail

Start = Callable[..., Helper]
Until = Callable[[Callable[[], bool]], None]

OWN = {"alice": "shop@acme.example.com", "bob": "bob@example.net"}


class Submission:
    """The tier's sendmail, whose sessions are those of whoever is named, and which keeps what it takes."""

    def __init__(self, helper: Helper, folder: Path) -> None:
        self.helper = helper
        self.folder = configure("smtp-out", folder, filters={"login": helper.sockets / "gate"}).folder
        (self.folder / "queue").mkdir(mode=0o700)

    @contextmanager
    def session(self, user: str) -> Iterator[Callable[[str], str]]:
        """Open a session of somebody's, to say a line, or a whole message, and hear the last line of the answer."""
        own = ("-ODeliveryMode=queue", "-M{auth_type}PLAIN", f"-M{{auth_authen}}{user}")
        with subprocess.Popen(
            sendmail(self.folder, "-bs", *own), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            said, heard = process.stdin, process.stdout

            def say(line: str) -> str:
                said.write(f"{line}\r\n")
                said.flush()
                return next(answer.rstrip() for answer in heard if answer[3:4] != "-")

            assert next(heard).startswith("220 ")
            assert say("EHLO client.example").startswith("250 ")
            yield say
            said.close()

    def sends(self, user: str, messages: int, *, recipients: int = 1) -> list[str]:
        """Return the first answer to each message that is not good, or the one to its end."""
        with self.session(user) as say:
            return [_first_bad(map(say, message(user.lower(), recipients)), say) for _ in range(messages)]

    def queued(self) -> int:
        return len(list((self.folder / "queue").glob("qf*")))


def _first_bad(answers: Iterator[str], say: Callable[[str], str]) -> str:
    answer = ""
    for answer in answers:
        if answer[:1] not in {"2", "3"}:
            say("RSET")
            break
    return answer


def message(user: str, recipients: int = 1) -> list[str]:
    to = [f"RCPT TO:<friend{number}@elsewhere.test>" for number in range(recipients)]
    return [f"MAIL FROM:<{OWN[user]}>", *to, "DATA", f"From: {OWN[user]}\r\nSubject: hello\r\n\r\nHello.\r\n."]


def limited(helper: Helper) -> list[dict[str, Any]]:
    return [line for line in helper.log() if line["event"] == "sending_limited"]


def codes(answers: Sequence[str]) -> Counter[str]:
    return Counter(answer[:9] if answer[:1] == "4" else answer[:3] for answer in answers)


@pytest.fixture
def submission(start: Start, tmp_path: Path) -> Callable[..., Submission]:
    def make(**sending: str) -> Submission:
        return Submission(start(Tier.SMTP_OUT, sending=sending), tmp_path / "submission")

    return make


def test_an_account_sends_as_many_messages_a_day_as_it_may_and_hears_why_it_may_no_more(
    submission: Callable[..., Submission],
) -> None:
    tier = submission(messages_day="3")
    answers = tier.sends("bob", 5)
    assert codes(answers) == {"250": 3, "451 4.7.1": 2}
    assert "has sent 3 messages in 24 hours" in answers[-1]
    assert tier.queued() == 3
    assert codes(tier.sends("alice", 1)) == {"250": 1}, "another's account is full, too"


def test_an_account_is_named_in_the_log_once_and_not_for_each_message(submission: Callable[..., Submission]) -> None:
    tier = submission(messages_day="1", messages_minute="1")
    for _ in range(3):
        tier.sends("bob", 2)
    tier.sends("alice", 2)
    said = [(line["user"], line["limit"], line["of"], line["per"]) for line in limited(tier.helper)]
    assert said == [("bob", 1, "messages", "day"), ("alice", 1, "messages", "day")]


def test_recipients_count_over_all_messages_and_those_that_fit_are_taken(
    submission: Callable[..., Submission],
) -> None:
    tier = submission(recipients_day="5")
    assert codes(tier.sends("bob", 1, recipients=3)) == {"250": 1}
    with tier.session("bob") as say:
        answers = [say(line) for line in message("bob", 3)]
    assert [answer[:3] for answer in answers] == ["250", "250", "250", "451", "354", "250"]
    assert "has written to 5 recipients in 24 hours" in answers[3]
    assert tier.sends("bob", 1)[0].startswith("451 4.7.1"), "MAIL is answered before anybody writes a message in vain"


def test_nobody_sends_to_hundreds_in_a_moment(submission: Callable[..., Submission]) -> None:
    tier = submission(recipients_minute="7")
    answers = tier.sends("bob", 9)
    assert codes(answers) == {"250": 7, "451 4.7.1": 2}
    assert "in a minute" in answers[-1]


def test_a_message_has_no_more_recipients_than_it_may(submission: Callable[..., Submission]) -> None:
    with submission().session("bob") as say:
        answers = [say(line) for line in message("bob", 102)]
    assert Counter(answer[:9] for answer in answers[1:103] if answer[:3] != "250") == {"452 4.5.3": 2}
    assert answers[-1].startswith("250 ")


def test_many_sessions_at_once_have_no_more_than_one(submission: Callable[..., Submission]) -> None:
    tier = submission(recipients_day="25")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: tier.sends("bob", 3, recipients=2), range(8)))
    taken = codes([answer for each in answers for answer in each])["250"]
    assert 0 < taken <= 12
    # What half fitted while others were at it was given back.
    taken += codes(tier.sends("bob", 13, recipients=2))["250"]
    assert taken == tier.queued() == 12


def test_what_comes_to_nothing_does_not_count(submission: Callable[..., Submission]) -> None:
    tier = submission(messages_day="2", recipients_day="2")
    begun = message("bob")[:2]
    for end in ("RSET", "EHLO again.example", None):  # given up, begun anew, and hung up
        with tier.session("bob") as say:
            assert [say(line)[:3] for line in begun] == ["250", "250"]
            if end is not None:
                assert say(end).startswith("250 ")
    assert codes(tier.sends("bob", 3)) == {"250": 2, "451 4.7.1": 1}


def test_a_name_in_capitals_is_no_other_account(submission: Callable[..., Submission]) -> None:
    tier = submission(messages_day="2")
    assert codes(tier.sends("bob", 1) + tier.sends("BOB", 1) + tier.sends("Bob", 1)) == {"250": 2, "451 4.7.1": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_new_process_goes_on_with_the_day(start: Start, until: Until, tmp_path: Path, number: signal.Signals) -> None:
    sending = {"messages_day": "3", "dir": str(tmp_path / "kept")}
    first = Submission(start(Tier.SMTP_OUT, sending=sending), tmp_path / "first")
    assert codes(first.sends("bob", 2)) == {"250": 2}
    written = tmp_path / "kept/counts/counts.json"
    if number == signal.SIGKILL:  # SIGTERM lets it write by itself
        until(lambda: '"messages": {' in written.read_text() and sum(messages(written)) == 2)
    first.helper.process.send_signal(number)
    first.helper.process.wait(60)
    second = Submission(start(Tier.SMTP_OUT, sending=sending), tmp_path / "second")
    assert codes(second.sends("bob", 2)) == {"250": 1, "451 4.7.1": 1}


def messages(written: Path) -> list[int]:
    return list(json.loads(written.read_text())["accounts"]["bob"]["messages"].values())


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"accounts": 3, "refusals": {}}', '{"accounts": {"bob": 1}}'])
def test_counts_that_cannot_be_read_are_said_and_do_not_stop_mail(start: Start, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "kept/counts"
    folder.mkdir(parents=True)
    (folder / "counts.json").write_text(damage)
    helper = start(Tier.SMTP_OUT, sending={"messages_day": "1", "dir": str(tmp_path / "kept")})
    assert [line["level"] for line in helper.log() if line["event"] == "counts_forgotten"] == ["error"]
    assert codes(Submission(helper, tmp_path / "submission").sends("bob", 2)) == {"250": 1, "451 4.7.1": 1}


def own_limits(helper: Helper, generation: str, text: str) -> None:
    """Flip to a generation with these limits."""
    folder = helper.state / "generations" / generation / "sending"
    folder.mkdir(parents=True)
    (folder / "limits").write_text(text)
    serve_users(helper.state, "alice", "bob", generation=generation)


def test_a_users_own_limit_counts_from_the_flip_on(submission: Callable[..., Submission]) -> None:
    tier = submission(messages_day="2", recipients_day="2")
    assert codes(tier.sends("bob", 3)) == {"250": 2, "451 4.7.1": 1}
    with tier.session("bob") as say:  # a session that is open knows it, too
        own_limits(tier.helper, "2", "# Generated.\nbob\t4\n")
        assert [say(line)[:3] for line in message("bob")] == ["250", "250", "354", "250"]
    assert codes(tier.sends("bob", 2)) == {"250": 1, "451 4.7.1": 1}
    assert codes(tier.sends("alice", 3)) == {"250": 2, "451 4.7.1": 1}
    own_limits(tier.helper, "3", "alice\t3\nbob\t0\n")
    assert codes(tier.sends("alice", 2)) == {"250": 1, "451 4.7.1": 1}
    assert "0 messages" in tier.sends("bob", 1)[0]


@pytest.mark.parametrize("text", ["bob\t-1\n", "bob\t\n", "bob 9\n", "bob\t9e9\n", "\xe9\t9\nbob\t\xb9\n", "bob"])
def test_a_limit_that_cannot_be_read_is_the_one_of_all(text: str, tmp_path: Path) -> None:
    usual = Limits(day=Sent(1, 2), minute=Sent(3, 4))
    granted = Granted(tmp_path, usual)
    assert granted("bob") == usual
    (tmp_path / "current/sending").mkdir(parents=True)
    (tmp_path / "current/sending/limits").write_text(text, encoding="latin-1")
    assert granted("bob") == usual
