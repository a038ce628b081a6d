"""A task gets what docker/compose.yaml gives a container, by EC2 all of it, by Fargate the same capabilities."""

import json
from typing import Any

import pytest
import yaml

from reconfigure.settings import Tier, load
from tests.terraform.module import GIVEN, ROOT, Module
from tests.terraform.test_alarms import SECRETS
from tests.terraform.test_files import NETWORK, SERVICE

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker/compose.yaml").read_text(encoding="utf-8"))["services"]
SERVICES = {tier.value: {**SERVICE, "secrets": SECRETS} for tier in Tier}
each_tier = pytest.mark.parametrize("tier", list(Tier))
# What an engine gives a container that asks for nothing (moby's oci/caps/defaults.go).
DEFAULT = set(
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT".split()
)
EXEC = {"/managed-agents", "/var/lib/amazon", "/var/log/amazon"}


def module(launch_type: str = "EC2") -> Module:
    return Module(given={**GIVEN, **NETWORK, "services": SERVICES, "launch_type": launch_type})


def container(tier: Tier, launch_type: str = "EC2") -> dict[str, Any]:
    task = module(launch_type).instances("aws_ecs_task_definition.tier")[tier]
    (found,) = json.loads(task.get("container_definitions"))
    return dict(found)


@each_tier
def test_a_container_is_held_as_the_compose_file_holds_it(tier: Tier) -> None:
    ours, compose = container(tier), COMPOSE[tier]
    assert ours["readonlyRootFilesystem"] is compose["read_only"] is True
    assert ours["linuxParameters"]["capabilities"] == {"drop": compose["cap_drop"], "add": compose["cap_add"]}
    assert [f"{option}:true" for option in ours["dockerSecurityOptions"]] == compose["security_opt"]
    assert f"{ours['stopTimeout']}s" == compose["stop_grace_period"]
    tmpfs = [f"{each['containerPath']}:{each['mountOptions'][0]}" for each in ours["linuxParameters"]["tmpfs"]]
    assert tmpfs == compose["tmpfs"]


@each_tier
def test_a_container_is_asked_for_its_health_as_the_compose_file_asks(tier: Tier) -> None:
    ours, compose = container(tier)["healthCheck"], COMPOSE[tier]["healthcheck"]
    assert ours["command"] == compose["test"]
    assert ours["retries"] == compose["retries"]
    for name, theirs in (("interval", "interval"), ("timeout", "timeout"), ("startPeriod", "start_period")):
        assert f"{ours[name]}s" == compose[theirs]


@each_tier
def test_fargate_leaves_the_same_capabilities(tier: Tier) -> None:
    ours = container(tier, "FARGATE")
    assert ours["linuxParameters"]["capabilities"]["add"] == []
    assert DEFAULT - set(ours["linuxParameters"]["capabilities"]["drop"]) == set(COMPOSE[tier]["cap_add"])
    assert "dockerSecurityOptions" not in ours
    assert "tmpfs" not in ours["linuxParameters"]


@each_tier
@pytest.mark.parametrize("launch_type", ["EC2", "FARGATE"])
def test_everything_that_is_written_has_a_volume(tier: Tier, launch_type: str) -> None:
    ours = container(tier, launch_type)
    task = module(launch_type).instances("aws_ecs_task_definition.tier")[tier]
    volumes = {volume["name"] for volume in task.get("volume")}
    mounts = {mount["containerPath"]: mount["sourceVolume"] for mount in ours["mountPoints"]}
    assert set(mounts.values()) == volumes
    memory = {each["containerPath"] for each in ours["linuxParameters"].get("tmpfs", ())}
    compose = {volume.partition(":")[2] for volume in COMPOSE[tier]["volumes"]}
    assert {*mounts} | memory == compose | {"/run", "/tmp"} | EXEC


