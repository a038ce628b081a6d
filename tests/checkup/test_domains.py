"""`doctor` on hosted domains: whose mail goes elsewhere is perhaps another's, asked of a real name service."""

import json
from typing import Any

from stack.dns import NameService
from tests.explaining.test_domain import made, ports, zone  # noqa: F401 - pytest finds them by their names here
from tests.stack.processes import LOOPBACK

RELAY = "smtp-in.mail.example.com"


def found(run: Any, port: int) -> dict[str, Any]:
    done = run("doctor", "--json", "--only", "domains", "--resolver", f"{LOOPBACK}:{port}")
    assert done.exit_code == 0, done.output
    [one] = json.loads(done.stdout)["findings"]
    return dict(one)


def test_domains_whose_mail_comes_here_are_well(live: Any, run: Any, zone: NameService, ports: Any) -> None:  # noqa: ARG001, F811
    one = found(run, ports[0])
    assert (one["state"], one["seen"]) == ("ok", f"MX of 3 hosted domains is {RELAY}")


def test_a_hosted_domain_whose_mail_goes_elsewhere_is_a_warning(
    live: Any,
    run: Any,
    zone: NameService,  # noqa: F811
    ports: Any,  # noqa: F811
) -> None:
    zone.set("garden.example.org", "MX", "10 mx.elsewhere.test.", f"20 not-{RELAY}.")
    zone.set("unmailed.example.org", "MX")
    live.put("ceo@unmailed.example.org", "carol")
    assert run("once").exit_code == 0
    one = found(run, ports[0])
    assert one["state"] == "warning"
    assert one["seen"] == f"MX of garden.example.org, unmailed.example.org is not {RELAY}"
    assert "MAIL_DOMAINS" in one["fix"]
    assert "reconfigure explain garden.example.org" in one["fix"]


def test_with_a_list_of_domains_nobody_is_asked(
    live: Any,  # noqa: ARG001
    run: Any,
    environment: Any,
    zone: NameService,  # noqa: F811
    ports: Any,  # noqa: F811
) -> None:
    zone.set("garden.example.org", "MX", "10 mx.elsewhere.test.")
    environment.setenv("MAIL_DOMAINS", "example.com example.org")
    one = found(run, ports[0])
    assert (one["state"], "example.com example.org" in one["seen"]) == ("ok", True)


def test_a_name_server_that_fails_for_one_is_told_and_for_all_says_nothing(
    live: Any,  # noqa: ARG001
    run: Any,
    zone: NameService,  # noqa: F811
    ports: Any,  # noqa: F811
) -> None:
    zone.set("garden.example.org", "*", failure="SERVFAIL")
    one = found(run, ports[0])
    assert one["state"] == "ok"
    assert one["seen"] == f"MX of 2 hosted domains is {RELAY}; no answer about garden.example.org"
    for domain in ("example.com", "acme.example.com"):
        zone.set(domain, "*", failure="SERVFAIL")
    assert found(run, ports[0])["state"] == "skipped"
