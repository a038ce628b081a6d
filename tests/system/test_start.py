"""The beginning and the end of a container: preflight, a start without AWS, an orderly stop; what it costs."""

import re
import time
from collections.abc import Iterator, Mapping

import pytest

from reconfigure.settings import Tier
from stack.world import World
from tests.system.figures import Figure
from tests.system.letters import Letter
from tests.system.mail import Mail
from tests.system.patience import until
from tests.system.tiers import Beside, beside

pytestmark = pytest.mark.quiet

STOP_SECONDS = 30


@pytest.fixture
def no_aws(world: World) -> Iterator[None]:
    """Nobody answers where AWS is."""
    world.aws_down()
    yield
    world.aws_up()


@pytest.mark.parametrize("tier", list(Tier))
def test_preflight_of_a_good_configuration_ends_well(world: World, tier: Tier) -> None:
    with beside(world, tier, environment={"PREFLIGHT": "1"}) as container:
        assert container.wait() == 0, container.logs()
        assert "ready" in container.logs()


@pytest.mark.parametrize("tier", list(Tier))
def test_preflight_names_every_wrong_setting_at_once(world: World, tier: Tier) -> None:
    wrong = {"PREFLIGHT": "1", "TLS_KEY": "", "CERT_DOMAIN": "no domain", "RECONFIGURE_INTERVAL": "soon"}
    with beside(world, tier, environment=wrong) as container:
        assert container.wait() == 78
        said = container.logs()
    assert all(name in said for name in wrong if name != "PREFLIGHT"), said


@pytest.mark.usefixtures("no_aws")
def test_preflight_without_aws_fails_and_says_so(world: World) -> None:
    with beside(world, Tier.SMTP_IN, environment={"PREFLIGHT": "1"}) as container:
        assert container.wait() == 1
        assert "not ready" in container.logs()


@pytest.mark.usefixtures("no_aws")
def test_first_start_without_aws_waits_and_says_why_and_starts_when_it_is_back(world: World) -> None:
    with beside(world, Tier.SMTP_IN) as container:
        until(lambda: "pass_finished" in container.logs(), "the first pass has failed", seconds=60)
        code, health = container.run("reconfigure", "health")
        assert code == 1
        assert "generation" in health or "AWS" in health or "table" in health, health
        assert "STOPPED" in container.run("supervisorctl", "status", "mail:sendmail")[1]
        world.aws_up()
        assert container.ready(60)


def test_restart_without_aws_serves_the_last_generation(world: World, mail: Mail) -> None:
    world.aws_down()
    try:
        before = world.generation(Tier.SMTP_IN)
        world.stop(Tier.SMTP_IN)
        world.start_again(Tier.SMTP_IN)
        until(lambda: world.programs(Tier.SMTP_IN)["mail:sendmail"].state == "RUNNING", "sendmail runs", seconds=60)
        assert world.generation(Tier.SMTP_IN) == before
        mail.says(Tier.SMTP_IN, "alice@example.com", "250")
        mail.says(Tier.SMTP_IN, "nobody@example.com", "550 5.1.1")
        assert "starting_from_last_generation" in world.logs(Tier.SMTP_IN)
    finally:
        world.aws_up()
        world.wait_ready(Tier.SMTP_IN)


@pytest.fixture(scope="module")
def stopped(world: World, mail: Mail, figure: Figure) -> Mapping[Tier, tuple[Letter, float, int]]:
    """All tiers stopped with a letter in the queue of each, and started again: letter, seconds, exit code."""
    letters = {
        Tier.SMTP_OUT: Letter.to("friend@world.test", sender="alice@example.com"),
        Tier.IMAP: Letter.to("bob@example.com"),
        Tier.SMTP_IN: Letter.to("carol@example.com"),
    }
    ends: dict[Tier, tuple[float, int]] = {}
    world.sink.behave("tempfail")
    world.exec("imap", "supervisorctl", "stop", "mail:dovecot")
    try:
        assert mail.submit(letters[Tier.SMTP_OUT], "alice").good
        assert mail.arrive(letters[Tier.IMAP]).good
        until(lambda: _queued(world, Tier.IMAP), "imap has the letter in its queue")
        ends[Tier.IMAP] = _stopped(world, Tier.IMAP)
        assert mail.arrive(letters[Tier.SMTP_IN]).good
        for tier in (Tier.SMTP_IN, Tier.SMTP_OUT):
            assert _queued(world, tier)
            ends[tier] = _stopped(world, tier)
    finally:
        world.sink.behave("accept")
        for tier in ends:
            world.start_again(tier)
        world.wait_ready(*ends)
    figure("from SIGTERM to the end, seconds", {tier: seconds for tier, (seconds, _) in ends.items()})
    return {tier: (letters[tier], *end) for tier, end in ends.items()}


