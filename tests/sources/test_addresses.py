import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from embedded.faults import Fault, FaultProxy
from reconfigure.errors import InterruptedPassError, SourceError
from reconfigure.sources.addresses import scan
from reconfigure.sources.aws import Clients

Fill = Callable[..., list[dict[str, Any]]]


def carry_on() -> None:
    """Nobody asks for a stop."""


def no_wait(_seconds: float) -> None:
    """Nobody waits."""


def everything(clients: Clients, table: str, *, attempts: int = 1, waits: list[float] | None = None) -> list[Any]:
    sleep = no_wait if waits is None else waits.append
    pages = scan(clients.dynamodb, table, attempts=attempts, checkpoint=carry_on, sleep=sleep)
    return [row for page in pages for row in page]


def by_address(rows: list[Any]) -> list[Any]:
    return sorted(rows, key=lambda row: str(row["address"]))


def test_every_row_arrives_with_the_attributes_that_matter_and_no_other(
    clients: Clients, table: str, fill: Fill
) -> None:
    rows = fill(5, comment=10)
    assert by_address(everything(clients, table)) == by_address(rows)


def test_a_table_of_several_pages_arrives_whole(clients: Clients, table: str, fill: Fill, proxy: FaultProxy) -> None:
    rows = fill(7, comment=350_000)
    assert by_address(everything(clients, table)) == by_address(rows)
    assert proxy.count("Scan") >= 3


def test_the_read_asks_for_strong_consistency_and_only_for_what_matters(clients: Clients, table: str) -> None:
    asked: list[dict[str, Any]] = []
    clients.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.Scan", lambda params, **_: asked.append(dict(params))
    )
    everything(clients, table)
    assert asked[0]["ConsistentRead"] is True
    names = [asked[0]["ExpressionAttributeNames"][name] for name in asked[0]["ProjectionExpression"].split(", ")]
    assert names == ["address", "username", "subdomain", "tld", "user", "suspended"]


def test_an_empty_table_is_no_page_of_rows_and_no_error(clients: Clients, table: str) -> None:
    assert everything(clients, table) == []


def test_rows_are_what_botocore_itself_makes_of_the_answer(
    clients: Clients, direct: Clients, table: str, fill: Fill
) -> None:
    fill(3)
    odd: dict[str, Any] = {
        "address": {"S": "ödd\t\n\u2028@acme.example.com"},
        "user": {"L": [{"S": "a"}, {"NULL": True}, {"N": "1.50"}]},
        "tld": {"M": {"x": {"SS": ["b", "c"]}}},
        "suspended": {"N": "12345678901234567890"},
        "username": {"S": ""},
    }
    direct.dynamodb.put_item(TableName=table, Item=odd)
    names = ("address", "username", "subdomain", "tld", "user", "suspended")
    answer = direct.dynamodb.scan(
        TableName=table,
        ProjectionExpression=", ".join(f"#{name}" for name in names),
        ExpressionAttributeNames={f"#{name}": name for name in names},
    )
    assert everything(clients, table) == answer["Items"]
    assert len(answer["Items"]) == 4


def test_a_binary_value_stays_base64_text(clients: Clients, direct: Clients, table: str) -> None:
    direct.dynamodb.put_item(TableName=table, Item={"address": {"S": "a@b.example"}, "user": {"B": b"\x00\xff"}})
    assert everything(clients, table) == [{"address": {"S": "a@b.example"}, "user": {"B": "AP8="}}]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.throttled(),
        Fault.server_error(),
        Fault.server_error(503),
        Fault.connection_reset(),
        Fault.truncated(),
        Fault.truncated(keep=0.0),
        Fault.answer(b""),
        Fault.answer(b'{"Items": [{"address": {"S": "a@b.exa'),
        Fault.answer(b"<html>maintenance</html>"),
        Fault.answer(b"[]"),
        Fault.answer(b"\xff\xfe"),
        Fault.answer(b'{"Count": 2, "Items": [{"address": {"S": "a@b.example"}}]}'),
        Fault.answer(b'{"Count": 0}'),
    ],
    ids=lambda fault: f"{fault.code or fault.body!r}-{fault.status}-{fault.reset}-{fault.keep}",
)
def test_a_page_that_fails_once_is_read_again(
    clients: Clients, table: str, fill: Fill, proxy: FaultProxy, fault: Fault
) -> None:
    rows = fill(3)
    proxy.fail("Scan", fault, times=1)
    waits: list[float] = []
    assert by_address(everything(clients, table, attempts=2, waits=waits)) == by_address(rows)
    assert len(waits) == 1
    assert proxy.count("Scan") == 2


