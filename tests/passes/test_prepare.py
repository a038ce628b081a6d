"""A container's start: secrets to files, the first generation, and what is said when it does not come to that."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embedded.faults import Fault

if TYPE_CHECKING:
    from tests.passes.conftest import Daemon, World

Run = Callable[..., "Daemon"]
Until = Callable[..., None]

EX_CONFIG = 78
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ==\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"
SECRETS = {"TLS_CA_BUNDLE": CERTIFICATE, "TLS_CERT": CERTIFICATE, "TLS_KEY": KEY}


def ended(daemon: "Daemon") -> int:
    return daemon.process.wait(timeout=60)


def test_it_makes_the_first_generation_and_writes_secrets_that_no_log_repeats(
    run: Run, world: "World", with_users: dict[str, str]
) -> None:
    world.put("info@acme.example.com")
    prepare = run("prepare", **with_users | SECRETS | {"MASTER_PASSWORD": "Tr0ub4dor-and-3"})
    assert ended(prepare) == 0
    folder = Path(with_users["RECONFIGURE_SECRETS_DIR"])
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in folder.iterdir()}
    assert modes == {"ca-bundle.pem": "0o644", "tls.crt": "0o644", "tls.key": "0o640", "master-password": "0o600"}
    assert (folder / "tls.key").read_text() == KEY
    assert (folder / "master-password").read_text() == "Tr0ub4dor-and-3\n"
    written = prepare.out.read_text() + prepare.err.read_text()
    for secret in ("MIIBszCCAVmgAwIBAgIUQ", "MIGHAgEAMBMGByqGSM49AgEG", "Tr0ub4dor", "testing-secret-access-key"):
        assert secret not in written
    assert prepare.wait("pass_finished")["outcome"] == "changed"
    assert prepare.wait("secrets_written")["files"] == 4


def test_with_aws_down_and_no_generation_it_tries_on_until_there_is_one(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    world.proxy.fail("", Fault.server_error())
    prepare = run("prepare", **SECRETS, RECONFIGURE_READ_ATTEMPTS="1")
    prepare.wait("pass_finished", count=2, outcome="failed")
    assert not (prepare.state / "current").exists()
    assert prepare.process.poll() is None
    world.proxy.heal()
    assert ended(prepare) == 0
    assert "info@acme.example.com" in prepare.served()


def test_with_aws_down_an_earlier_generation_is_enough_to_start(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    assert ended(run("prepare", **SECRETS)) == 0
    world.proxy.fail("", Fault.server_error())
    again = run("prepare", **SECRETS, RECONFIGURE_READ_ATTEMPTS="1")
    assert ended(again) == 0
    assert "InternalServerError" in again.wait("starting_from_last_generation")["why"]


def test_preflight_says_that_everything_works(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    preflight = run("prepare", "--start", "mail", **SECRETS, PREFLIGHT="1", RECONFIGURE_LOG_LEVEL="error")
    assert ended(preflight) == 0
    assert preflight.out.read_text() == "ready\n"
    assert "info@acme.example.com" in preflight.served()


def test_the_first_generation_needs_no_leave_to_describe_the_table(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    world.proxy.fail("DescribeTable", Fault.denied("dynamodb:DescribeTable"))
    preflight = run("prepare", **SECRETS, PREFLIGHT="1")
    assert ended(preflight) == 0
    assert "info@acme.example.com" in preflight.served()


def test_preflight_with_aws_down_says_why_not_and_ends_with_1(run: Run, world: "World") -> None:
    world.proxy.fail("", Fault.denied("dynamodb:Scan"))
    preflight = run("prepare", **SECRETS, PREFLIGHT="1")
    assert ended(preflight) == 1
    assert preflight.err.read_text().startswith("not ready: ")
    assert "allow dynamodb:Scan" in preflight.err.read_text()
    assert preflight.passes() == ["failed"]


def test_preflight_is_not_satisfied_with_an_earlier_generation(run: Run, world: "World") -> None:
    world.put("info@acme.example.com")
    assert ended(run("prepare", **SECRETS)) == 0
    world.proxy.fail("", Fault.denied())
    assert ended(run("prepare", **SECRETS, PREFLIGHT="1")) == 1


@pytest.mark.parametrize("command", ["prepare", "run"])
def test_every_mistake_is_named_at_once_with_exit_code_78_and_nothing_is_written(
    run: Run, tmp_path: Path, command: str
) -> None:
    wrong = run(command, CERT_DOMAIN="", AWS_REGION="Mars!", RECONFIGURE_INTERVAL="often", TLS_KEY="not a key at all")
    assert ended(wrong) == EX_CONFIG
    said = wrong.err.read_text()
    for name in ("CERT_DOMAIN", "AWS_REGION", "RECONFIGURE_INTERVAL", "TLS_KEY"):
        assert name in said
    assert ("TLS_CA_BUNDLE" in said) == (command == "prepare")
    assert "not a key at all" not in said
    assert wrong.out.read_text() == ""
    assert not wrong.state.exists()
    assert not (tmp_path / "secrets").exists()
