"""`reconfigure sending`: the real command on a real sendmail's queue, filled through the real login helper."""

import fcntl
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconfigure.sending.queued import MailQueue
from reconfigure.settings import Tier
from tests.login.conftest import Helper
from tests.login.test_sending import Submission, codes, message
from tests.sendmail.test_flip import sendmail

Start = Callable[..., Helper]


class Task:
    """A task of smtp-out: helper, sendmail with its queue, and an operator's shell."""

    def __init__(self, helper: Helper, folder: Path) -> None:
        self.submission = Submission(helper, folder / "submission")
        self.queue = self.submission.folder / "queue"
        self.sending = folder / "sending"
        self.tools = tools = folder / "bin"
        tools.mkdir()
        # The command finds sendmail by its name, as in the image; here that is one with this queue.
        real = shutil.which("sendmail")
        assert real is not None
        words = (real if word == "sendmail" else word for word in sendmail(self.queue.parent))
        (tools / "sendmail").write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (tools / "sendmail").chmod(0o755)
        self._environ = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "TIER": "smtp-out",
            "CERT_DOMAIN": "control.example",
            "AWS_REGION": "eu-west-1",
            "COGNITO_POOL_ID": "eu-west-1_pool",
            "COGNITO_CLIENT_ID": "client",
            "RECONFIGURE_STATE_DIR": str(helper.state),
            "RECONFIGURE_SENDING_DIR": str(self.sending),
            "RECONFIGURE_SENDING_RECIPIENTS_DAY": "4",
            "RECONFIGURE_MAIL_QUEUE_DIR": str(self.queue),
        }

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "reconfigure", "sending", *arguments],
            env={**self._environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def json(self, *arguments: str) -> dict[str, Any]:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def account(self, user: str) -> dict[str, Any]:
        [found] = [each for each in self.json("show")["accounts"] if each["user"] == user]
        return dict(found)

    def files(self, kind: str) -> int:
        return len(list(self.queue.glob(f"{kind}f*")))

    def run_the_queue(self) -> None:
        """Work the queue off: nothing is reached from here, so what is worked has been tried."""
        options = ("-q", "-OMinQueueAge=0", "-OTimeout.iconnect=1s", "-Odeliverymode=background", "-OQueueTimeout=1s")
        subprocess.run(sendmail(self.queue.parent, *options), check=False, capture_output=True, timeout=120)


@pytest.fixture
def task(start: Start, tmp_path: Path) -> Task:
    sending = {"dir": str(tmp_path / "sending"), "recipients_day": "4"}
    return Task(start(Tier.SMTP_OUT, sending=sending), tmp_path)


def test_it_says_who_has_sent_how_much(task: Task, until: Callable[[Callable[[], bool]], None]) -> None:
    assert task.json("show")["accounts"] == []
    assert "nobody has sent anything" in task.run().stdout
    task.submission.sends("alice", 1)
    task.submission.sends("bob", 3, recipients=2)

    def recipients() -> dict[str, int]:
        return {each["user"]: each["recipients"] for each in task.json("show")["accounts"]}

    until(lambda: recipients() == {"alice": 1, "bob": 4})
    first, second = task.json("show")["accounts"]
    assert (first["user"], first["recipients_limit"], first["state"], first["queued"]) == ("bob", 4, "limited", 2)
    assert first["refused"] > 0
    assert (second["user"], second["messages"], second["state"], second["quarantined"]) == ("alice", 1, "open", 0)
    shown = task.run().stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["account", "bob", "alice"]


def test_an_account_that_is_held_sends_nothing_more_even_in_a_session_that_is_open(task: Task) -> None:
    with task.submission.session("bob") as before, task.submission.session("bob") as within:
        assert [before(line)[:3] for line in message("bob")] == ["250", "250", "354", "250"]
        begin, to, data, text = message("bob")
        assert [within(line)[:3] for line in (begin, to, data)] == ["250", "250", "354"]
        assert task.json("hold", "Bob", "--reason", "sends spam") == {
            "user": "bob",
            "held": 1,
            "dropped": 0,
            "not_held": 0,
            "served": True,
        }
        assert within(text).startswith("451 4.7.1 This account may not send for now")
        assert before(begin).startswith("451 4.7.1 This account may not send for now")
    assert codes(task.submission.sends("bob", 2)) == {"451 4.7.1": 2}
    assert codes(task.submission.sends("alice", 1)) == {"250": 1}
    said = [line["user"] for line in task.submission.helper.log() if line["event"] == "sending_held"]
    assert said == ["bob"]
    found = task.account("bob")
    assert (found["state"], found["hold"]["why"], found["quarantined"]) == ("held", "sends spam", 1)
    assert "sends spam" in task.run("show").stdout


def test_what_is_held_is_the_accounts_own_whoever_it_is_from_and_no_run_of_the_queue_takes_it(task: Task) -> None:
    shared = [line.replace("bob@example.net", "team@acme.example.com") for line in message("bob")]
    for user in ("alice", "bob"):
        with task.submission.session(user) as say:
            assert [say(line)[:3] for line in shared] == ["250", "250", "354", "250"]
    with task.submission.session("bob") as say:
        notification = ["MAIL FROM:<>", *message("bob")[1:]]
        assert [say(line)[:3] for line in notification] == ["250", "250", "354", "250"]
    assert task.json("hold", "bob")["held"] == 2
    assert (task.files("h"), task.files("q")) == (2, 1)
    before = {path.name: path.read_bytes() for path in task.queue.glob("hf*")}
    task.run_the_queue()
    assert {path.name: path.read_bytes() for path in task.queue.glob("hf*")} == before
    [left] = task.queue.glob("qf*")
    assert b"${auth_authen}alice\n" in left.read_bytes()


def test_what_is_released_is_sent_and_may_send(task: Task) -> None:
    task.submission.sends("bob", 2)
    task.json("hold", "bob")
    assert task.json("release", "bob") == {"user": "bob", "was_held": True, "released": 2}
    assert (task.files("h"), task.files("q")) == (0, 2)
    assert codes(task.submission.sends("bob", 1)) == {"250": 1}
    assert task.json("release", "bob") == {"user": "bob", "was_held": False, "released": 0}


def test_dropping_wants_the_name_and_takes_all_of_that_account_and_no_more(task: Task) -> None:
    task.submission.sends("alice", 1)
    task.submission.sends("bob", 2)
    asked = task.run("hold", "bob", "--drop")
    assert (asked.returncode, task.files("q")) == (2, 3), asked.stderr
    wrong = task.run("hold", "bob", "--drop", "--yes", "alice")
    assert (wrong.returncode, task.files("q")) == (1, 3), wrong.stderr
    assert task.account("bob")["state"] == "open"
    assert task.json("hold", "bob", "--drop", "--yes", "bob")["dropped"] == 2
    assert [task.files(kind) for kind in "hqd"] == [0, 1, 1]
    assert task.account("bob")["state"] == "held"


def test_mail_in_another_quarantine_is_left_there(task: Task) -> None:
    task.submission.sends("bob", 1)
    subprocess.run(sendmail(task.queue.parent, "-Qsomebody else's reason", "-qS@"), check=True, timeout=60)
    assert task.json("hold", "bob", "--drop", "--yes", "bob")["dropped"] == 0
    assert task.json("release", "bob")["released"] == 0
    assert task.files("h") == 1


def test_what_is_being_delivered_is_said_and_held_once_it_is_free(task: Task) -> None:
    task.submission.sends("bob", 2)
    queue = MailQueue(task.queue, timeout=60, sendmail=[str(task.tools / "sendmail")])
    first = min(task.queue.glob("qf*"))
    with first.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)  # as a runner that delivers it
        fcntl.flock(file, fcntl.LOCK_EX)
        assert queue.hold("bob", patience=0) == 1
        assert [each.id for each in queue.of("bob") if not each.held] == [first.name.removeprefix("qf")]
    assert queue.hold("bob") == 0
    assert task.files("h") == 2


