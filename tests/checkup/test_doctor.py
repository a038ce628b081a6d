"""`doctor`: each check against what it checks, well and broken; each failure says what it means and what to do."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from embedded.faults import Fault, FaultProxy
from reconfigure.checkup.finding import Absent, Harm
from reconfigure.checkup.finding import run as run_checks
from reconfigure.cli.doctor import KEYS
from reconfigure.runbooks import Runbook
from tests.cli.sessions import occupied
from tests.rights import held_to_modes

FATAL = """
[program:broken]
command=/bin/false
startretries=0
startsecs=1
stdout_logfile=NONE
stderr_logfile=NONE
"""


def found(run: Any, *only: str, code: int = 0) -> dict[str, dict[str, Any]]:
    done = run("doctor", "--json", *(part for name in only for part in ("--only", name)))
    assert done.exit_code == code, done.output
    document = json.loads(done.stdout)
    assert document.keys() == KEYS.keys()
    return {one["check"]: one for one in document["findings"]}


def certificate(folder: Path, *, name: str, days: float, other_key: bool = False) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    (folder / "tls.crt").write_bytes(made.public_bytes(Encoding.PEM))
    kept = ec.generate_private_key(ec.SECP256R1()) if other_key else key
    private = kept.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "tls.key").touch(mode=0o640)
    (folder / "tls.key").write_bytes(private)


def test_where_all_is_well_nothing_fails_and_what_is_not_here_is_skipped(
    live: Any,
    run: Any,
    environment: Any,
) -> None:
    environment.setenv("MAIL_DOMAINS", "example.com example.org")  # or a name server would be asked
    environment.setenv("COGNITO_CLIENT_ID", live.make_client(["email"]))
    seen = found(run)
    assert {name for name, one in seen.items() if one["state"] not in {"ok", "skipped"}} == set()
    assert {"dynamodb", "cognito", "clock", "generation", "disk"} <= {
        name for name, one in seen.items() if one["state"] == "ok"
    }
    assert all(one["seen"] for one in seen.values())


@pytest.mark.parametrize(
    ("check", "operation", "action"),
    [
        ("dynamodb", "Scan", "dynamodb:Scan"),
        ("dynamodb", "DescribeTable", "dynamodb:DescribeTable"),
        ("dynamodb by key", "BatchGetItem", "dynamodb:BatchGetItem"),
        ("cognito", "ListUsers", "cognito-idp:ListUsers"),
        ("queue", "GetQueueAttributes", "sqs:GetQueueAttributes"),
    ],
)
def test_a_missing_permission_is_named_as_the_fix(
    live: Any, run: Any, environment: Any, double_url: str, check: str, operation: str, action: str
) -> None:
    with FaultProxy(double_url) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        environment.setenv("SQS_QUEUE_URL", f"{proxy.url}{urlsplit(live.queue_url).path}")
        proxy.fail(operation, Fault.denied(action))
        useful = operation in {"BatchGetItem", "DescribeTable"}
        one = found(run, check, code=0 if useful else 1)[check]
    assert one["state"] in {"failed", "warning"}
    assert one["fix"] == f"allow {action} on it in the task's role"
    assert one["means"]


@pytest.mark.parametrize(
    ("written", "state", "seen"),
    [
        (["email"], "ok", "may write neither custom:osid nor custom:sending_limit"),
        (["custom:sending_limit"], "warning", "may write custom:sending_limit"),
        (["email", "custom:osid"], "warning", "may write custom:osid"),
        (None, "warning", "have no list of attributes"),
    ],
)
def test_an_app_client_that_lets_users_write_their_uid_is_a_warning(
    live: Any, run: Any, environment: Any, written: list[str] | None, state: str, seen: str
) -> None:
    environment.setenv("COGNITO_CLIENT_ID", live.make_client(written))
    one = found(run, "app client")["app client"]
    assert one["state"] == state
    assert seen in one["seen"]
    assert ("WriteAttributes" in one["fix"]) is (state == "warning")


def test_an_app_client_that_may_not_be_looked_at_is_skipped_and_the_permission_named(
    live: Any,  # noqa: ARG001
    run: Any,
    environment: Any,
    double_url: str,
) -> None:
    action = "cognito-idp:DescribeUserPoolClient"
    with FaultProxy(double_url) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.fail("DescribeUserPoolClient", Fault.denied(action))
        one = found(run, "app client")["app client"]
    assert one["state"] == "skipped"
    assert f"allow {action} on it in the task's role" in one["seen"]


def test_an_app_client_that_is_not_there_is_told(live: Any, run: Any) -> None:  # noqa: ARG001
    one = found(run, "app client")["app client"]
    assert one["state"] == "warning"
    assert "COGNITO_CLIENT_ID" in one["fix"]


def test_with_aws_away_everything_of_it_fails_and_the_rest_is_still_checked(
    live: Any,  # noqa: ARG001
    run: Any,
    environment: Any,
) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    seen = found(run, code=1)
    assert {name for name, one in seen.items() if one["state"] == "failed"} == {"dynamodb", "cognito", "clock"}
    assert "AWS_ENDPOINT_URL" in seen["dynamodb"]["fix"]
    assert seen["generation"]["state"] == "ok"


def test_a_program_that_supervisord_gave_up_is_named(live: Any, run: Any, supervise: Callable[[str], Any]) -> None:  # noqa: ARG001
    supervise(FATAL)
    one = found(run, "programs", code=1)["programs"]
    assert "broken is FATAL" in one["seen"]
    assert one["fix"].startswith("supervisorctl start broken; ")
    assert one["runbook"] == Runbook.UNSIGNED_OR_DEFERRED


def test_ports_of_daemons_that_are_meant_to_run_are_tried(live: Any, run: Any, supervise: Callable[..., Any]) -> None:  # noqa: ARG001
    supervise()
    one = found(run, "ports", code=1)["ports"]
    assert "993: Connection refused" in one["seen"]


@pytest.mark.parametrize(
    ("limit", "seen", "fix"),
    [
        ("2", "turned away from port 25: 2 sessions of 2", "RECONFIGURE_CONNECTIONS_LIMIT"),
        ("3", "no greeting", "restart"),
    ],
)
def test_a_daemon_that_is_full_is_not_to_be_restarted(
    live: Any,  # noqa: ARG001
    run: Any,
    supervise: Callable[..., Any],
    environment: Any,
    limit: str,
    seen: str,
    fix: str,
) -> None:
    occupied(supervise)
    environment.setenv("TIER", "smtp-in")
    environment.setenv("RECONFIGURE_CONNECTIONS_LIMIT", limit)

    one = found(run, "ports", code=1)["ports"]

    assert seen in one["seen"]
    assert fix in one["fix"]


@pytest.mark.parametrize(
    ("given", "state", "word"),
    [
        ({"name": "imap.mail.example.com", "days": 90}, "ok", "until "),
        ({"name": "*.mail.example.com", "days": 90}, "ok", "until "),
        ({"name": "imap.mail.example.com", "days": 5}, "warning", "ends in"),
        ({"name": "imap.mail.example.com", "days": -1}, "failed", "not now"),
        ({"name": "mail.example.net", "days": 90}, "failed", "not for imap.mail.example.com"),
        ({"name": "imap.mail.example.com", "days": 90, "other_key": True}, "failed", "do not belong together"),
    ],
)
def test_a_certificate_is_judged_by_dates_name_and_key(
    live: Any,  # noqa: ARG001
    run: Any,
    environment: Any,
    folder: Path,
    given: dict[str, Any],
    state: str,
    word: str,
) -> None:
    environment.setenv("RECONFIGURE_SECRETS_DIR", str(folder / "secrets"))
    certificate(folder / "secrets", **given)
    one = found(run, "certificate", code=1 if state == "failed" else 0)["certificate"]
    assert (one["state"], word in one["seen"]) == (state, True), one
    assert bool(one["fix"]) == (state != "ok")


def test_a_state_folder_that_others_may_write_is_named(live: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    assert found(run, "state folder", code=0)["state folder"]["state"] == "ok"
    state.chmod(0o1777)
    told = found(run, "state folder", code=1)["state folder"]
    assert told["seen"] == f"others may write to {state} (mode 1777)"
    assert told["fix"] == f"chmod go-w {state}"


def test_a_private_file_that_everybody_may_read_is_named(live: Any, run: Any, environment: Any, folder: Path) -> None:  # noqa: ARG001
    environment.setenv("RECONFIGURE_SECRETS_DIR", str(folder / "secrets"))
    certificate(folder / "secrets", name="imap.mail.example.com", days=90)
    assert found(run, "secrets")["secrets"]["state"] == "ok"
    (folder / "secrets" / "tls.key").chmod(0o644)
    assert "tls.key" in found(run, "secrets", code=1)["secrets"]["seen"]


def test_a_damaged_map_is_found(live: Any, run: Any, state: Path) -> None:  # noqa: ARG001
    path = state / "current/mail/access.db"
    path.write_bytes(path.read_bytes()[:-100] + b"x" * 100)
    one = found(run, "generation", code=1)["generation"]
    assert one["seen"].startswith("access.db of ")
    assert "reconfigure once" in one["fix"]


def test_a_daemons_configuration_that_is_missing_or_refused_is_found(
    live: Any,  # noqa: ARG001
    run: Any,
    environment: Any,
    folder: Path,
) -> None:
    environment.setenv("RECONFIGURE_TEMPLATES_DIR", str(with_static(folder / "templates")))
    environment.setenv("RECONFIGURE_STATIC_DIR", str(folder / "static"))
    assert found(run, "configuration")["configuration"]["state"] == "skipped"
    (folder / "static").mkdir()
    one = found(run, "configuration", code=1)["configuration"]
    assert one["seen"] == "opendkim.conf is not there"
    (folder / "static/opendkim.conf").write_text("Mode nonsense\n")
    assert "unknown mode" in found(run, "configuration", code=1)["configuration"]["seen"]
    (folder / "static/opendkim.conf").write_text("Mode v\nSocket local:/run/unused\n")
    assert found(run, "configuration")["configuration"]["state"] == "ok"


def with_static(templates: Path) -> Path:
    """Return the templates with one configuration of a daemon that this machine has."""
    shutil.copytree(Path(__file__).resolve().parents[2] / "templates", templates)
    path = templates / "imap" / "tier.yaml"
    document = yaml.safe_load(path.read_text())
    check = ["opendkim", "-n", "-x", "{file}"]
    document["static"] = [{"path": "opendkim.conf", "template": "opendkim.conf.j2", "mode": "0644", "check": check}]
    path.write_text(yaml.safe_dump(document))
    return templates


def test_orders_are_told_as_warnings(live: Any, run: Any) -> None:  # noqa: ARG001
    run("pause", "--reason", "to look at something")
    one = found(run, "orders")["orders"]
    assert (one["state"], one["fix"]) == ("warning", "reconfigure resume")
    assert "to look at something" in one["seen"]


def test_the_heartbeats_host_is_reached_without_a_ping(live: Any, run: Any, environment: Any, double_url: str) -> None:  # noqa: ARG001
    environment.setenv("HEALTHCHECK_PING_URL", f"{double_url}/secret-uuid")
    one = found(run, "heartbeat")["heartbeat"]
    assert one["state"] == "ok"
    assert "secret-uuid" not in json.dumps(one)
    environment.setenv("HEALTHCHECK_PING_URL", "http://127.0.0.1:9/secret-uuid")
    one = found(run, "heartbeat", code=1)["heartbeat"]
    assert "http://127.0.0.1:9/ cannot be reached" in one["seen"]
    assert "secret-uuid" not in json.dumps(one)


def test_people_see_failures_first_with_their_fix(live: Any, run: Any, environment: Any) -> None:  # noqa: ARG001
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    lines = run("doctor").stdout.splitlines()
    assert lines[0].startswith("failed: ")
    assert lines[1].strip() == "dynamodb: failed"
    assert any(line.strip().startswith("fix:") for line in lines)


def test_a_check_that_does_not_exist_is_refused_with_those_that_do(live: Any, run: Any) -> None:  # noqa: ARG001
    done = run("doctor", "--only", "dnyamodb")
    assert done.exit_code == 2
    assert "dynamodb by key" in " ".join(done.stderr.split())


def test_without_a_state_folder_it_says_what_is_missing(world: Any, run: Any) -> None:  # noqa: ARG001
    assert "there is none" in found(run, "generation", code=1)["generation"]["seen"]


def test_a_check_that_hangs_has_failed_by_that_and_hides_no_other() -> None:
    released = threading.Event()

    def hangs() -> str:
        released.wait(30)
        return "late"

    def absent() -> str:
        raise Absent("not here")

    def harm() -> str:
        raise Harm("broken", means="much", fix="mend it", state="warning")

    def defect() -> str:
        return str(1 // 0)

    began = time.monotonic()
    one, *others = run_checks({"hangs": hangs, "absent": absent, "harm": harm, "defect": defect}, seconds=0.3)
    released.set()
    assert time.monotonic() - began < 20
    assert (one.state, one.seen) == ("failed", "no answer within 0.3 s")
    assert [other.state for other in others] == ["skipped", "warning", "failed"]
    assert "ZeroDivisionError" in others[2].seen


def test_what_may_not_be_read_is_skipped_with_the_hint_to_ask_as_root(
    live: Any,  # noqa: ARG001
    run: Any,
    environment: Any,
    folder: Path,
) -> None:
    environment.setenv("RECONFIGURE_SECRETS_DIR", str(folder / "secrets"))
    certificate(folder / "secrets", name="imap.mail.example.com", days=90)
    (folder / "secrets" / "tls.key").chmod(0)
    with held_to_modes():
        assert "as root" in found(run, "certificate")["certificate"]["seen"]
