"""What each process of a container can read of the environment that the container was given."""

import json
from collections.abc import Mapping, Sequence

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system.tiers import PORT, PYTHON, beside

EVERYTHING = {
    "RECONFIGURE_VERIFY_HEADERS": "yes",
    # What ECS gives a task: whoever knows the first may ask for the role's credentials.
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/of-the-task",
    "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/of-the-task",
}
DAEMONS: Mapping[Tier, set[str]] = {
    Tier.IMAP: {"busybox", "sendmail", "dovecot", "auth", "reconfigure login"},
    Tier.SMTP_IN: {"busybox", "sendmail", "opendkim", "opendmarc"},
    Tier.SMTP_OUT: {"busybox", "sendmail", "opendkim", "reconfigure login"},
}
MAY_SPEAK_TO_AWS = ("supervisord", "reconfigure run", "reconfigure prepare")

# Every process but this one: its program and arguments, and the names of its variables.
_LOOK = """
import json, os
found = []
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) == os.getpid(): continue
    try:
        command, environ = (open(f"/proc/{pid}/{name}", "rb").read() for name in ("cmdline", "environ"))
        program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except FileNotFoundError: continue  # it has ended
    names = [each.partition(b"=")[0].decode("ascii", "replace") for each in environ.split(b"\\0") if b"=" in each]
    found.append([program, command.replace(b"\\0", b" ").decode("ascii", "replace"), names])
print(json.dumps(found))
"""


@pytest.mark.parametrize("tier", list(Tier))
def test_only_what_speaks_to_aws_has_credentials_and_daemons_have_nothing(world: World, tier: Tier) -> None:
    with beside(world, tier, environment=EVERYTHING) as container:
        assert container.ready(60), container.logs()
        given = {each.partition("=")[0] for each in world.engine.inspect(container.name)["Config"]["Env"]}
        port = 143 if tier is Tier.IMAP else PORT[tier]
        container.run("bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port} && IFS= read -r -t 30 line <&3")
        code, said = container.run(PYTHON, "-c", _LOOK, privileged=True)
    assert code == 0, said
    processes: Sequence[tuple[str, str, list[str]]] = json.loads(said)

    assert {"AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "TLS_KEY"} <= given
    seen = set()
    for program, command, names in processes:
        if any(each in command for each in MAY_SPEAK_TO_AWS):
            continue
        helper = "reconfigure login" in command
        seen.add("reconfigure login" if helper else program)
        allowed = {"PATH"} | {each for each in given if helper and not _gives_rights(each)}
        assert not given.intersection(names) - allowed, (program, command)
    assert seen >= DAEMONS[tier]


def _gives_rights(name: str) -> bool:
    return name in {"TLS_KEY", "DKIM_PRIVATE_KEY", "MASTER_PASSWORD", "HEALTHCHECK_PING_URL"} or (
        name.startswith(("AWS_", "ECS_")) and name not in {"AWS_REGION", "AWS_ENDPOINT_URL"}
    )
