"""What /metrics says: of every state the truth, by the names that alerts use, and of no person anything."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconfigure.sending import ledger
from reconfigure.sending.holds import Hold, Holds
from reconfigure.sending.limits import limits_of
from reconfigure.settings import load
from tests.cli.conftest import ADDRESSES, USERS
from tests.cli.sessions import occupied
from tests.observability.promtool import PROMTOOL, needs_promtool
from tests.web.conftest import Site


def test_what_is_live_is_counted(site: Site) -> None:
    samples = site.samples()
    assert samples["reconfigure_healthy"] == 1
    assert samples['reconfigure_state{state="ok"}'] == 1
    assert sum(value for name, value in samples.items() if name.startswith("reconfigure_state{")) == 1
    assert samples['reconfigure_generation_entries{map="passwd/passwd"}'] == len(USERS)
    assert samples['reconfigure_quarantined{reason="local-part-characters"}'] == 1
    assert (
        samples["reconfigure_last_success_timestamp_seconds"]
        >= samples["reconfigure_generation_created_timestamp_seconds"]
    )
    assert samples["reconfigure_held"] == samples["reconfigure_paused"] == samples["reconfigure_pinned"] == 0
    assert samples["reconfigure_interval_seconds"] == 900


def test_before_the_first_pass_nothing_is_claimed(environment: Any, serve: Callable[[], Site]) -> None:  # noqa: ARG001
    samples = serve().samples()
    assert samples["reconfigure_healthy"] == 0
    assert not [name for name in samples if "timestamp" in name or "entries" in name]


def test_a_held_generation_a_pause_and_a_pin_are_seen(held: Any, run: Any, serve: Callable[[], Site]) -> None:  # noqa: ARG001
    assert run("pause", "--for", "1h", "--reason", "look first").exit_code == 0
    samples = serve().samples()
    assert samples["reconfigure_held"] == samples["reconfigure_paused"] == 1
    assert samples['reconfigure_state{state="held"}'] == 1


def test_a_pin_is_seen(changed: Any, run: Any, serve: Callable[[], Site]) -> None:  # noqa: ARG001
    assert run("rollback", "--yes").exit_code == 0
    assert serve().samples()["reconfigure_pinned"] == 1


def test_a_daemon_that_is_down_is_seen_at_once(live: Any, supervise: Any, serve: Callable[[], Site]) -> None:  # noqa: ARG001
    supervise("[program:broken]\ncommand=/bin/false\nstartretries=0\n")
    samples = serve().samples()
    assert samples['reconfigure_daemon_up{program="mail:opendkim"}'] == 1
    assert samples['reconfigure_daemon_up{program="broken"}'] == 0
    assert samples["reconfigure_healthy"] == 0


def test_sessions_are_counted_as_the_kernel_has_them(live: Any, supervise: Any, serve: Callable[[], Site]) -> None:  # noqa: ARG001
    occupied(supervise)
    samples = serve().samples()
    assert samples['reconfigure_sessions{program="mail:sendmail"}'] == 2
    assert samples['reconfigure_sessions_limit{program="mail:sendmail"}'] == 100
    assert samples['reconfigure_sessions{program="mail:dovecot"}'] == 0


def test_what_accounts_send_is_told_in_numbers_alone(
    environment: pytest.MonkeyPatch, serve: Callable[[], Site], tmp_path: Path
) -> None:
    environment.setenv("TIER", "smtp-out")
    environment.setenv("RECONFIGURE_SENDING_DIR", str(tmp_path))
    environment.setenv("RECONFIGURE_SENDING_MESSAGES_DAY", "2")
    site = serve()
    assert not [name for name in site.samples() if "sending" in name]
    ledger.make_folder(tmp_path, user=None)
    written, limits = ledger.Ledger(tmp_path), limits_of(load(dict(os.environ)))
    for user, messages in (("alice", 1), ("bob", 3)):
        for _ in range(messages):
            written.counts.message(user, limits, time.time())
    written.write()
    Holds(tmp_path).put("carol", Hold("root", None, None))
    samples = site.samples()
    assert [samples[f'reconfigure_sending_accounts{{state="{state}"}}'] for state in ("sent", "limited", "held")] == [
        *(2, 1, 1)
    ]
    assert samples['reconfigure_sending_refusals_total{reason="day"}'] == 1
    assert samples['reconfigure_sending_refusals_total{reason="minute"}'] == 0
    assert not {"alice", "bob", "carol"} & set(site.get("/metrics").text.split('"'))


def test_no_address_user_or_domain_is_told(site: Site) -> None:
    text = site.get("/metrics").text
    for word in (*ADDRESSES, *USERS, "example.com", "example.org", "Bad Row"):
        assert word.casefold() not in text.casefold()


def test_the_number_of_series_does_not_grow_with_what_is_served(live: Any, run: Any, serve: Callable[[], Site]) -> None:
    site = serve()
    before = set(site.samples())
    for number in range(20):
        live.put(f"more{number}@acme.example.com", "alice")
    assert run("once").exit_code == 0
    assert set(site.samples()) == before


@pytest.mark.parametrize(
    "accept", ["text/plain", "application/openmetrics-text; version=1.0.0", "*/*", "application/x-nonsense"]
)
def test_a_scraper_gets_the_format_that_it_asks_for(site: Site, accept: str) -> None:
    answer = site.get("/metrics", Accept=accept)
    wanted = "application/openmetrics-text" if "openmetrics" in accept else "text/plain"
    assert answer.headers["Content-Type"].startswith(wanted)


@needs_promtool
def test_prometheus_finds_nothing_to_complain_of(site: Site) -> None:
    assert PROMTOOL is not None
    text = site.get("/metrics").text
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
