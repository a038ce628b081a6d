"""The examples of the publisher's guide, run as they stand there against an AWS double."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reconfigure.sources.messages import parse
from tests.test_notify import World, function, session, world  # noqa: F401 - fixtures

GUIDE = (Path(__file__).parents[1] / "docs/guide/publisher.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
SAID = [
    [("address_changed", ("shop@acme.example.com",))],
    [("user_changed", ())],
    [("address_changed", ("shop@acme.example.com", "info@acme.example.com")), ("resync", ())],
    [("address_changed", ("shop@acme.example.com",))],
]


@pytest.mark.parametrize(("example", "said"), list(zip(EXAMPLES, SAID, strict=True)))
def test_an_example_tells_the_tiers(
    world: World,  # noqa: F811
    function: pytest.MonkeyPatch,  # noqa: F811, ARG001 (the settings of the environment)
    example: str,
    said: list[tuple[str, tuple[str, ...]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: dict[str, Any] = {"TOPIC_ARN": world.topic}
    exec(compile(example, "publisher.md", "exec"), names)  # noqa: S102 - our own page
    assert not capsys.readouterr().out
    hints = [parse(body) for body in world.bodies()]
    assert sorted((hint.event, hint.addresses) for hint in hints) == sorted(said)


def test_the_message_of_the_guide_is_understood() -> None:
    (text,) = re.findall(r"^```json\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert parse(text).addresses == ("shop@acme.example.com",)
    assert parse(json.dumps({"event": "address_changed"})).full
