"""What an operator types in a container says what is true there."""

import json

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system.mail import Mail
from tests.system.patience import until


@pytest.mark.parametrize("tier", list(Tier))
def test_doctor_finds_nothing_wrong_in_a_tier_that_works(world: World, tier: Tier) -> None:
    until(lambda: all(one.state != "STARTING" for one in world.programs(tier).values()), "the loop runs")
    found = json.loads(world.exec(tier, "reconfigure", "doctor", "--json"))
    wrong = [one for one in found["findings"] if one["state"] not in {"ok", "skipped"}]
    assert wrong == []
    states = {one["check"]: one["state"] for one in found["findings"]}
    assert {states[check] for check in ("programs", "ports", "certificate", "accounts", "secrets")} <= {"ok", "skipped"}
    assert {states[check] for check in ("ports", "certificate", "configuration", "host name")} == {"ok"}


def test_doctor_names_the_daemon_that_is_down_and_its_port(world: World) -> None:
    world.exec(Tier.IMAP, "supervisorctl", "stop", "mail:dovecot")
    try:
        done = world.try_exec(Tier.IMAP, "reconfigure", "doctor", "--only", "programs", "--only", "ports")
    finally:
        world.exec(Tier.IMAP, "supervisorctl", "start", "mail:dovecot")
    assert done.returncode == 1
    assert "mail:dovecot is STOPPED" in done.stdout
    assert "993" in done.stdout


@pytest.mark.parametrize("tier", [Tier.IMAP, Tier.SMTP_IN])
def test_explain_asks_the_running_daemon(world: World, mail: Mail, tier: Tier) -> None:  # noqa: ARG001
    found = json.loads(world.exec(tier, "reconfigure", "explain", "shop@acme.example.com", "--json"))
    assert found["agrees"] is True
    said = {link["where"]: link for link in found["links"]}
    assert said["daemon"]["state"] == "fits"
    assert "-> 250" in said["daemon"]["says"][0]
    none = json.loads(world.exec(tier, "reconfigure", "explain", "nobody@example.com", "--json"))
    assert {link["where"]: link["state"] for link in none["links"]}["daemon"] == "fits"


def test_explain_of_a_domain_knows_on_smtp_out_which_key_signs(world: World) -> None:
    found = json.loads(world.exec(Tier.SMTP_OUT, "reconfigure", "explain", "acme.example.com", "--json"))
    said = {link["where"].split(" of ")[0]: link for link in found["links"]}
    assert said["DNS, DKIM"]["says"] == ["the key that signs here"]
    assert found["agrees"] is True
