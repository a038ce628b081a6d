"""Where a ping goes, for every form that a check's URL may have."""

import pytest

from reconfigure.reporting.healthchecks import address, limited
from reconfigure.reporting.pings import Kind, Ping

RID = "123e4567-e89b-12d3-a456-426614174000"


@pytest.mark.parametrize(
    ("url", "kind", "expected"),
    [
        ("https://hc-ping.com/uuid", Kind.SUCCESS, f"https://hc-ping.com/uuid?rid={RID}"),
        ("https://hc-ping.com/uuid", Kind.START, f"https://hc-ping.com/uuid/start?rid={RID}"),
        ("https://hc-ping.com/uuid/", Kind.FAIL, f"https://hc-ping.com/uuid/fail?rid={RID}"),
        (
            "https://hc.example/ping/key/slug?create=1",
            Kind.FAIL,
            f"https://hc.example/ping/key/slug/fail?create=1&rid={RID}",
        ),
        ("http://hc.example:8000/uuid#x", Kind.START, f"http://hc.example:8000/uuid/start?rid={RID}"),
    ],
)
def test_the_signal_is_appended_to_the_path_and_the_run_to_the_query(url: str, kind: Kind, expected: str) -> None:
    assert address(url, Ping(kind, RID)) == expected


def test_text_that_is_no_unicode_can_be_sent() -> None:
    assert limited("a\ud800b") == b"a?b"
