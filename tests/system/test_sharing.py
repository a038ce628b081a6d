"""Who reaches what within a container, tried with the user and the groups that each process really has."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system.mail import PASSWORD
from tests.system.tiers import PYTHON, Beside, beside

FIRST_OF_EXTRAUSERS = 500  # libnss-extrausers: MINUID and MINGID
ACCOUNTS = {"reconfigure", "login", "smmta", "smmsp", "milter", "opendkim", "opendmarc", "dovecot", "dovenull"}
SETTINGS = {"RECONFIGURE_VERIFY_HEADERS": "yes", "MASTER_PASSWORD": "a long password of the master user"}
FORMER = {"/var/lib/reconfigure": "970", "/var/spool/mqueue": "972"}

DKIM_KEY, SIGNER = "secrets/dkim.private", "opendkim/opendkim.sock"
OF_RELAYS = {"milter/verdicts", "milter/complete", "milter/results", "secrets/tls.key"}
REACHED: Mapping[Tier, Mapping[str, set[str]]] = {
    Tier.IMAP: {"sendmail": set(), "auth": {"login/dovecot"}, "imap-login": set(), "reconfigure login": set()},
    Tier.SMTP_IN: {
        "sendmail": {SIGNER, "opendmarc/opendmarc.sock"} | OF_RELAYS,
        "opendkim": {SIGNER},
        "opendmarc": {"opendmarc/opendmarc.sock"},
        "reconfigure run": {"supervisor.sock"},
    },
    Tier.SMTP_OUT: {
        "sendmail": {SIGNER, "login/mux", "login/gate"} | OF_RELAYS,
        "opendkim": {SIGNER, DKIM_KEY},
        "reconfigure run": {"supervisor.sock"},
        "reconfigure login": set(),
    },
}

# Opens a session on each port, so that the processes behind it are there; then tries everything as each of them.
_LOOK = """
import glob, json, os, socket, sys, time
end, ports, wanted = time.monotonic() + 60, sys.argv[1].split(","), set(sys.argv[2].split(","))
sessions = [socket.create_connection(("127.0.0.1", int(port)), 30) for port in ports]
for session in sessions: session.recv(100)
things = [*glob.glob("/run/login/*"), *glob.glob("/run/milter/*"), *glob.glob("/run/open*/*.sock")]
things += glob.glob("/run/reconfigure/*.sock")
public = {"ca-bundle.pem", "tls.crt"}
things += [each for each in glob.glob("/run/reconfigure/secrets/*") if os.path.basename(each) not in public]
def reached(uid, gid, groups):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setgroups(groups); os.setresgid(gid, gid, gid); os.setresuid(uid, uid, uid)
        got = []
        for each in things:
            try:
                if each.startswith("/run/reconfigure/secrets/"): open(each, "rb").close()
                else: socket.socket(socket.AF_UNIX).connect(each)
            except OSError: continue
            got.append(each.removeprefix("/run/").removeprefix("reconfigure/"))
        os.write(writing, json.dumps(got).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as end: return json.loads(end.read())
while True:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            lines = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status").read().splitlines())
            words = open(f"/proc/{pid}/cmdline").read().split("\\0")
            program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        except (FileNotFoundError, ProcessLookupError): continue
        uid, gid = int(lines["Uid"].split()[1]), int(lines["Gid"].split()[1])
        if program.startswith("python"): program = "reconfigure " + words[-2]
        if uid: found.append((program, uid, gid, sorted(map(int, lines["Groups"].split()))))
    if wanted <= {each[0] for each in found} or time.monotonic() > end: break
    time.sleep(0.1)
print(json.dumps([[*each, reached(*each[1:])] for each in found]))
"""
_GROUPS = """
import os, pwd, sys
os.initgroups(sys.argv[1], pwd.getpwnam(sys.argv[1]).pw_gid)
print(os.getgroups())
"""
_BECOME = "import os, sys; from reconfigure import account; account.become(sys.argv[1]); print(os.getgroups())"


class Process(NamedTuple):
    """A process that is not root's: its program, user, groups, and what it reaches of what is shared."""

    program: str
    uid: int
    gid: int
    groups: list[int]
    reached: list[str]


@pytest.fixture(scope="module", params=list(Tier))
def container(world: World, request: pytest.FixtureRequest) -> Iterator[Beside]:
    with started(world, request.param) as container:
        yield container


renders_users = pytest.mark.parametrize("container", [Tier.IMAP, Tier.SMTP_OUT], indirect=True)


@contextmanager
def started(world: World, tier: Tier) -> Iterator[Beside]:
    settings = {key: value for key, value in SETTINGS.items() if tier is Tier.IMAP or key != "MASTER_PASSWORD"}
    with beside(world, tier, environment=settings) as container:
        assert container.ready(60), container.logs()
        yield container


def accounts(container: Beside) -> dict[str, tuple[int, int]]:
    """Return UID and GID of the services' accounts that there are."""
    lines = [line.split(":") for line in container.run("cat", "/etc/passwd")[1].splitlines()]
    return {name: (int(uid), int(gid)) for name, _, uid, gid, *_ in lines if name in ACCOUNTS}


def test_process_reaches_what_it_needs_and_nothing_else(container: Beside) -> None:
    ports = {Tier.IMAP: "25,143", Tier.SMTP_IN: "25", Tier.SMTP_OUT: "587"}[container.tier]
    expected = REACHED[container.tier]
    code, said = container.run(PYTHON, "-c", _LOOK, ports, ",".join(expected), privileged=True, timeout=120)
    assert code == 0, said
    processes = [Process(*each) for each in json.loads(said)]

    found: dict[str, set[str]] = {program: set() for program in expected}
    for each in processes:
        found[each.program] = found.get(each.program, set()).union(each.reached)
        assert all(number < FIRST_OF_EXTRAUSERS for number in (each.uid, each.gid, *each.groups)), each
    assert expected.keys() <= {each.program for each in processes}
    assert {program: reached for program, reached in found.items() if reached or program in expected} == expected


def test_accounts_have_numbers_that_no_rendered_line_can_stand_for(container: Beside) -> None:
    found = accounts(container)

    assert {"reconfigure", "login", "smmta"} <= found.keys()
    assert all(number < FIRST_OF_EXTRAUSERS for numbers in found.values() for number in numbers), found


@renders_users
def test_rendered_group_file_makes_no_account_a_member_of_anything(container: Beside) -> None:
    container.run("supervisorctl", "stop", "reconfigure")
    names = sorted(accounts(container))
    before = {name: container.run(PYTHON, "-c", _GROUPS, name) for name in names}
    numbers = [480, 45, accounts(container)["smmta"][1], 70000]
    lines = "\n".join(f"more{number}:x:{number}:{','.join(names)}" for number in numbers)
    file = "/var/lib/reconfigure/current/passwd/group"
    assert container.run("sh", "-c", f"printf '%s\n' '{lines}' >>{file}", privileged=True)[0] == 0
    assert "more70000" in container.run("getent", "group", "70000")[1], "it is not read at all"

    assert {name: container.run(PYTHON, "-c", _GROUPS, name) for name in names} == before


@renders_users
def test_rendered_line_stands_for_no_user_with_a_number_as_low_as_the_accounts(container: Beside) -> None:
    container.run("supervisorctl", "stop", "reconfigure")
    file = "/var/lib/reconfigure/current/passwd/passwd"
    lines = "".join(f"more{number}:x:{number}:70000::/:/bin/sh\n" for number in (FIRST_OF_EXTRAUSERS - 1, 70000))
    assert container.run("sh", "-c", f"printf '%s' '{lines}' >>{file}", privileged=True)[0] == 0

    assert "more70000" in container.run("getent", "passwd", "70000")[1], "it is not read at all"
    assert container.run("getent", "passwd", str(FIRST_OF_EXTRAUSERS - 1))[1] == ""


def test_account_that_is_become_has_its_own_group_alone(container: Beside) -> None:
    uid_gid = accounts(container)["smmta"]

    assert container.run(PYTHON, "-c", _GROUPS, "smmta")[1].strip() != f"[{uid_gid[1]}]", "it is in others, too"
    assert container.run(PYTHON, "-c", _BECOME, "smmta")[1].strip() == f"[{uid_gid[1]}]"


def test_milters_socket_is_for_its_account_and_sendmail(container: Beside) -> None:
    milters = {Tier.IMAP: (), Tier.SMTP_IN: ("opendkim", "opendmarc"), Tier.SMTP_OUT: ("opendkim",)}[container.tier]

    for name in milters:
        assert container.run("stat", "-c", "%a %U:%G", f"/run/{name}")[1].strip() == f"2711 {name}:smmta"
        assert container.run("stat", "-c", "%a %U:%G", f"/run/{name}/{name}.sock")[1].strip() == f"770 {name}:smmta"


@pytest.mark.parametrize("tier", [Tier.SMTP_IN, Tier.SMTP_OUT])
def test_volumes_whose_accounts_had_other_numbers_are_taken_over(world: World, tier: Tier) -> None:
    with started(world, tier) as container:
        for folder, number in FORMER.items():
            owner = container.run("stat", "-c", "%u", folder)[1].strip()
            script = f"find {folder} -user {owner} -exec chown -h {number} {{}} +"
            assert container.run("sh", "-c", script, privileged=True)[0] == 0
        container.engine.run("restart", "--time", "10", container.name)

        assert container.fault(PASSWORD, seconds=60) == ""
        for folder, number in FORMER.items():
            assert container.run("find", folder, "-user", number, privileged=True) == (0, "")


def test_maps_of_imap_are_for_root_and_sendmail_alone(world: World) -> None:
    with started(world, Tier.IMAP) as container:
        folder = "/var/lib/reconfigure/current/mail"
        found = container.run("sh", "-c", f"stat -L -c '%a %U:%G' {folder}/*")[1].splitlines()
        code, said = container.run(
            "setpriv", "--reuid=2001", "--regid=2001", "--clear-groups", "cat", f"{folder}/access"
        )

        assert set(found) == {"640 root:smmta"}
        assert (code, "Permission denied" in said) == (1, True)
        script = "find /var/lib/reconfigure -type f -perm /004 -printf '%f\\n' | sort -u"
        assert container.run("sh", "-c", script)[1].split() == ["group", "passwd"]
        assert container.fault(PASSWORD, seconds=60) == ""