def _queued(world: World, tier: Tier) -> bool:
    return bool(world.exec(tier, "ls", "/var/spool/mqueue", user="smmta").strip())


def _stopped(world: World, tier: Tier) -> tuple[float, int]:
    began = time.monotonic()
    world.stop(tier, seconds=STOP_SECONDS)
    seconds = time.monotonic() - began
    return seconds, int(world.engine.inspect(world.container(tier))["State"]["ExitCode"])


@pytest.mark.parametrize("tier", list(Tier))
def test_container_ends_in_order_and_in_time(stopped: Mapping[Tier, tuple[Letter, float, int]], tier: Tier) -> None:
    _, seconds, code = stopped[tier]

    assert seconds < STOP_SECONDS
    assert code == 0


def test_mail_in_the_queues_of_stopped_containers_is_delivered_when_they_are_back(
    mail: Mail, stopped: Mapping[Tier, tuple[Letter, float, int]]
) -> None:
    mail.delivered(stopped[Tier.IMAP][0], "bob", seconds=150)
    mail.delivered(stopped[Tier.SMTP_IN][0], "carol", seconds=150)
    mail.sent(stopped[Tier.SMTP_OUT][0], seconds=150)


@pytest.mark.parametrize("tier", list(Tier))
def test_start_and_memory_of_an_idle_container_are_measured(world: World, figure: Figure, tier: Tier) -> None:
    began = time.monotonic()
    with beside(world, tier) as container:
        assert container.ready(120), container.logs()[-2000:]
        figure(f"{tier} from run to accepting connections, seconds", f"{time.monotonic() - began:.1f}")
        # Proportional: what processes share is counted once.
        script = "for p in /proc/[0-9]*; do echo $(tr '\\0' ' ' <$p/cmdline) $(grep ^Pss: $p/smaps_rollup); done"
        lines = container.run("sh", "-c", script, privileged=True)[1].splitlines()
    used = {line: int(found[1]) for line in lines if (found := re.search(r"Pss: (\d+) kB", line))}
    loop = sum(kib for line, kib in used.items() if "reconfigure run" in line)
    assert loop
    figure(f"{tier} idle, MiB (of it the loop)", f"{sum(used.values()) / 1024:.0f} ({loop / 1024:.0f})")


def test_program_that_cannot_start_is_named_by_health_which_fails_and_supervisord_gives_it_up(world: World) -> None:
    with beside(world, Tier.SMTP_OUT) as container:
        assert container.ready(60), container.logs()[-2000:]
        container.run("sh", "-c", "echo 'Mode nonsense' >/run/reconfigure/static/opendkim.conf", privileged=True)
        container.run("supervisorctl", "restart", "mail:opendkim")

        until(lambda: container.run("reconfigure", "health")[0] == 1, "health fails", seconds=60)
        said = container.run("reconfigure", "health")[1]
        assert '"failing"' in said
        assert "opendkim" in said
        code, said = container.run("reconfigure", "doctor", "--only", "configuration")
        assert code == 1
        assert "unknown mode" in said

        # Twenty tries, each a second later than the one before.
        # Looked at now and then only: each look is a process in the container.
        given_up = "supervisord gives it up"
        until(lambda: "FATAL" in _program(container, "mail:opendkim"), given_up, seconds=420, every=3.0)
        code, said = container.run("reconfigure", "health")
        assert code == 1
        assert "mail:opendkim is FATAL" in said
        assert "RUNNING" in _program(container, "mail:sendmail"), "what can run goes on"


def _program(container: Beside, name: str) -> str:
    return container.run("supervisorctl", "status", name)[1]