@pytest.mark.parametrize("name", ["../bob", "a b", "", "x" * 33, "bob\n"])
def test_what_is_no_name_is_refused(task: Task, name: str) -> None:
    for order in ("hold", "release"):
        assert task.run(order, "--", name).returncode == 2
    assert not (task.sending / "held").exists()


def test_a_name_that_nobody_has_is_held_and_said(task: Task) -> None:
    assert "no such user is served here" in task.run("hold", "nobody-here").stdout


def test_an_account_is_held_though_the_queue_cannot_be_reached(task: Task) -> None:
    done = task.run("hold", "bob", environ={"RECONFIGURE_MAIL_QUEUE_DIR": "/nowhere/mqueue"})
    assert (done.returncode, "bob is held" in done.stdout, "/nowhere/mqueue" in done.stderr) == (1, True, True)
    assert codes(task.submission.sends("bob", 1)) == {"451 4.7.1": 1}
    shown = task.run("show", "--json", environ={"RECONFIGURE_MAIL_QUEUE_DIR": "/nowhere/mqueue"})
    document = json.loads(shown.stdout)
    assert [(each["state"], each["queued"]) for each in document["accounts"]] == [("held", None)]
    assert "/nowhere/mqueue" in document["queue_error"]


def test_elsewhere_it_says_where_to_go(task: Task) -> None:
    done = task.run("show", environ={"TIER": "imap"})
    assert (done.returncode, "run this on smtp-out" in done.stderr) == (1, True)
