"""What the programs of the images get of the environment that a container has, by the files that ship."""

import configparser
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconfigure.settings.fields import SPECS

ROOT = Path(__file__).resolve().parents[2]
WITH_SETTINGS = ROOT / "docker/shared/bin/with-settings"
SPEAK_TO_AWS = {"prepare", "reconfigure"}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "ECS_CONTAINER_METADATA_URI_V4",
    "SOMETHING_NEW",
}
MAY_NOT_BE_SHOWN = {spec.env for spec in SPECS if spec.shown("https://a.example/secret") != "https://a.example/secret"}


def programs() -> Iterator[tuple[str, str]]:
    for path in (ROOT / "supervisord.conf", *sorted(ROOT.glob("docker/*/programs.conf"))):
        yield from commands(path)
    yield from commands(ROOT / "docker/shared/programs/syslog.conf")


def commands(path: Path) -> Iterator[tuple[str, str]]:
    read = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    read.read_string(path.read_text())
    for section in read.sections():
        if section.startswith("program:") and (name := section.partition(":")[2]) not in SPEAK_TO_AWS:
            yield f"{path.parent.name}/{name}", read[section]["command"]


def seen(command: list[str], environment: set[str]) -> set[str]:
    """Return the names that what the command starts would see, were it `env`."""
    path = "/usr/bin:/bin"
    done = subprocess.run(
        [*command, "/usr/bin/env", "-0"],
        env={"PATH": path} | dict.fromkeys(environment, "something"),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return {each.partition("=")[0] for each in done.stdout.decode().split("\0") if each}


@pytest.mark.parametrize(("program", "command"), list(programs()))
def test_program_gets_no_credential_and_no_secret(program: str, command: str) -> None:
    words = shlex.split(command.replace("%(ENV_PATH)s", "/usr/bin:/bin"))
    environment = CREDENTIALS | {spec.env for spec in SPECS}
    if words[0] == "with-settings":
        found = seen([sys.executable, "-IS", str(WITH_SETTINGS)], environment)
        assert not found & (CREDENTIALS | MAY_NOT_BE_SHOWN), program
    else:
        assert words[:2] == ["env", "-i"], program
        variables = [each for each in words[2:] if "=" in each.partition("/")[0]]
        assert seen(["env", "-i", *variables], environment) == {"PATH"}, program


def test_settings_that_may_be_shown_are_passed_on_and_no_others() -> None:
    names = {name for spec in SPECS for name in (spec.env, *spec.about.also)}

    assert seen([sys.executable, "-IS", str(WITH_SETTINGS)], names) - {"PATH"} == names - MAY_NOT_BE_SHOWN
    assert {"TLS_KEY", "DKIM_PRIVATE_KEY", "MASTER_PASSWORD", "HEALTHCHECK_PING_URL"} <= MAY_NOT_BE_SHOWN
