import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from embedded import processes
from embedded.places import CHECKOUT, Places
from reconfigure.settings import Tier

pytestmark = pytest.mark.whole

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places(tmp_path_factory.mktemp("whole").resolve() / "state")


@pytest.fixture(scope="module")
def run(places: Places) -> Iterator[Run]:
    """Runs `python -m embedded`; whatever a test does, nothing is left running."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "embedded", "--state", str(places.state), *arguments],
            cwd=CHECKOUT,
            env=os.environ | {"COLUMNS": "100"},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    yield run
    run("down")


@pytest.fixture
def up(run: Run) -> None:
    done = run("up")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("up")
def test_up_serves_the_sample_on_every_tier(places: Places) -> None:
    for tier in Tier:
        status = json.loads(places.status(tier).read_text())
        assert status["state"] == "ok"
        assert status["counts"]["suspended"] == 1
        assert status["counts"]["dangling"] == 1
        assert status["quarantine"]["total"] == 1
        assert "shop@acme.example.com" in (places.tier(tier) / "current/mail/access").read_text()


@pytest.mark.usefixtures("up")
def test_a_second_up_says_so_and_leaves_everything_as_it_runs(run: Run, places: Places) -> None:
    before = processes.ours(places)
    done = run("up")
    assert done.returncode == 0
    assert "Up already" in done.stdout
    assert processes.ours(places) == before


@pytest.mark.usefixtures("up")
def test_an_address_is_watched_going_live_and_gone_on_every_tier(run: Run, places: Places) -> None:
    created = run("create", "new@acme.example.com", "alice")
    assert created.returncode == 0, created.stdout + created.stderr
    assert created.stdout.count("live after") == len(Tier)
    assert "new@acme.example.com\talice" in (places.tier(Tier.IMAP) / "current/mail/virtusertable").read_text()
    revoked = run("revoke", "new@acme.example.com")
    assert revoked.returncode == 0, revoked.stdout + revoked.stderr
    assert "new@acme.example.com" not in (places.tier(Tier.IMAP) / "current/mail/virtusertable").read_text()


@pytest.mark.usefixtures("up")
def test_an_address_for_nobody_is_refused_before_it_is_written(run: Run) -> None:
    done = run("create", "new@acme.example.com", "zoe")
    assert done.returncode == 1
    assert "zoe" in done.stdout
    assert "alice" in done.stdout


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize("name", ["aws", "healthchecks", "imap"])
def test_up_mends_what_somebody_stopped(run: Run, places: Places, name: str) -> None:
    processes.call(places.socket, "stopProcess", name)
    done = run("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Starting {name} again" in done.stdout
    assert set((processes.program_states(places.socket) or {}).values()) <= {"RUNNING", "STARTING"}


@pytest.mark.usefixtures("up")
def test_up_begins_afresh_when_the_supervisord_above_was_killed(run: Run, places: Places) -> None:
    orphans = set(processes.ours(places))
    os.kill(processes.call(places.socket, "getPID"), signal.SIGKILL)
    done = run("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not orphans & set(processes.ours(places))


@pytest.mark.usefixtures("up")
def test_up_ends_the_loop_that_a_killed_tier_left_behind(run: Run, places: Places) -> None:
    tier = processes.program(places.socket, "smtp-in")
    assert tier is not None
    os.kill(tier.pid, signal.SIGKILL)
    done = run("up")
    assert done.returncode == 0, done.stdout + done.stderr
    top = processes.call(places.socket, "getPID")
    assert processes.strays(places, top=top) == []


@pytest.mark.usefixtures("up")
def test_down_leaves_no_process_and_no_socket_and_keeps_the_state(run: Run, places: Places) -> None:
    done = run("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes.ours(places) == []
    assert not places.sockets.exists()
    assert (places.tier(Tier.IMAP) / "current/manifest.json").exists()
    again = run("down")
    assert again.returncode == 0
    assert "Nothing was running" in again.stdout


@pytest.mark.usefixtures("up")
def test_down_finds_everything_even_when_its_state_was_deleted(run: Run, places: Places) -> None:
    places.socket.unlink()
    (places.sockets / "top.pid").unlink()
    done = run("down")
    assert done.returncode == 0, done.stdout + done.stderr
    assert processes.ours(places) == []


@pytest.mark.usefixtures("up")
def test_ports_taken_by_somebody_else_meanwhile_are_replaced(run: Run, places: Places) -> None:
    run("down")
    kept = json.loads(places.ports.read_text())
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(kept["aws"])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=places.state,
    ) as squatter:
        try:
            done = run("up")
        finally:
            squatter.terminate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(places.ports.read_text())["aws"] != kept["aws"]


@pytest.mark.usefixtures("up")
def test_up_that_fails_names_the_tier_and_shows_its_log_and_the_next_one_mends_it(run: Run, places: Places) -> None:
    run("down")
    generations = places.tier(Tier.IMAP) / "generations"
    kept = generations.rename(generations.with_name("generations.kept"))
    generations.write_text("a file in the way\n")
    failed = run("up", "--patience", "25")
    assert failed.returncode == 1
    assert "imap did not come up" in failed.stdout
    assert "smtp-in did not come up" not in failed.stdout
    assert "log/imap.log" in failed.stdout
    generations.unlink()
    kept.rename(generations)
    done = run("up")
    assert done.returncode == 0, done.stdout + done.stderr
