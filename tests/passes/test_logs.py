"""What the daemon logs: one JSON object a line that names event, tier, pass and generation, and no secret."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from embedded.faults import Fault

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]

SECRET_PATH = "0f6d1c1a-54e0-4f3c-9d6e-5d1c3f0f9a11"


def test_every_line_is_a_json_object_that_says_which_event_tier_pass_and_generation(run: Run, world: "World") -> None:
    world.put("info@acme.example.com", "not-an-address")
    daemon = run()
    first = daemon.wait("pass_finished", outcome="changed")
    world.proxy.fail("Scan", Fault.server_error(), times=2)
    world.put("shop@acme.example.com")
    world.send("not JSON")
    world.send()
    second = daemon.wait("pass_finished", outcome="changed", count=2)
    assert daemon.stop() == 0
    lines = daemon.lines()
    assert all(line["event"] and line["tier"] == "smtp-in" for line in lines)
    assert all("generation" in line for line in lines)
    assert daemon.said("started")[0]["generation"] is None
    assert first["generation"] != second["generation"]
    assert daemon.said("stopped")[0]["generation"] == second["generation"]
    (retried,) = daemon.said("source_read_retried")
    assert retried["pass"] == second["pass"]
    assert retried["generation"] == first["generation"]
    assert "pass" not in daemon.said("message_unreadable")[0]
    assert daemon.err.read_text() == ""


def test_the_first_line_says_what_was_started_and_not_every_setting(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    daemon = run(RECONFIGURE_LOG_LEVEL="info", RECONFIGURE_TASK="task-1")
    started = daemon.wait("started")
    fields = started.keys() - {"timestamp", "level", "event", "generation"}
    assert fields == {"tier", "version", "task", "state_dir", "queue", "interval"}
    assert started["task"] == "task-1"
    assert started["queue"] is True
    assert not daemon.said("settings")


def test_no_line_holds_a_secret(run: Run, world: "World", with_users: dict[str, str]) -> None:
    world.put("info@acme.example.com")
    secrets = {
        "MASTER_PASSWORD": "Tr0ub4dor-and-3",
        "TLS_KEY": "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n",
        "HEALTHCHECK_PING_URL": f"http://127.0.0.1:9/{SECRET_PATH}",
        "RECONFIGURE_HEARTBEAT_TIMEOUT": "0.2",
    }
    daemon = run(**with_users | secrets)
    daemon.wait("settings")
    daemon.wait("heartbeat_failed")
    daemon.stop()
    said = daemon.out.read_text() + daemon.err.read_text() + (daemon.state / "status.json").read_text()
    for secret in ("Tr0ub4dor", "MIGHAgEAMBMGByqGSM49AgEG", SECRET_PATH, "testing-secret-access-key"):
        assert secret not in said


def test_a_pass_tells_how_many_requests_it_made(run: Run, world: "World", with_users: dict[str, str]) -> None:
    world.put("info@acme.example.com")
    daemon = run(**with_users)
    daemon.wait("pass_finished")
    daemon.stop()
    assert daemon.status()["pass"]["requests"] == {"cognito": 1, "dynamodb": 2}