@each_tier
@pytest.mark.parametrize("launch_type", ["EC2", "FARGATE"])
def test_the_agent_of_ecs_exec_finds_folders_that_it_may_write_to(tier: Tier, launch_type: str) -> None:
    """Nothing here runs the agent: that these are the folders is what users of it report."""
    ours = container(tier, launch_type)
    assert ours["readonlyRootFilesystem"]
    assert {mount["containerPath"] for mount in ours["mountPoints"] if mount["readOnly"] is False} >= EXEC


@each_tier
def test_mail_and_mailboxes_outlive_their_task(tier: Tier) -> None:
    task = module().instances("aws_ecs_task_definition.tier")[tier]
    kept = {volume["name"]: volume for volume in task.get("volume") if "efs_volume_configuration" in volume}
    assert set(kept) == ({"mail-queue", "homes"} if tier is Tier.IMAP else {"mail-queue"})
    points = set()
    for volume in kept.values():
        (efs,) = volume["efs_volume_configuration"]
        assert efs["transit_encryption"] == "ENABLED"
        assert efs["authorization_config"][0]["iam"] == "ENABLED"
        points.add(efs["authorization_config"][0]["access_point_id"])
    assert len(points) == len(kept)


@each_tier
def test_the_settings_are_ones_that_the_reconciler_takes(tier: Tier) -> None:
    ours = container(tier)
    environment = {each["name"]: each["value"] for each in ours["environment"]}
    settings = load(environment)
    assert settings.tier is tier
    assert settings.sqs_queue_url == module().output("queue_urls")[tier]
    assert settings.healthcheck_ping_param == module().output("heartbeat_parameters")[tier]
    assert settings.imap_internal_host == "imap.reconfigure.internal"


@each_tier
def test_secrets_come_by_reference(tier: Tier) -> None:
    ours = container(tier)
    assert {each["name"]: each["valueFrom"] for each in ours["secrets"]} == SECRETS
    assert not {each["name"] for each in ours["environment"]} & set(SECRETS)


@each_tier
def test_clients_reach_the_ports_of_the_compose_file_and_no_other(tier: Tier) -> None:
    listeners = [each for each in module().all("aws_lb_listener") if each.get("tags")["Tier"] == tier]
    published = {int(port.rpartition(":")[2]) for port in COMPOSE[tier]["ports"]}
    assert {each.get("port") for each in listeners} == published
    inside = {each["containerPort"] for each in container(tier)["portMappings"]}
    assert inside == published | ({25} if tier is Tier.IMAP else set())


def test_only_the_relays_reach_imap_by_smtp() -> None:
    ours = module()
    rules = [
        rule
        for rule in ours.all("aws_vpc_security_group_ingress_rule")
        if rule.get("from_port") == 25 and rule.get("security_group_id") == "aws_security_group.tier[imap].id"
    ]
    assert {rule.get("referenced_security_group_id") for rule in rules} == {
        "aws_security_group.tier[smtp-in].id",
        "aws_security_group.tier[smtp-out].id",
    }
    world = [rule for rule in ours.all("aws_vpc_security_group_ingress_rule") if rule.get("cidr_ipv4") is not None]
    assert {rule.get("security_group_id") for rule in world} == {"aws_security_group.balancer[0].id"}


def test_a_deployment_that_fails_is_taken_back() -> None:
    for service in module().all("aws_ecs_service"):
        assert service.get("deployment_circuit_breaker") == [{"enable": True, "rollback": True}]
        assert service.get("deployment_minimum_healthy_percent") == 100
        assert service.get("enable_execute_command") is True


def test_without_services_nothing_of_them_is_made() -> None:
    made = {
        block.type for block in Module().blocks.values() if block.kind == "resource" for _ in _instances(block.address)
    }
    assert not {
        type_ for type_ in made if type_.startswith(("aws_ecs", "aws_lb", "aws_efs", "aws_vpc", "aws_security"))
    }
    assert {"aws_sqs_queue", "aws_sns_topic", "aws_iam_policy", "aws_dynamodb_table"} <= made


def _instances(address: str) -> list[Any]:
    found = Module().instances(address)
    return list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else [found]
