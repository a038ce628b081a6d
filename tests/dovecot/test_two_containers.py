"""Two containers on one volume: as during a deployment, or for good."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.dovecot.clients import Tier, letter, subjects

EACH = 60
COMPLAINTS = re.compile(r"(?i)corrupt|broken|stale|panic|assert|Fatal|lock.*(timeout|failed)|duplicate|unexpectedly")


def test_both_deliver_and_read_at_once_and_nothing_is_lost_or_doubled(imap: Tier, second: Tier) -> None:
    wanted = {f"{tier.service}-{each}" for tier in (imap, second) for each in range(EACH)}

    def deliver(tier: Tier) -> list[str]:
        texts = [letter(f"{tier.service}-{each}") for each in range(EACH)]
        return [said["erin"] for said in tier.deliver_all(["erin"], texts)]

    def read(tier: Tier) -> dict[int, str]:
        seen: dict[int, str] = {}
        with tier.session("erin") as client:
            for turn in range(1000):
                now = subjects(client)
                # A UID once given means the same message for ever, wherever it is asked for.
                assert {uid: now[uid] for uid in seen.keys() & now.keys()} == {
                    uid: seen[uid] for uid in seen.keys() & now.keys()
                }
                seen.update(now)
                client.store("1:*", "+FLAGS" if turn % 2 else "-FLAGS", "\\Flagged")
                if wanted <= set(now.values()):
                    break
        return seen

    with ThreadPoolExecutor(4) as pool:
        delivering = [pool.submit(deliver, tier) for tier in (imap, second)]
        reading = [pool.submit(read, tier) for tier in (imap, second)]
        answers = [answer for each in delivering for answer in each.result()]
        first_view, second_view = [each.result() for each in reading]

    assert Counter(answer[:3] for answer in answers) == {"250": 2 * EACH}
    assert first_view == second_view
    assert Counter(subject for subject in first_view.values() if subject in wanted) == dict.fromkeys(wanted, 1)
    said = [line for tier in (imap, second) for line in tier.world.logs(tier.service).splitlines()]
    assert [line for line in said if "erin" in line and COMPLAINTS.search(line)] == []


def test_a_flag_set_in_one_is_seen_in_the_other(imap: Tier, second: Tier) -> None:
    imap.deliver("heidi", text=letter("to flag"))
    with imap.session("heidi") as here, second.session("heidi") as there:
        here.store("1", "+FLAGS", "(\\Flagged Keyword)")
        there.check()
        assert b"\\Flagged" in there.fetch("1", "(FLAGS)")[1][0]  # type: ignore[operator]
        assert b"Keyword" in there.fetch("1", "(FLAGS)")[1][0]  # type: ignore[operator]
