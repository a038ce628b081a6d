"""`explain DOMAIN`: what DNS says, against what it should say, asked of a real name service."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from embedded import sample
from reconfigure.explaining.records import Names, checked, public_key
from stack import keys
from stack.dns import NameService
from tests.explaining.test_explain import explained, said, states
from tests.stack.processes import LOOPBACK, free_ports, service

DOMAIN = "acme.example.com"
RELAY = "smtp-in.mail.example.com"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json", cert_domain=sample.CERT_DOMAIN)


@pytest.fixture(scope="module")
def ports(made: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    port, control = free_ports(2)
    told = ("--port", str(port), "--http", str(control), "--cert-domain", "mail.example.com")
    with service("stack.lab.dns", *told, environ=made):
        yield port, control


@pytest.fixture
def zone(ports: tuple[int, int]) -> Iterator[NameService]:
    zone = NameService(LOOPBACK, ports[0], f"http://{LOOPBACK}:{ports[1]}")
    yield zone
    zone.forget()


@pytest.fixture
def names(ports: tuple[int, int], zone: NameService) -> Names:  # noqa: ARG001 - forgets afterwards
    return Names(f"{LOOPBACK}:{ports[0]}")


def judged(names: Names, key: str | None) -> dict[str, tuple[str, str]]:
    links = checked(names, DOMAIN, relay=RELAY, key=key)
    return {link.where.split()[1]: (link.state, "\n".join(link.says)) for link in links}


def test_records_as_they_should_be_fit(names: Names, made: Mapping[str, str]) -> None:
    found = judged(names, public_key(made["DKIM_PRIVATE_KEY"].encode()))
    assert {what: state for what, (state, _) in found.items()} == dict.fromkeys(["MX", "SPF", "DKIM", "DMARC"], "fits")


def test_another_key_than_the_one_that_signs_is_told_with_the_right_one(
    names: Names, zone: NameService, made: Mapping[str, str]
) -> None:
    key = public_key(made["DKIM_PRIVATE_KEY"].encode())
    zone.set(f"cabal._domainkey.{DOMAIN}", "TXT", "v=DKIM1; k=rsa; p=AAAA")
    state, told = judged(names, key)["DKIM"]
    assert state == "differs"
    assert f"p={key}" in told


def test_records_that_are_missing_or_wrong_are_told_with_what_to_publish(names: Names, zone: NameService) -> None:
    zone.set(DOMAIN, "MX", "10 elsewhere.example.")
    zone.set(DOMAIN, "TXT", "v=spf1 -all", "v=spf1 +all")
    zone.set(f"_dmarc.{DOMAIN}", "TXT", "v=DMARC1; p=perhaps")
    found = judged(names, None)
    assert found["MX"] == (
        "differs",
        f"10 elsewhere.example.\nmail from outside does not come here: publish MX 10 {RELAY}.",
    )
    assert found["SPF"][0] == found["DMARC"][0] == "differs"
    assert "keep one" in found["SPF"][1]


def test_a_name_server_that_fails_is_unknown_and_not_missing(names: Names, zone: NameService) -> None:
    zone.set(DOMAIN, "*", failure="SERVFAIL")
    assert judged(names, None)["MX"][0] == "unknown"


@pytest.mark.parametrize("server", ["", "name.example", "192.0.2.1:", "300.0.0.1", "[::1", "::1]:53"])
def test_a_name_server_that_is_no_address_is_refused(server: str) -> None:
    with pytest.raises(ValueError, match="is no address of a name server"):
        Names(server)


def test_the_command_tells_addresses_entries_and_records(
    live: Any,  # noqa: ARG001
    run: Any,
    ports: tuple[int, int],
    zone: NameService,
) -> None:
    resolver = f"{LOOPBACK}:{ports[0]}"
    found = explained(run, DOMAIN, "--resolver", resolver, code=0)
    assert "3 addresses: orders@acme.example.com, shop@acme.example.com, team@acme.example.com" in said(
        found, "live generation"
    )
    zone.set(DOMAIN, "MX", "10 elsewhere.example.")
    found = explained(run, DOMAIN, "--resolver", resolver, code=1)
    assert states(found)[f"DNS, MX of {DOMAIN}"] == "differs"
    assert f"publish MX 10 {RELAY}." in found["mend"][0]


def test_a_domain_that_is_not_hosted_is_not_looked_up(live: Any, run: Any) -> None:  # noqa: ARG001
    found = explained(run, "elsewhere.example", "--resolver", "192.0.2.1", code=0)
    assert "is not hosted" in found["means"]
    assert list(states(found)) == ["live generation"]


def test_a_domain_that_may_not_be_hosted_is_told_with_its_reason(live: Any, run: Any, environment: Any) -> None:  # noqa: ARG001
    environment.setenv("MAIL_DOMAINS", "example.com")
    found = explained(run, "elsewhere.example", "--resolver", "192.0.2.1", code=0)
    assert "domain-not-ours" in said(found, "validation")
    found = explained(run, "imap.mail.example.com", "--resolver", "192.0.2.1", code=0)
    assert "domain-own-host" in said(found, "validation")


def test_a_key_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    with pytest.raises(ValueError, match=r".+"):
        public_key((tmp_path / "key").read_bytes())
