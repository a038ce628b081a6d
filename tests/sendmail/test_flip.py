"""Sessions while generations are flipped: a flip may fall anywhere, and no answer shows it."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.sendmail.configured import NAMED, Configured, configure

# Seconds between two flips: far more flips than any tier makes. The first leaves even a process that waits for its turn
# time to come to the second name; the second is for what is to be seen, and quickly.
GAP = 0.02
SHORT_GAP = 0.002
SESSIONS = 120
AT_ONCE = 6

FLIP = """
import os, sys, time
folder, gap = sys.argv[1], float(sys.argv[2])
while True:
    for generation in ("one", "two"):
        os.symlink(generation, f"{folder}/next")
        os.replace(f"{folder}/next", f"{folder}/current")
        time.sleep(gap)
"""

TAKEN = "<shop@acme.example.com>"
ANSWERS = {"smtp-in": {TAKEN: "250", "<none@acme.example.com>": "550", "<x@world.example>": "550"}}
ANSWERS["imap"] = ANSWERS["smtp-in"] | {"<none@acme.example.com>": "451 4.2.1"}


def two_generations(tier: str, folder: Path, **other: str) -> Configured:
    """Return a tier with two generations that say the same, and `current` a link to one of them."""
    made = configure(tier, folder, filters=None, **other)
    shutil.copytree(folder / "current", folder / "two")
    (folder / "current").rename(folder / "one")
    (folder / "current").symlink_to("one")
    (folder / "queue").mkdir(mode=0o700)
    return made


@contextmanager
def flipping(folder: Path, gap: float = GAP) -> Iterator[None]:
    """Flip from one generation to the other and back, every `gap` seconds."""
    flips = subprocess.Popen([sys.executable, "-c", FLIP, str(folder), str(gap)])
    try:
        yield
        assert flips.poll() is None, "the flips ended before the sessions did"
    finally:
        flips.kill()
        flips.wait()


def sendmail(folder: Path, *more: str) -> list[str]:
    quiet = [f"-OPidFile={folder}/pid", f"-OStatusFile={folder}/statistics", f"-OQueueDirectory={folder}/queue"]
    return [*NAMED, "sendmail", "-C", f"{folder}/sendmail.cf", *quiet, *more]


def session(folder: Path, lines: list[str], *options: str) -> list[str]:
    """Return the answer to each line of a session; a line may be a whole message."""
    command = sendmail(folder, "-bs", "-M{client_addr}127.0.0.1", *options)  # as of who may deliver on imap
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = [_answer(process.stdout)]
        for line in ["EHLO client.example", *lines, "QUIT"]:
            process.stdin.write(f"{line}\r\n")
            process.stdin.flush()
            answers.append(_answer(process.stdout))
    return answers[2:-1]


def _answer(lines: Iterator[str]) -> str:
    return next(line.rstrip() for line in lines if line[3:4] != "-")


def unexpected(folder: Path, tier: str) -> Counter[str]:
    """Return what sessions were told that they should not have been, and how often."""
    lines = ["MAIL FROM:<>", *(f"RCPT TO:{recipient}" for recipient in ANSWERS[tier])]
    expected = ["250", *ANSWERS[tier].values()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sessions = list(pool.map(partial(session, lines=lines), [folder] * SESSIONS))
    pairs = ((answer, want) for answers in sessions for answer, want in zip(answers, expected, strict=True))
    return Counter(answer for answer, want in pairs if not answer.startswith(want))


@pytest.mark.parametrize("tier", ["smtp-in", "imap"])
def test_no_flip_turns_a_recipient_away_or_lets_one_in(tier: str, tmp_path: Path) -> None:
    made = two_generations(tier, tmp_path)
    with flipping(made.folder):
        assert unexpected(made.folder, tier) == {}


def test_with_one_name_for_each_map_a_flip_is_seen(tmp_path: Path) -> None:
    """What the second names are for; without this the test above would prove nothing."""
    made = two_generations("imap", tmp_path)
    path = made.folder / "sendmail.cf"
    text = path.read_text(encoding="ascii")
    path.write_text(re.sub(r"\$\((\w+)_again ", r"$(\1 ", text), encoding="ascii")
    with flipping(made.folder, SHORT_GAP):
        found = unexpected(made.folder, "imap")
        assert found
        assert not [answer for answer in found if "Only the relays" in answer], "nothing was asked of a map"


def test_a_queue_run_that_flips_fall_into_loses_and_returns_nothing(tmp_path: Path) -> None:
    made = two_generations("smtp-in", tmp_path, imap_internal_host="127.0.0.1")  # where nothing answers
    queue = made.folder / "queue"
    mails = 20
    mail = ["MAIL FROM:<>", f"RCPT TO:{TAKEN}", "DATA", "Subject: a flip\r\n\r\nbody\r\n."]
    answers = session(made.folder, mail * mails, "-ODeliveryMode=queue")
    assert Counter(answer[:3] for answer in answers) == {"250": 3 * mails, "354": mails}
    before = sorted(path.name for path in queue.glob("qf*"))
    assert len(before) == mails
    with flipping(made.folder):
        for _ in range(4):
            subprocess.run(
                sendmail(made.folder, "-q", "-OMinQueueAge=0", "-OTimeout.iconnect=1s"),
                check=False,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=120,
                env={**os.environ, "LC_ALL": "C"},
            )
    after = {path.name: path.read_text(errors="replace") for path in queue.glob("qf*")}
    assert sorted(after) == before, "something left the queue, or a bounce came into it"
    assert all(re.search(rf"^RP\w*:{re.escape(TAKEN)}$", text, re.MULTILINE) for text in after.values())
