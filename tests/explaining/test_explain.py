"""`explain`: each link says what it says, and the one that is behind is named, with what mends it."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from embedded.faults import Fault, FaultProxy
from reconfigure.cli.explain import KEYS
from reconfigure.explaining import daemon
from reconfigure.settings import Tier


def explained(run: Any, *arguments: str, code: int) -> dict[str, Any]:
    done = run("explain", *arguments, "--json")
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.keys() == KEYS.keys()
    return found


def states(found: dict[str, Any]) -> dict[str, str]:
    return {link["where"]: link["state"] for link in found["links"]}


def said(found: dict[str, Any], where: str) -> str:
    return "\n".join(next(link["says"] for link in found["links"] if link["where"] == where))


def test_an_address_that_is_live_is_followed_from_its_row_to_its_entries(live: Any, run: Any) -> None:  # noqa: ARG001
    found = explained(run, "shop@acme.example.com", code=0)
    assert found["means"] == "mail to shop@acme.example.com goes to alice, who may send from it"
    assert said(found, "DynamoDB") == "shop@acme.example.com, user 'alice', suspended False"
    assert said(found, "Cognito") == "alice: enabled, confirmed, UID 2001"
    assert said(found, "validation") == "shop@acme.example.com is active, users alice"
    assert "mail/access: to:shop@acme.example.com -> RELAY" in said(found, "live generation")
    assert "mail/virtusertable: shop@acme.example.com -> alice" in said(found, "live generation")
    assert found["mend"] == []


def test_a_new_row_is_not_live_yet_and_what_comes_next_is_said(live: Any, run: Any) -> None:
    live.put("new@example.com", "bob")
    found = explained(run, "new@example.com", code=1)
    assert states(found)["live generation"] == "differs"
    assert "to:new@example.com is not there, and should be 'RELAY'" in said(found, "live generation")
    assert "'reconfigure once' now" in found["mend"][0]
    run("once")
    assert explained(run, "new@example.com", code=0)["agrees"] is True


def test_a_revoked_address_that_is_still_live_is_named(live: Any, run: Any) -> None:
    live.delete("shop@acme.example.com")
    found = explained(run, "shop@acme.example.com", code=1)
    assert said(found, "DynamoDB") == "there is no row"
    assert "to:shop@acme.example.com is 'RELAY', and should be not there" in said(found, "live generation")
    assert found["means"].startswith("there is no shop@acme.example.com, while acme.example.com is hosted")
    run("once")
    explained(run, "shop@acme.example.com", code=0)


@pytest.mark.parametrize(
    ("order", "reason", "mend"),
    [
        (["pause"], "Nothing is applied: paused until", "'reconfigure resume'"),
        (["rollback", "--yes"], "Nothing else goes live: pinned to generation", "'reconfigure resume'"),
    ],
)
def test_an_operators_order_is_named_as_what_keeps_it_back(
    changed: Any, run: Any, order: list[str], reason: str, mend: str
) -> None:
    assert run(*order).exit_code == 0
    changed.put("later@example.com", "bob")
    found = explained(run, "later@example.com", code=1)
    assert found["mend"][0].startswith(reason)
    assert mend in found["mend"][0]


def test_a_held_generation_is_named_as_what_keeps_it_back(held: Any, run: Any) -> None:  # noqa: ARG001
    found = explained(run, "seeds@garden.example.org", code=1)
    assert "is held" in found["mend"][0]
    assert "'reconfigure approve'" in found["mend"][0]


def test_a_row_that_validation_refuses_is_told_with_its_reason(live: Any, run: Any) -> None:  # noqa: ARG001
    found = explained(run, "Bad Row@example.com", code=0)
    assert "refused: local-part-characters" in said(found, "validation")
    assert "validation refuses it" in found["means"]


def test_suspended_shared_and_dangling_addresses_are_told_apart(live: Any, run: Any) -> None:
    live.put("sold@example.com", "alice", suspended=True)
    live.put("gone@example.com", "nobody-here")
    run("once")
    sold = explained(run, "sold@example.com", code=0)["means"]
    assert "is suspended: mail to it is put off here, and refused by smtp-in" in sold  # this is imap
    gone = explained(run, "gone@example.com", code=0)
    assert "mail to it is put off" in gone["means"]
    assert "nobody-here: there is no such user" in said(gone, "Cognito")
    assert "goes to alice, bob" in explained(run, "team@acme.example.com", code=0)["means"]


def test_an_address_is_found_however_it_is_written(live: Any, run: Any) -> None:  # noqa: ARG001
    assert explained(run, "SHOP@Acme.Example.Com", code=0)["subject"] == "shop@acme.example.com"


def test_a_stranger_is_not_hosted(live: Any, run: Any) -> None:  # noqa: ARG001
    assert "elsewhere.example is not a hosted domain" in explained(run, "someone@elsewhere.example", code=0)["means"]


@pytest.mark.parametrize("subject", ["", "a\nb@example.com", "\x1b[2J", "x" * 1001])
def test_what_could_move_a_cursor_is_no_subject(live: Any, run: Any, subject: str) -> None:  # noqa: ARG001
    assert run("explain", subject).exit_code == 2


@pytest.mark.parametrize(
    "subject", ["@", "a@b@c", "'; drop@example.com", 'x" or "1', "$(id)@example.com", "..", "é.example", "-"]
)
def test_nonsense_is_explained_without_a_traceback(live: Any, run: Any, subject: str) -> None:  # noqa: ARG001
    assert run("explain", "--", subject).exit_code in {0, 1}


def test_a_user_is_told_with_account_and_addresses(live: Any, run: Any) -> None:  # noqa: ARG001
    found = explained(run, "alice", code=0)
    assert said(found, "Cognito") == "alice: enabled, confirmed, UID 2001"
    assert "account with UID and GID 2001" in said(found, "live generation")
    assert "team@acme.example.com (with 1 more)" in said(found, "live generation")


def test_a_user_that_is_new_is_behind_until_the_next_pass(live: Any, run: Any) -> None:
    live.add_user("dora", 2010)
    found = explained(run, "dora", code=1)
    assert "behind Cognito: there should be UID 2010" in said(found, "live generation")
    run("once")
    explained(run, "dora", code=0)


def test_a_limit_of_a_users_own_is_told_and_one_that_cannot_be_read_too(live: Any, run: Any) -> None:
    live.add_user("dora", 2010, sending_limit="20")
    live.add_user("emil", 2011, sending_limit="many")
    run("once")
    assert "may send 20 messages and to 20 recipients a day" in said(explained(run, "dora", code=0), "validation")
    assert "refused: sending-limit (custom:sending_limit): many" in said(explained(run, "emil", code=0), "validation")


def test_a_user_that_is_disabled_is_told_as_not_served(live: Any, run: Any) -> None:
    live.disable("bob")
    run("once")
    found = explained(run, "bob", code=0)
    assert said(found, "Cognito") == "bob: disabled, confirmed, UID 2002"
    assert said(found, "validation") == "not served: only users who are enabled and confirmed are"
    assert "no account" in said(found, "live generation")


def test_a_user_with_the_uid_of_one_who_is_live_is_told_as_refused(live: Any, run: Any) -> None:
    live.add_user("mallory", 2001)
    live.put("new@acme.example.com", "mallory")
    found = explained(run, "mallory", code=0)
    assert "osid-taken" in said(found, "validation")
    assert "mallory is not served" in found["means"]
    assert said(explained(run, "alice", code=0), "validation") == "served as UID 2001"
    assert "new@acme.example.com is dangling" in said(explained(run, "new@acme.example.com", code=1), "validation")


def test_a_user_that_is_none_is_not_served(live: Any, run: Any) -> None:  # noqa: ARG001
    assert "is not served" in explained(run, "nobody-here", code=0)["means"]


def test_without_a_generation_it_says_so(world: Any, run: Any) -> None:  # noqa: ARG001
    found = explained(run, "shop@acme.example.com", code=1)
    assert "there is no generation yet" in said(found, "live generation")


def test_with_aws_away_what_is_live_is_still_told(live: Any, run: Any, environment: Any) -> None:  # noqa: ARG001
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    found = explained(run, "shop@acme.example.com", code=1)
    assert found["agrees"] is None
    assert "dynamodb" in said(found, "DynamoDB").lower()
    assert "mail/access: to:shop@acme.example.com -> RELAY" in said(found, "live generation")


def test_an_answer_that_says_nothing_is_not_taken_for_a_row_that_is_gone(
    live: Any,  # noqa: ARG001
    run: Any,
    environment: Any,
    double_url: str,
) -> None:
    with FaultProxy(double_url) as proxy:
        environment.setenv("AWS_ENDPOINT_URL", proxy.url)
        proxy.fail("BatchGetItem", Fault.answer(b"{}"))
        result = run("explain", "alice@example.com")
    assert result.exit_code == 1
    assert "the sources could not be read" in result.stdout
    assert "the answer holds no rows, not even none" in " ".join(result.stdout.split())


def test_people_get_the_same_in_the_first_line(live: Any, run: Any) -> None:
    assert run("explain", "alice").stdout.splitlines()[0] == "user alice: all links agree"
    live.put("new@example.com", "bob")
    done = run("explain", "new@example.com")
    assert done.stdout.splitlines()[0] == "address new@example.com: not all links agree"
    assert "'reconfigure once' now" in " ".join(done.stdout.split())


@contextmanager
def answering(rcpt: str) -> Iterator[int]:
    """A server that speaks SMTP as far as RCPT, where it always says the same; yields its port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 tier.example ESMTP\r\n")
            for line in self.rfile:
                word = line[:4].upper()
                answer = {b"RCPT": rcpt, b"QUIT": "221 2.0.0 bye"}.get(word, "250 2.0.0 ok")
                self.wfile.write(f"{answer}\r\n".encode())
                if word == b"QUIT":
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    ("answer", "taken", "state"),
    [
        ("250 2.1.5 ok", True, "fits"),
        ("550 5.1.1 no such address", False, "fits"),
        ("550 5.1.1 no such address", True, "differs"),
        ("250 2.1.5 ok", False, "differs"),
        ("250 2.1.5 ok", None, "unknown"),
    ],
)
def test_the_daemons_answer_is_held_against_its_map(answer: str, taken: bool | None, state: str) -> None:  # noqa: FBT001
    with answering(answer) as port:
        link = daemon.ask(Tier.SMTP_IN, "shop@acme.example.com", taken, port=port)
    assert link.state == state
    assert answer.split(maxsplit=1)[0] in link.says[0]


def test_a_daemon_that_is_not_there_or_not_to_be_asked_is_skipped() -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        port = server.server_address[1]
    assert daemon.ask(Tier.SMTP_IN, "shop@acme.example.com", True, port=port).state == "skipped"
    assert daemon.ask(Tier.SMTP_OUT, "shop@acme.example.com", True, port=port).state == "skipped"
