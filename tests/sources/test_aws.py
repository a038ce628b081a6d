import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from embedded.faults import Fault, FaultProxy
from reconfigure import __version__
from reconfigure.sources.aws import Clients

IMPORT_ALL = """
import sys
import reconfigure.notify
from reconfigure.sources import addresses, answers, aws, messages, parameters, queue, retry, users
aws.Clients("eu-west-1", None)
heavy = sorted(name for name in sys.modules if name in {"boto3", "botocore", "urllib3", "requests"})
sys.exit(f"imported already: {heavy}" if heavy else 0)
"""


def test_botocore_is_not_imported_before_a_client_is_needed() -> None:
    done = subprocess.run(  # our own interpreter on our own text
        [sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_client_is_made_once_whoever_asks_first(double_url: str) -> None:
    clients = Clients("eu-west-1", double_url)
    with ThreadPoolExecutor(8) as pool:
        made = {id(client) for client in pool.map(lambda _: clients.sqs, range(32))}
    assert len(made) == 1
    clients.close()


def test_release_drops_all_but_the_queue_and_they_come_back_on_demand(double_url: str) -> None:
    clients = Clients("eu-west-1", double_url)
    sqs = clients.sqs
    before = [clients.dynamodb, clients.cognito, clients.ssm, clients.sns]
    clients.release()
    after = [clients.dynamodb, clients.cognito, clients.ssm, clients.sns]
    assert clients.sqs is sqs
    assert not any(old is new for old, new in zip(before, after, strict=True))
    assert clients.dynamodb.list_tables()["TableNames"] is not None
    clients.close()


def test_a_dropped_client_still_answers_whoever_holds_it(double_url: str) -> None:
    clients = Clients("eu-west-1", double_url)
    held = clients.dynamodb
    clients.release()
    assert "TableNames" in held.list_tables()
    held.close()
    clients.close()


def test_clients_say_who_they_are_and_wait_no_longer_than_is_sane() -> None:
    clients = Clients("eu-central-1", "http://127.0.0.1:9", 2, long_poll=20)
    config: Any = clients.dynamodb.meta.config  # its attributes are made at run time
    polling: Any = clients.sqs.meta.config
    assert f"reconfigure/{__version__}" in str(config.user_agent)
    assert config.retries == {"mode": "adaptive", "total_max_attempts": 2}
    assert (config.connect_timeout + config.read_timeout) * 2 < 15
    assert polling.read_timeout > 20
    assert clients.dynamodb.meta.region_name == "eu-central-1"
    clients.close()


def test_thin_models_still_know_every_operation(double_url: str) -> None:
    clients = Clients("eu-west-1", double_url)
    assert clients.sqs.meta.service_model.operation_names.count("StartMessageMoveTask") == 1
    assert clients.dynamodb.meta.service_model.operation_model("Scan").documentation == ""
    clients.close()


def test_clients_without_an_endpoint_go_to_aws() -> None:
    clients = Clients("eu-west-1", None)
    assert clients.sqs.meta.endpoint_url == "https://sqs.eu-west-1.amazonaws.com"
    assert clients.cognito.meta.endpoint_url == "https://cognito-idp.eu-west-1.amazonaws.com"
    clients.close()


def test_one_lost_connection_is_made_good_by_botocore_itself(proxy: FaultProxy) -> None:
    proxy.fail("ListTables", Fault.connection_reset(), times=1)
    clients = Clients("eu-west-1", proxy.url)
    assert "TableNames" in clients.dynamodb.list_tables()
    assert proxy.count("ListTables") == 2
    clients.close()