def test_a_read_that_cannot_be_completed_names_the_page_and_the_rows_read_so_far(
    clients: Clients, table: str, fill: Fill, proxy: FaultProxy
) -> None:
    fill(5, comment=350_000)
    pages = scan(clients.dynamodb, table, attempts=3, checkpoint=carry_on, sleep=no_wait)
    first = next(pages)
    proxy.fail("Scan", Fault.truncated())
    with pytest.raises(SourceError) as caught:
        next(pages)
    message = str(caught.value)
    assert message.startswith(f"reading page 2 of the addresses ({len(first)} rows read so far) from DynamoDB table")
    assert "the body was cut short" in message
    assert proxy.count("Scan") == 1 + 3


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_a_page_costs_no_more_requests_than_attempts(
    clients: Clients, table: str, proxy: FaultProxy, attempts: int
) -> None:
    proxy.fail("Scan", Fault.server_error())
    with pytest.raises(SourceError):
        everything(clients, table, attempts=attempts)
    assert proxy.count("Scan") == attempts


def test_a_service_that_hangs_is_given_up_and_asked_again(table: str, fill: Fill, proxy: FaultProxy) -> None:
    rows = fill(2)
    proxy.fail("Scan", Fault.delayed(3600), times=1)
    impatient = Clients("eu-west-1", proxy.url, 1, read_timeout=0.5)
    assert by_address(everything(impatient, table, attempts=3)) == by_address(rows)
    impatient.close()


def test_a_probe_of_a_dead_service_is_two_requests_with_the_default_clients(proxy: FaultProxy) -> None:
    proxy.fail("", Fault.connection_reset())
    clients = Clients("eu-west-1", proxy.url)
    with pytest.raises(SourceError):
        everything(clients, "any")
    assert proxy.counts.total() == 2
    clients.close()


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("AccessDeniedException", "allow dynamodb:Scan on it in the task's role"),
        ("ValidationException", "check ADDRESSES_TABLE and AWS_REGION"),
        ("ResourceNotFoundException", "create it, or correct ADDRESSES_TABLE and AWS_REGION"),
        ("UnrecognizedClientException", "give the task a role"),
    ],
)
def test_what_asking_again_cannot_change_is_final_at_once(
    clients: Clients, table: str, proxy: FaultProxy, code: str, fix: str
) -> None:
    proxy.fail("Scan", Fault.error(400, code, "what AWS says."))
    with pytest.raises(SourceError) as caught:
        everything(clients, table, attempts=5)
    assert f"failed: {code} what AWS says; {fix}" in str(caught.value)
    assert proxy.count("Scan") == 1


def test_a_missing_table_says_what_to_correct(clients: Clients) -> None:
    with pytest.raises(SourceError) as caught:
        everything(clients, "nowhere")
    message = str(caught.value)
    assert message.startswith("reading the table's state from DynamoDB table nowhere in eu-west-1 failed: Resource")
    assert message.endswith("create it, or correct ADDRESSES_TABLE and AWS_REGION")


def test_a_role_that_may_not_describe_the_table_reads_it_and_says_once_what_is_lost(
    clients: Clients, table: str, fill: Fill, proxy: FaultProxy
) -> None:
    rows = fill(5, comment=350_000)
    proxy.fail("DescribeTable", Fault.denied("dynamodb:DescribeTable"))
    with capture_logs() as logs:
        for _ in range(2):
            assert by_address(everything(clients, table)) == by_address(rows)
    assert [entry["event"] for entry in logs] == ["table_not_described"]
    assert "allow dynamodb:DescribeTable on it" in logs[0]["error"]


