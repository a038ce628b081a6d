import zlib
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict

from reconfigure.sources.answers import DamagedAnswerError, keep_rows_raw, refuse_damaged


def answer(body: bytes, *, status: int = 200, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"status_code": status, "headers": HeadersDict(named), "body": body}


def test_a_whole_answer_is_believed() -> None:
    refuse_damaged(response_dict=answer(b"{}", Content_Length="2", X_Amz_Crc32=str(zlib.crc32(b"{}"))))


def test_a_short_answer_is_refused() -> None:
    with pytest.raises(DamagedAnswerError, match="2 bytes of 3 arrived"):
        refuse_damaged(response_dict=answer(b"{}", Content_Length="3"))


def test_an_answer_that_changed_on_its_way_is_refused() -> None:
    with pytest.raises(DamagedAnswerError, match="CRC32"):
        refuse_damaged(response_dict=answer(b"[]", Content_Length="2", X_Amz_Crc32=str(zlib.crc32(b"{}"))))


def test_an_encoded_answer_is_not_measured_by_its_encoded_length() -> None:
    refuse_damaged(response_dict=answer(b"{}", Content_Length="30", Content_Encoding="gzip"))


@pytest.mark.parametrize("status", [300, 400, 500, 503])
def test_errors_are_left_to_botocore(status: int) -> None:
    customized: dict[str, Any] = {}
    damaged = answer(b"<html>", status=status, Content_Length="9")
    refuse_damaged(response_dict=damaged)
    keep_rows_raw(response_dict=damaged, customized_response_dict=customized)
    assert damaged["body"] == b"<html>"
    assert customized == {}


def test_items_are_taken_out_and_the_rest_is_left_to_botocore() -> None:
    customized: dict[str, Any] = {}
    page = answer(b'{"Items": [{"a": {"S": "b"}}], "Count": 1, "LastEvaluatedKey": {"a": {"S": "b"}}}')
    keep_rows_raw(response_dict=page, customized_response_dict=customized)
    assert customized == {"Items": [{"a": {"S": "b"}}]}
    assert page["body"] == b'{"Items": [], "Count": 1, "LastEvaluatedKey": {"a": {"S": "b"}}}'
