"""What makes a process one of the embedded tiers: its environment, its settings file, its command for a person.

`python -m embedded tier NAME` is what the supervisord above runs for each tier: it waits for AWS, writes the settings
file and becomes the tier's own supervisord, with the same configuration file that a container runs.
"""

import json
import os
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import yaml

from embedded import key_material, sample
from embedded.aws import CREDENTIALS, World
from embedded.places import CHECKOUT, Places
from reconfigure.settings import Tier
from reconfigure.settings.fields import SPECS

_AWS_SECONDS = 60.0
_SEARCHED_TOO = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # Debian's PATH for users lacks them; makemap lies there
LOOPBACK = "127.0.0.1,localhost"


def settings(places: Places, world: World, *, tier: Tier) -> dict[str, str]:
    """Return a tier's settings by their environment names, secrets included."""
    queues = world.tiers[tier]
    keys = key_material.load_or_make(places.key_material, cert_domain=sample.CERT_DOMAIN)
    folder = places.tier(tier)
    return {
        "TIER": tier.value,
        "CERT_DOMAIN": sample.CERT_DOMAIN,
        "AWS_REGION": world.region,
        "AWS_ENDPOINT_URL": world.url,
        "ADDRESSES_TABLE": world.table,
        "COGNITO_POOL_ID": world.pool_id,
        "COGNITO_CLIENT_ID": world.client_id,
        "SQS_QUEUE_URL": queues.queue_url,
        "SQS_DLQ_URL": queues.dlq_url,
        "HEALTHCHECK_PING_PARAM": queues.ping_param,
        "FLEET_TABLE": world.fleet_table,
        "RECONFIGURE_TOPIC_ARN": world.topic_arn,
        "RECONFIGURE_STATE_DIR": str(folder),
        "RECONFIGURE_SECRETS_DIR": str(folder / "secrets"),
        "RECONFIGURE_HOMES_DIR": str(folder / "home"),
        "RECONFIGURE_SUPERVISOR_SOCKET": str(places.tier_socket(tier)),
        "RECONFIGURE_HTTP": f"127.0.0.1:{port}" if (port := http_port(places, tier)) else "off",
        "RECONFIGURE_ABSENT_PROGRAMS": "skip",  # no mail daemons here
        "RECONFIGURE_START_SPREAD_SECONDS": "0",  # one task a tier
        "RECONFIGURE_TASK": f"embedded-{tier}",
        **{name: text for name, text in keys.items() if tier is Tier.SMTP_OUT or name != "DKIM_PRIVATE_KEY"},
    }


def http_port(places: Places, tier: Tier) -> int | None:
    """Return the port of a tier's page; None as long as none was chosen."""
    ports = json.loads(places.ports.read_text()) if places.ports.exists() else {}
    return int(ports[tier]) if tier in ports else None


def foreign(environ: Mapping[str, str]) -> list[str]:
    """Return the names in an environment that would change what the embedded tiers do: AWS's, and any setting."""
    known = {name for spec in SPECS for name in (spec.env, *spec.about.also)}
    return sorted(name for name in environ if name in known or name.startswith(("AWS_", "RECONFIGURE_")))


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without anything foreign, in which the tools are found and AWS is asked without a proxy."""
    base = {name: value for name, value in environ.items() if name not in set(foreign(environ))}
    path = [str(CHECKOUT / ".venv/bin"), str(CHECKOUT / ".dev/bin"), *base.get("PATH", os.defpath).split(":")]
    path += _SEARCHED_TOO
    return base | CREDENTIALS | {"PATH": ":".join(dict.fromkeys(path)), "NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK}


def write_config(places: Places, chosen: Mapping[str, str], *, tier: Tier) -> None:
    """Write a tier's settings file, readable by its owner alone, since it holds keys."""
    path = places.config(tier)
    beside = path.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"# Made by `make up`: the settings of the embedded {tier} tier.\n")
        yaml.safe_dump({spec.field: chosen[spec.env] for spec in SPECS if spec.env in chosen}, file, sort_keys=False)
    beside.replace(path)


def write_launchers(places: Places) -> None:
    """Write the short commands: each tier's `reconfigure`, `create`, `revoke`."""
    python = shlex.quote(sys.executable)
    unset = " ".join(dict.fromkeys(name for spec in SPECS for name in (spec.env, *spec.about.also)))
    credentials = " ".join(f"{name}={value}" for name, value in CREDENTIALS.items())
    path = ":".join((str(CHECKOUT / ".venv/bin"), str(CHECKOUT / ".dev/bin")))
    for tier in Tier:
        _script(
            places.launchers / tier,
            f"# The {tier} tier's command line: its settings, and nothing of what this shell has set.",
            f"unset {unset} AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL_DYNAMODB AWS_ENDPOINT_URL_SQS",
            f"export RECONFIGURE_CONFIG={shlex.quote(str(places.config(tier)))} {credentials}",
            f"export NO_PROXY={LOOPBACK} no_proxy={LOOPBACK}",
            f'export PATH={shlex.quote(path)}:"$PATH":{":".join(_SEARCHED_TOO)}',
            f'exec {shlex.quote(str(Path(sys.executable).with_name("reconfigure")))} "$@"',
        )
    for command in ("create", "revoke"):
        _script(
            places.launchers / command,
            f"cd {shlex.quote(str(CHECKOUT))} || exit",
            f'exec {python} -m embedded --state {shlex.quote(str(places.state))} {command} "$@"',
        )


def _script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(("#!/bin/sh", "# Made by `make up`.", *lines, "")))
    path.chmod(0o755)


def run_shell(places: Places, tier: Tier) -> NoReturn:
    """Become a shell in which `reconfigure` is the tier's command line."""
    environ = base_environment(os.environ) | {
        "RECONFIGURE_CONFIG": str(places.config(tier)),
        "PS1": f"({tier}) \\w \\$ ",
    }
    os.execvpe("bash", ["bash", "--norc"], environ)  # noqa: S606, S607 the person's own bash


def run(places: Places, tier: Tier) -> NoReturn:
    """Wait for AWS, then become the tier's supervisord.

    Raises:
        TimeoutError: AWS did not come up; the supervisord above tries again.
    """
    deadline = time.monotonic() + _AWS_SECONDS
    while not places.aws.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {places.aws} after {_AWS_SECONDS:.0f} s; look at {places.logs / 'aws.log'}")
        time.sleep(0.05)
    chosen = settings(places, World.read(places.aws), tier=tier)
    write_config(places, chosen, tier=tier)
    environ = base_environment(os.environ) | chosen | {"RECONFIGURE_LOG_FORMAT": "json"}
    environ["RECONFIGURE_PROGRAMS"] = str(places.tier(tier) / "programs" / "*.conf")  # none as it is
    supervisord = Path(sys.executable).with_name("supervisord")
    os.execve(supervisord, [str(supervisord), "-c", str(CHECKOUT / "supervisord.conf")], environ)  # noqa: S606


def status_document(places: Places, tier: Tier) -> dict[str, object] | None:
    """Return a tier's status document as JSON values, or None while it has none."""
    try:
        document: dict[str, object] = json.loads(places.status(tier).read_text())
    except FileNotFoundError:
        return None
    return document