@pytest.mark.parametrize("status", ["CREATING", "DELETING", "ARCHIVED", "INACCESSIBLE_ENCRYPTION_CREDENTIALS"])
def test_a_table_that_is_not_there_for_good_is_not_read(
    clients: Clients, table: str, proxy: FaultProxy, status: str
) -> None:
    described = json.dumps({"Table": {"TableStatus": status, "TableId": "1"}}).encode()
    proxy.fail("DescribeTable", Fault.answer(described))
    with pytest.raises(SourceError, match=f"it is {status}, not ACTIVE; wait until it is"):
        everything(clients, table)
    assert proxy.count("Scan") == 0


def test_a_table_that_is_being_changed_is_read(clients: Clients, table: str, fill: Fill, proxy: FaultProxy) -> None:
    rows = fill(2)
    proxy.fail("DescribeTable", Fault.answer(b'{"Table": {"TableStatus": "UPDATING", "TableId": "1"}}'))
    assert by_address(everything(clients, table)) == by_address(rows)


@pytest.mark.parametrize("body", [b"not json", b"", b"{}", b'{"Table": {}}', b"[1]"])
def test_an_answer_that_describes_nothing_is_not_believed(
    clients: Clients, table: str, proxy: FaultProxy, body: bytes
) -> None:
    proxy.fail("DescribeTable", Fault.answer(body))
    with pytest.raises(SourceError, match=r"reading the table's state from .* failed: DamagedAnswerError"):
        everything(clients, table, attempts=2)
    assert proxy.count("DescribeTable") == 2
    assert proxy.count("Scan") == 0


def test_a_table_made_anew_under_the_read_is_not_taken_for_a_smaller_one(
    clients: Clients, table: str, fill: Fill, proxy: FaultProxy
) -> None:
    fill(5, comment=350_000)
    pages = scan(clients.dynamodb, table, attempts=1, checkpoint=carry_on)
    next(pages)
    proxy.fail("DescribeTable", Fault.answer(b'{"Table": {"TableStatus": "ACTIVE", "TableId": "another"}}'))
    with pytest.raises(SourceError, match="was deleted and made anew meanwhile"):
        list(pages)


def test_a_scan_that_goes_in_circles_ends(clients: Clients, table: str, proxy: FaultProxy) -> None:
    key = {"address": {"S": "a@b.example"}}
    proxy.fail("Scan", Fault.answer(json.dumps({"Count": 1, "Items": [key], "LastEvaluatedKey": key}).encode()))
    with pytest.raises(SourceError, match=r"page 2 of the addresses \(1 rows read so far\).*came back to a key"):
        everything(clients, table)
    assert proxy.count("Scan") == 2


def test_a_read_stops_at_the_checkpoint_between_pages(
    clients: Clients, table: str, fill: Fill, proxy: FaultProxy
) -> None:
    fill(5, comment=350_000)
    stop = False

    def checkpoint() -> None:
        if stop:
            raise InterruptedPassError("asked to stop")

    pages = scan(clients.dynamodb, table, attempts=3, checkpoint=checkpoint)
    next(pages)
    stop = True
    with pytest.raises(InterruptedPassError):
        next(pages)
    assert proxy.count("Scan") == 1


def test_a_read_stops_at_the_checkpoint_between_tries(clients: Clients, table: str, proxy: FaultProxy) -> None:
    proxy.fail("Scan", Fault.server_error())
    tries = 0

    def checkpoint() -> None:
        nonlocal tries
        tries += 1
        if tries == 3:  # the table's state, the first try of the page, the second
            raise InterruptedPassError("asked to stop")

    with pytest.raises(InterruptedPassError):
        list(scan(clients.dynamodb, table, attempts=9, checkpoint=checkpoint, sleep=no_wait))
    assert proxy.count("Scan") == 1
