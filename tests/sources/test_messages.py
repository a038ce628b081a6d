import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconfigure.sources.messages import EVENTS, RESYNC, Hint, UnreadableMessageError, parse

CHANGE = {
    "event": "address_changed",
    "timestamp": "2026-11-23T08:00:00+00:00",
    "addresses": ["shop@acme.example.com"],
}
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def envelope(message: str, **more: Any) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "1", "TopicArn": "arn", "Message": message, **more})


def test_a_change_names_its_addresses() -> None:
    assert parse(json.dumps(CHANGE)) == Hint("address_changed", ("shop@acme.example.com",), full=False)


def test_an_sns_envelope_says_what_is_inside_it() -> None:
    assert parse(envelope(json.dumps(CHANGE), Signature="x")) == parse(json.dumps(CHANGE))


def test_a_change_of_older_publishers_that_names_no_address_asks_for_a_full_read() -> None:
    assert parse('{"event": "address_changed"}') == Hint("address_changed", (), full=True)
    assert parse('{"event": "address_changed", "addresses": []}').full
    assert parse('{"event": "address_changed", "addresses": null, "timestamp": null}').full


@pytest.mark.parametrize("event", ["user_changed", "suppression_changed"])
def test_other_changes_need_no_list_of_addresses(event: str) -> None:
    assert parse(json.dumps({"event": event})) == Hint(event, (), full=False)


def test_an_address_named_twice_is_one() -> None:
    assert parse(json.dumps({**CHANGE, "addresses": ["b@x.example", "a@x.example", "b@x.example"]})).addresses == (
        "b@x.example",
        "a@x.example",
    )


@pytest.mark.parametrize(
    "body",
    [
        '{"event": "resync"}',
        '{"event": "resync", "addresses": ["a@b.example"]}',
        '{"event": "invented"}',
        '{"event": "Address_changed"}',
        '{"event": null}',
        '{"event": ["address_changed"]}',
        '{"event": {"a": {}}}',
        "{}",
        '{"addresses": ["a@b.example"]}',
        json.dumps({**CHANGE, "more": 1}),
        json.dumps({**CHANGE, "": None}),
        json.dumps({**CHANGE, "addresses": "a@b.example"}),
        json.dumps({**CHANGE, "addresses": {"a@b.example": 1}}),
        json.dumps({**CHANGE, "addresses": ["a@b.example", 1]}),
        json.dumps({**CHANGE, "addresses": [["a@b.example"]]}),
        json.dumps({**CHANGE, "addresses": 0}),
        json.dumps({**CHANGE, "addresses": False}),
        json.dumps({**CHANGE, "addresses": ["\ud800@b.example"]}),
        json.dumps({**CHANGE, "timestamp": 1}),
        '{"event": "user_changed", "event": "address_changed", "addresses": ["a@b.example"]}',
        '{"event": "address_changed", "addresses": ["a@b.example"], "addresses": ["c@b.example"]}',
        '{"event": "address_changed", "more": ' + "9" * 10_000 + "}",
        '{"event": "address_changed", "more": 1e999999}',
        '{"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe"}',
        '{"Type": "Notification"}',
        '{"Type": "Notification", "Message": {"event": "address_changed"}}',
        envelope(envelope(json.dumps(CHANGE))),
        envelope('{"event": "invented"}'),
    ],
)
def test_what_is_in_doubt_asks_for_a_full_read(body: str) -> None:
    assert parse(body) == RESYNC


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "address_changed",
        "[]",
        '["address_changed"]',
        "null",
        "1",
        '"address_changed"',
        "NaN",
        '{"event": NaN}',
        '{"event": "address_changed", "more": -Infinity}',
        '{"event": "address_changed"',
        '{"event": "address_changed"} and more',
        "{'event': 'address_changed'}",
        "\ufeff{}",
        "[" * 200_000,
        '{"a":' * 200_000,
        "9" * 10_000,
        envelope("not json"),
        envelope(""),
        envelope("[]"),
        envelope("[" * 100_000),
    ],
    ids=lambda body: body[:30],
)
def test_what_is_no_json_object_is_unreadable(body: str) -> None:
    with pytest.raises(UnreadableMessageError):
        parse(body)


def test_an_unreadable_body_does_not_get_into_the_message() -> None:
    with pytest.raises(UnreadableMessageError) as caught:
        parse("password=hunter2")
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_hint_or_unreadable(body: str) -> None:
    try:
        hint = parse(body)
    except UnreadableMessageError:
        return
    assert hint.event in EVENTS


@given(json_values)
def test_any_json_is_a_hint_or_unreadable(value: Any) -> None:
    body = json.dumps(value)
    if not isinstance(value, dict) or "NaN" in body or "Infinity" in body:
        try:
            parse(body)
        except UnreadableMessageError:
            return
        assert isinstance(value, dict)
    else:
        assert parse(body) == RESYNC or value.get("event") in EVENTS


@given(
    st.fixed_dictionaries(
        {"event": st.sampled_from(sorted(EVENTS)) | st.text()},
        optional={
            "timestamp": st.text() | json_values,
            "addresses": st.lists(st.text() | st.emails()) | json_values,
            "more": json_values,
        },
    ),
    st.booleans(),
)
def test_nothing_is_named_that_the_message_did_not_name(value: dict[str, Any], enveloped: bool) -> None:  # noqa: FBT001
    body = json.dumps(value)
    try:
        hint = parse(envelope(body) if enveloped else body)
    except UnreadableMessageError:
        assert "NaN" in body or "Infinity" in body
        return
    named = value.get("addresses") or ()
    assert all(address in named for address in hint.addresses)
    if hint != RESYNC:
        assert hint.event == value["event"]
        assert "more" not in value
