import threading
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from embedded.faults import Fault, FaultProxy
from reconfigure.errors import SourceError
from reconfigure.sources.aws import Clients
from reconfigure.sources.parameters import Parameter

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def name(direct: Clients) -> Iterator[str]:
    name = f"/reconfigure/{uuid.uuid4().hex}"
    direct.ssm.put_parameter(Name=name, Value="https://one.example/ping", Type="SecureString")
    yield name
    direct.ssm.delete_parameters(Names=[name])


def test_the_value_is_decrypted_and_read_once_in_its_time_to_live(
    clients: Clients, name: str, proxy: FaultProxy
) -> None:
    clock = Clock()
    parameter = Parameter(lambda: clients.ssm, name, clock=clock)
    assert parameter.value() == "https://one.example/ping"
    clock.now += 299
    assert parameter.value() == "https://one.example/ping"
    assert proxy.count("GetParameter") == 1


def test_a_rotated_value_is_seen_when_the_old_one_has_had_its_time(
    clients: Clients, direct: Clients, name: str
) -> None:
    clock = Clock()
    parameter = Parameter(lambda: clients.ssm, name, clock=clock)
    parameter.value()
    direct.ssm.put_parameter(Name=name, Value="https://two.example/ping", Type="SecureString", Overwrite=True)
    clock.now += 300
    assert parameter.value() == "https://two.example/ping"


@pytest.mark.parametrize(
    "fault", [Fault.server_error(), Fault.connection_reset(), Fault.truncated(), Fault.denied(), Fault.answer(b"{}")]
)
def test_the_last_good_value_outlives_failing_reads_which_are_logged_once(
    clients: Clients, name: str, proxy: FaultProxy, fault: Fault
) -> None:
    clock = Clock()
    parameter = Parameter(lambda: clients.ssm, name, clock=clock)
    parameter.value()
    proxy.fail("GetParameter", fault)
    with capture_logs() as logs:
        for _ in range(3):
            clock.now += 300
            assert parameter.value() == "https://one.example/ping"
    assert [entry["event"] for entry in logs] == ["parameter_read_failed"]
    proxy.heal()
    clock.now += 300
    with capture_logs() as logs:
        parameter.value()
    assert [entry["event"] for entry in logs] == ["parameter_read_again"]


def test_a_parameter_that_was_never_there_is_an_error_each_time_and_the_log_says_once_what_to_do(
    clients: Clients,
) -> None:
    parameter = Parameter(lambda: clients.ssm, "/nowhere", clock=Clock())
    with capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(SourceError, match="parameter /nowhere from SSM failed: ParameterNotFound"):
                parameter.value()
    assert len(logs) == 1
    assert logs[0]["error"].startswith("reading parameter /nowhere from SSM failed: ParameterNotFound")
    assert "HEALTHCHECK_PING_PARAM" in logs[0]["error"]


def test_a_failed_read_is_tried_again_sooner_but_not_at_every_call(
    clients: Clients, name: str, proxy: FaultProxy
) -> None:
    clock = Clock()
    proxy.fail("GetParameter", Fault.server_error(), times=1)
    parameter = Parameter(lambda: clients.ssm, name, clock=clock)
    for waited in (0, 29):
        clock.now += waited
        with pytest.raises(SourceError):
            parameter.value()
    assert proxy.count("GetParameter") == 1
    clock.now += 1
    assert parameter.value() == "https://one.example/ping"


def test_a_value_that_is_doubted_is_read_again_sooner_but_not_at_every_call(
    clients: Clients, direct: Clients, name: str, proxy: FaultProxy
) -> None:
    clock = Clock()
    parameter = Parameter(lambda: clients.ssm, name, clock=clock)
    parameter.value()
    direct.ssm.put_parameter(Name=name, Value="https://two.example/ping", Type="SecureString", Overwrite=True)
    clock.now += 29
    parameter.doubt()
    assert parameter.value() == "https://one.example/ping"
    clock.now += 1
    parameter.doubt()
    assert parameter.value() == "https://two.example/ping"
    clock.now += 299
    assert parameter.value() == "https://two.example/ping"
    assert proxy.count("GetParameter") == 2


def test_doubt_does_not_wait_for_a_reading_that_hangs(clients: Clients, name: str) -> None:
    asked, released = threading.Event(), threading.Event()

    def hanging() -> "SSMClient":
        asked.set()
        released.wait()
        return clients.ssm

    parameter = Parameter(hanging, name, clock=Clock())
    reading = threading.Thread(target=parameter.value, daemon=True)
    doubting = threading.Thread(target=parameter.doubt, daemon=True)
    reading.start()
    assert asked.wait(20)
    doubting.start()
    doubting.join(20)
    assert not doubting.is_alive()
    assert reading.is_alive()
    released.set()
    reading.join(20)
    assert not reading.is_alive()


def test_the_client_may_be_released_between_reads(clients: Clients, name: str) -> None:
    clock = Clock()
    parameter = Parameter(lambda: clients.ssm, name, clock=clock)
    parameter.value()
    clients.release()
    clock.now += 300
    assert parameter.value() == "https://one.example/ping"
