"""The function at the table's stream tells the topic which addresses changed, packed as the README says."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from embedded.aws import CREDENTIALS, Clients
from reconfigure.sources.messages import parse
from tests.terraform.deployed import queue_url
from tests.terraform.module import FOLDER, GIVEN, REGION, Module


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip file, made as the README says but for the program that makes it."""
    told = (FOLDER / "README.md").read_text()
    assert "(cd ../reconfigure && zip ../terraform/publish.zip notify.py)" in told
    package = tmp_path_factory.mktemp("package") / "publish.zip"
    with zipfile.ZipFile(package, "w") as made:
        made.write(FOLDER.parent / "reconfigure/notify.py", "notify.py")
    return package


def publish(package: Path, records: list[dict[str, Any]]) -> int:
    """Have the handler do it in a fresh interpreter that has the package, boto3, and nothing of this project."""
    (function,) = Module(given={**GIVEN, "create_addresses_table": True, "stream_package": str(package)}).all(
        "aws_lambda_function"
    )
    module, _, handler = str(function.get("handler")).partition(".")
    program = (
        "import json, sys; sys.path = [p for p in sys.path if p not in ('', sys.argv[1])]; "
        f"sys.path.insert(0, {str(package)!r}); import {module}; "
        f"told = {module}.{handler}(json.load(sys.stdin), None); "
        "assert not [name for name in sys.modules if name.split('.')[0] == 'reconfigure']; "
        "print(json.dumps(told))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(FOLDER.parent)],
        input=json.dumps({"Records": records}),
        capture_output=True,
        text=True,
        cwd=package.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["addresses"])


def records(*addresses: str) -> list[dict[str, Any]]:
    return [{"eventName": "MODIFY", "dynamodb": {"Keys": {"address": {"S": address}}}} for address in addresses]


@pytest.fixture
def told(module: Module, aws: Clients, monkeypatch: pytest.MonkeyPatch) -> str:
    """The queue that hears of it, empty."""
    settings = {"TOPIC_ARN": module.output("topic_arn"), "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": aws.url}
    for name, value in {**settings, **CREDENTIALS}.items():
        monkeypatch.setenv(name, value)
    url = queue_url(aws, module.output("queue_urls")["imap"])
    while found := aws.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0).get("Messages"):
        for message in found:
            aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return url


def body(aws: Clients, url: str) -> str:
    (message,) = aws.sqs.receive_message(QueueUrl=url)["Messages"]
    return str(json.loads(message["Body"])["Message"])


def test_one_message_names_each_address_of_a_batch_once(aws: Clients, told: str, package: Path) -> None:
    assert publish(package, records("a@example.com", "b@example.com", "a@example.com")) == 2
    hint = parse(body(aws, told))
    assert hint.event == "address_changed"
    assert sorted(hint.addresses) == ["a@example.com", "b@example.com"]


def test_a_batch_of_too_many_asks_to_read_everything(aws: Clients, told: str, package: Path) -> None:
    assert publish(package, records(*(f"a{n}@example.com" for n in range(101)))) == 0
    assert parse(body(aws, told)).event == "resync"


def test_its_setting_is_the_topic_and_its_role_reads_the_stream_alone() -> None:
    module = Module(given={**GIVEN, "create_addresses_table": True, "stream_package": "publish.zip"})
    (function,) = module.all("aws_lambda_function")
    assert function.get("environment") == [{"variables": {"TOPIC_ARN": module.output("topic_arn")}}]
    assert function.get("handler") == "notify.from_stream"
    (mapping,) = module.all("aws_lambda_event_source_mapping")
    (document,) = module.instances("data.aws_iam_policy_document.stream").values()
    allowed = {statement["Sid"]: statement["Resource"] for statement in document.policy()["Statement"]}
    assert allowed["ReadStream"] == [mapping.get("event_source_arn")]
    assert not list(Module(given=GIVEN).all("aws_lambda_function"))
