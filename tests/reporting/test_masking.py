"""What is promised of masking: no ping URL and no credential gets through, and the rest stays readable."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconfigure.reporting.masking import mask_event, mask_text, mask_url

UUID = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"POST https://hc-ping.com/{UUID}/fail?rid=1 failed", "POST https://hc-ping.com/*** failed"),
        ("'https://hc-ping.com/key/slug'", "'https://hc-ping.com/***'"),
        ("https://eu.hc-ping.com:443/key", "https://eu.hc-ping.com:443/***"),
        (f"(http://hc.example:8000/{UUID.upper()})", "(http://hc.example:8000/***"),
        ("http://hc.example/ping/key/slug", "http://hc.example/***"),
        ("https://user:pass@sqs.example/queue", "https://sqs.example/queue"),
        ("https://sqs.example/1/queue", "https://sqs.example/1/queue"),
        ("https://s3.example/a?X-Amz-Signature=1", "https://s3.example/a?***"),
        ("no address here: alice@example.com", "no address here: alice@example.com"),
    ],
)
def test_urls_in_text_lose_what_is_secret_in_them(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@settings(deadline=None)
@given(st.text(), st.text(), st.sampled_from(["", "/start", "/fail", "?rid=1"]))
def test_no_text_around_a_ping_url_lets_it_through(before: str, after: str, suffix: str) -> None:
    assert UUID not in mask_text(f"{before}https://hc-ping.com/{UUID}{suffix}{after}")


def test_values_of_secret_keys_are_masked_however_deep_and_absence_stays_visible() -> None:
    event = {
        "event": "settings",
        "ping_url": f"https://hc-ping.com/{UUID}",
        "master_password": "hunter2",
        "healthcheck_url": None,
        "nested": {"next_token": "abc", "list": [{"aws_secret": 5}, f"see https://hc-ping.com/{UUID}"]},
        "addresses": 3,
        "seconds": 0.5,
        "dry_run": True,
    }
    assert mask_event(event) == {
        "event": "settings",
        "ping_url": "https://hc-ping.com/***",
        "master_password": "***",
        "healthcheck_url": None,
        "nested": {"next_token": "***", "list": [{"aws_secret": "***"}, "see https://hc-ping.com/***"]},
        "addresses": 3,
        "seconds": 0.5,
        "dry_run": True,
    }


def test_what_is_no_url_is_masked_whole() -> None:
    assert mask_url("ftp://user:pass@example.com/") == "***"


def test_a_value_nested_beyond_reason_is_still_masked() -> None:
    deep: object = {"password": "hunter2", "at": f"https://hc-ping.com/{UUID}"}
    for _ in range(10):
        deep = {"inner": deep}
    assert UUID not in json.dumps(mask_event({"deep": deep}))
