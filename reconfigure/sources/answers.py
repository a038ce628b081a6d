"""What an answer of AWS must be before it is believed, and how a page of rows is read fast.

botocore believes more than it should: it does not compare a body with its Content-Length, and a body that it
cannot decode becomes an empty answer, which would read as an empty table. The two event handlers here stand
between the HTTP response and botocore's parser and refuse such answers. Retrying them is `retry`'s part.
"""

import json
import zlib
from typing import Any

from reconfigure.errors import SourceError

FIRST_NOT_GOOD = 300  # HTTP statuses from here on are botocore's to turn into errors
CHECKED = "reconfigure-checked"  # marks a response whose body was checked, and may differ from the wire since


class DamagedAnswerError(SourceError):
    """AWS answered with success, but what arrived is not what it sent; asking again may help."""


def refuse_damaged(*, response_dict: dict[str, Any], operation_model: Any = None, **_: object) -> None:
    """Refuse a body that was cut short or changed on its way: handler for the event `before-parse`.

    The length is checked wherever it was announced, the CRC32 where it was sent (DynamoDB's `x-amz-crc32`), and
    whether it is JSON where the operation's protocol says so.

    Raises:
        DamagedAnswerError: the body differs from what was announced.
    """
    headers, body = response_dict["headers"], response_dict["body"]
    if response_dict["status_code"] >= FIRST_NOT_GOOD or not isinstance(body, bytes) or CHECKED in response_dict:
        return
    if headers.get("content-encoding", "identity") != "identity":
        return  # both numbers speak of the encoded bytes, which are gone
    announced = headers.get("content-length")
    if announced is not None and int(announced) != len(body):
        raise DamagedAnswerError(f"the body was cut short: {len(body)} bytes of {announced} arrived")
    crc = headers.get("x-amz-crc32")
    if crc is not None and int(crc) != zlib.crc32(body):
        raise DamagedAnswerError(f"the body of {len(body)} bytes does not have the CRC32 it was sent with")
    if operation_model is not None and operation_model.service_model.resolved_protocol == "json" and body:
        decoded(body)


def decoded(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises:
        DamagedAnswerError: it is none.
    """
    try:
        document = json.loads(body.decode())
    except ValueError as error:
        raise DamagedAnswerError(f"the body of {len(body)} bytes is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise DamagedAnswerError(f"the body is not a JSON object but {type(document).__name__}")
    return document


def keep_rows_raw(*, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Decode a page of Scan here and hand its items past botocore: handler for `before-parse.dynamodb.Scan`.

    botocore walks every attribute of every item along its service model, which costs several times what decoding
    the JSON does. The items are taken out of the body before it sees them, and put into the parsed answer as the
    wire had them: equal to what botocore gives, except that binary values stay base64 text.

    Raises:
        DamagedAnswerError: the body differs from what was announced, is no JSON object, or holds another number of
            items than it says.
    """
    if response_dict["status_code"] >= FIRST_NOT_GOOD:
        return
    refuse_damaged(response_dict=response_dict)  # botocore calls handlers of one operation before those of all
    response_dict[CHECKED] = True
    page = decoded(response_dict["body"])
    items, count = page.get("Items"), page.get("Count")
    if not isinstance(items, list) or count != len(items):
        held = len(items) if isinstance(items, list) else "no"
        raise DamagedAnswerError(f"the page says Count {count} and holds {held} items")
    page["Items"] = []
    response_dict["body"] = json.dumps(page).encode()
    customized_response_dict["Items"] = items
