import re
from typing import Any

import pytest
import yaml

from embedded import sample
from embedded.aws import World
from reconfigure.settings import Tier
from reconfigure.settings.fields import SPECS
from stack.lab.zone import HOSTS
from stack.project import COMPOSE, PORTS

NOT_SETTINGS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(COMPOSE.read_text())
    return document["services"]


def test_the_ids_in_it_are_those_that_the_double_makes(services: dict[str, dict[str, Any]], ids: World) -> None:
    for tier in Tier:
        told = services[tier]["environment"]
        assert told["ADDRESSES_TABLE"] == ids.table
        assert told["COGNITO_POOL_ID"] == ids.pool_id
        assert told["COGNITO_CLIENT_ID"] == ids.client_id
        assert told["RECONFIGURE_TOPIC_ARN"] == ids.topic_arn
        assert told["HEALTHCHECK_PING_PARAM"] == ids.tiers[tier].ping_param
        assert told["SQS_QUEUE_URL"] == ids.tiers[tier].queue_url.replace(ids.url, "http://aws:4566")
        assert told["SQS_DLQ_URL"] == ids.tiers[tier].dlq_url.replace(ids.url, "http://aws:4566")
        assert told["CERT_DOMAIN"] == sample.CERT_DOMAIN


@pytest.mark.parametrize("tier", list(Tier))
def test_every_variable_of_a_tier_is_a_setting(services: dict[str, dict[str, Any]], tier: Tier) -> None:
    known = {name for spec in SPECS for name in (spec.env, *spec.about.also)}
    assert set(services[tier]["environment"]) - NOT_SETTINGS <= known


@pytest.mark.parametrize("service", list(HOSTS))
def test_no_container_has_more_than_named_capabilities_or_writes_its_image(
    services: dict[str, dict[str, Any]], service: str
) -> None:
    assert services[service]["read_only"] is True
    assert services[service]["cap_drop"] == ["ALL"]
    assert "privileged" not in services[service]
    assert not {"ALL", "SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"} & set(services[service].get("cap_add", ()))


def test_ports_are_published_on_loopback_only_and_by_variables(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", ())]
    found = [re.fullmatch(r"127\.0\.0\.1:\$\{LAB_PORT_([A-Z_]+)-\d+\}:\d+", port) for port in published]
    assert all(found), published
    assert sorted(match[1] for match in found if match) == sorted(PORTS)


def test_addresses_are_those_that_the_name_service_gives(services: dict[str, dict[str, Any]]) -> None:
    told = {name: service["networks"]["mail"]["ipv4_address"] for name, service in services.items()}
    assert told == {name: f"${{LAB_PREFIX:-10.77.0}}.{number}" for name, number in HOSTS.items()}


def test_no_key_is_in_the_file() -> None:
    assert "-----BEGIN" not in COMPOSE.read_text()
