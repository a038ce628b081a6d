"""Least privilege: what each container may do, each right proved needed by taking it away."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system.mail import PASSWORD
from tests.system.tiers import CAPABILITIES, beside

pytestmark = pytest.mark.quiet

AT_ONCE = 3
EVERYTHING = {"RECONFIGURE_VERIFY_HEADERS": "yes"}  # what is off by default may need a right, too
EACH = [(tier, each) for tier in Tier for each in ("", *CAPABILITIES[tier])]

OWNERS = {
    Tier.IMAP: {"reconfigure login": "login", "dovecot/auth": "dovecot", "reconfigure run": "root"},
    Tier.SMTP_IN: {"reconfigure run": "reconfigure", "reconfigure milter": "milter"},
    Tier.SMTP_OUT: {
        "reconfigure run": "reconfigure",
        "reconfigure login": "login",
        "reconfigure milter": "milter",
        "opendkim": "opendkim",
    },
}


@pytest.fixture(scope="module")
def faults(world: World) -> Mapping[tuple[Tier, str], str]:
    """What does not work without each capability; "" stands for having them all."""

    def tried(case: tuple[Tier, str]) -> str:
        with beside(world, case[0], without=case[1], environment=EVERYTHING) as container:
            return container.fault(PASSWORD)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(EACH, pool.map(tried, EACH), strict=True))


@pytest.mark.parametrize("tier", list(Tier))
def test_tier_works_with_the_capabilities_that_are_named(faults: Mapping[tuple[Tier, str], str], tier: Tier) -> None:
    assert faults[tier, ""] == ""


@pytest.mark.parametrize(("tier", "capability"), [each for each in EACH if each[1]])
def test_tier_does_not_work_without_one_of_its_capabilities(
    faults: Mapping[tuple[Tier, str], str], tier: Tier, capability: str
) -> None:
    assert faults[tier, capability], f"{tier} starts, passes on a message and stops without {capability}"


@pytest.mark.parametrize("tier", list(Tier))
def test_container_has_the_named_capabilities_and_no_others(world: World, tier: Tier) -> None:
    inspected = world.engine.inspect(world.container(tier))
    bounding = world.exec(tier, "sed", "-n", r"s/^CapBnd:\t//p;s/^NoNewPrivs:\t/,/p", "/proc/1/status").split()

    assert {each.removeprefix("CAP_") for each in inspected["EffectiveCaps"]} == set(CAPABILITIES[tier])
    assert int(bounding[0], 16).bit_count() == len(CAPABILITIES[tier])
    assert bounding[1] == ",1"


@pytest.mark.parametrize("tier", list(Tier))
def test_root_cannot_write_outside_the_named_places(world: World, tier: Tier) -> None:
    for folder in ("/", "/etc", "/etc/mail", "/opt/reconfigure/lib", "/usr/share/reconfigure", "/usr/bin", "/var/log"):
        done = world.try_exec(tier, "touch", f"{folder}/new")
        assert done.returncode != 0, folder
        assert "Read-only file system" in done.stderr
    # Root itself may not write where it has left things to an account.
    loop = OWNERS[tier]["reconfigure run"]
    for folder, user in (
        ("/run", "root"),
        ("/tmp", "root"),
        ("/var/lib/reconfigure", loop),
        ("/var/spool/mqueue", "smmta"),
    ):
        world.exec(tier, "sh", "-c", f"touch {folder}/new && rm {folder}/new", user=user)


@pytest.mark.parametrize("tier", list(Tier))
def test_each_program_runs_as_the_account_that_is_meant_for_it(world: World, tier: Tier) -> None:
    processes = [
        each.split(None, 1) for each in world.exec(tier, "ps", "-eo", "user:20,args", "--no-headers").splitlines()
    ]

    for program, account in OWNERS[tier].items():
        owners = {user for user, arguments in processes if program in arguments and "supervisor" not in arguments}
        assert owners == {account}, program


@pytest.mark.parametrize("tier", list(Tier))
def test_secret_is_said_by_no_program(world: World, tier: Tier) -> None:
    said = world.logs(tier)

    assert said
    assert "PRIVATE KEY" not in said
    assert PASSWORD not in said
