import os
import signal
import subprocess

import botocore.exceptions
import pytest
import requests

from embedded.aws import Clients, World
from stack.admin import AdminApp
from tests.stack.processes import LOOPBACK, wait_until


@pytest.fixture
def clients(ids: World) -> Clients:
    return Clients(ids.url)


@pytest.fixture
def admin(ids: World, clients: Clients) -> AdminApp:
    return AdminApp(clients, ids)


def test_while_it_is_down_connections_are_refused_and_nothing_is_forgotten(
    aws_process: subprocess.Popen[str], ids: World, admin: AdminApp
) -> None:
    admin.create("kept@acme.example.com", "alice", "bob", quietly=True)
    os.kill(aws_process.pid, signal.SIGUSR1)
    wait_until(lambda: not answers(ids.url))
    with pytest.raises(botocore.exceptions.EndpointConnectionError):
        admin.has("kept@acme.example.com")
    os.kill(aws_process.pid, signal.SIGUSR2)
    wait_until(lambda: answers(ids.url))
    assert admin.owners("kept@acme.example.com") == ["alice", "bob"]


def answers(url: str) -> bool:
    try:
        requests.get(url, timeout=5)
    except requests.ConnectionError:
        return False
    return True


def test_heartbeats_of_a_tier_lead_to_the_receiver_beside_it(ids: World, clients: Clients) -> None:
    url = clients.ssm.get_parameter(Name=ids.tiers["imap"].ping_param)["Parameter"]["Value"]  # type: ignore[index]
    assert requests.get(url, timeout=5).text == "OK"
    assert url.startswith(f"http://{LOOPBACK}:")


def test_the_admin_app_creates_suspends_and_revokes(admin: AdminApp, clients: Clients, ids: World) -> None:
    def suspended() -> bool | None:
        row = clients.dynamodb.get_item(TableName=ids.table, Key={"address": {"S": "x@acme.example.com"}})["Item"]
        return row.get("suspended", {}).get("BOOL")

    admin.create("x@acme.example.com", "alice", quietly=True)
    assert suspended() is None
    admin.suspend("x@acme.example.com", quietly=True)
    assert suspended() is True
    admin.resume("x@acme.example.com", quietly=True)
    assert suspended() is False
    admin.revoke("x@acme.example.com", quietly=True)
    assert not admin.has("x@acme.example.com")
    with pytest.raises(LookupError, match=r"x@acme\.example\.com"):
        admin.owners("x@acme.example.com")


def test_the_admin_app_makes_users_who_are_served_until_disabled_or_removed(admin: AdminApp) -> None:
    admin.create_user("zoe", 3001, quietly=True)
    assert "zoe" in admin.served_users()
    admin.disable("zoe", quietly=True)
    assert "zoe" not in admin.served_users()
    admin.enable("zoe", quietly=True)
    assert "zoe" in admin.served_users()
    admin.remove_user("zoe", quietly=True)
    assert "zoe" not in admin.served_users()


def test_every_tier_hears_of_a_change_unless_it_is_made_quietly(admin: AdminApp, clients: Clients, ids: World) -> None:
    def heard() -> list[str]:
        found = []
        for queues in ids.tiers.values():
            for message in clients.sqs.receive_message(QueueUrl=queues.queue_url).get("Messages", []):
                clients.sqs.delete_message(QueueUrl=queues.queue_url, ReceiptHandle=message["ReceiptHandle"])
                found.append(message["Body"])
        return found

    admin.create("loud@acme.example.com", "alice")
    said = heard()
    assert len(said) == len(ids.tiers)
    assert all("loud@acme.example.com" in body for body in said)
    admin.revoke("loud@acme.example.com", quietly=True)
    assert heard() == []
