"""The pages of the runbooks: of one shape, in the index, with commands that exist and links that lead somewhere."""

import os
import re
import shlex
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconfigure.checkup import aws, configuration, domains, keys, task
from reconfigure.cli import COMMANDS
from reconfigure.runbooks import INDEX, OF_CAUSES, OF_CHECKS, Runbook, of_failure, page
from reconfigure.settings import load
from reconfigure.sources.aws import Clients
from tests.drills import pages
from tests.drills.pages import FOLDER, HEADINGS, Page, UnreadablePageError, fits, parse, read

ROOT = FOLDER.parents[1]
IN_THE_IMAGE = {"supervisorctl", "df", "du", "rm"}
ENVIRONMENT = {
    "TIER": "smtp-out",
    "CERT_DOMAIN": "mail.example.com",
    "AWS_REGION": "eu-west-1",
    "COGNITO_POOL_ID": "eu-west-1_none",
    "COGNITO_CLIENT_ID": "client",
    "RECONFIGURE_CONFIG": os.devnull,
}
LINK = re.compile(r"\]\(([^)#]+)")
ALERT = re.compile(r"`(Reconfigure\w+)`")

each_page = pytest.mark.parametrize("number", list(Runbook))


def all_steps(page: Page) -> list[pages.Step]:
    return [step for parts in page.sections.values() for part in parts for step in part.steps]


@each_page
def test_a_page_has_the_headings_in_their_order_and_something_under_each(number: Runbook) -> None:
    found = read(number)
    assert tuple(found.sections) == HEADINGS
    for heading, parts in found.sections.items():
        assert any(part.text for part in parts), f"nothing under {heading}"


@each_page
def test_a_page_types_only_what_the_image_has(number: Runbook) -> None:
    steps = all_steps(read(number))
    assert steps
    for step in steps:
        first, *words = step.command.split()
        assert first in IN_THE_IMAGE or (first == "reconfigure" and words[0] in COMMANDS), step.command
        assert step.tier in {"", "imap", "smtp-in", "smtp-out"}


def checks_of_doctor() -> set[str]:
    settings = load(ENVIRONMENT)
    asked = aws.checks(settings, Clients(settings.aws_region, None))
    told = {**keys.checks(settings, resolver=None), **domains.checks(settings, resolver=None)}
    return {*asked, *configuration.checks(settings), *task.checks(settings), *told}


def test_whatever_a_page_has_doctor_check_alone_is_one_of_its_checks() -> None:
    named = [
        words[at + 1]
        for number in Runbook
        for words in (shlex.split(step.command) for step in all_steps(read(number)) if "doctor" in step.command)
        for at, word in enumerate(words)
        if word == "--only"
    ]
    assert len(named) > 10
    assert set(named) <= checks_of_doctor()
    assert OF_CHECKS.keys() <= checks_of_doctor()


@each_page
def test_a_cause_that_has_a_mending_has_a_confirmation_too(number: Runbook) -> None:
    found = read(number)
    for cause in found.causes:
        assert any(part.cause == cause for part in found.sections["Confirm"]), cause
        assert any(part.cause == cause for part in found.sections["Mend"]), cause
        assert found.steps("Verify", cause), cause


@each_page
def test_the_command_prints_the_page_of_a_number(number: Runbook) -> None:
    found = page(FOLDER, str(number.value))
    assert found.number == number
    assert found.seen
    assert found.title == read(number).title


def test_no_page_is_missing_in_the_index_and_every_link_leads_to_one() -> None:
    linked = set(LINK.findall((FOLDER / f"{INDEX}.md").read_text(encoding="utf-8")))
    here = {path.name for path in FOLDER.glob("[0-9]*.md")}
    assert len(here) == len(Runbook)
    assert here <= linked
    for target in linked:
        assert (FOLDER / target).resolve().is_file(), target


def test_the_index_leads_from_every_alert_to_the_page_that_the_alert_names() -> None:
    rules = yaml.safe_load((ROOT / "docs/observability/prometheus-rules.yaml").read_text(encoding="utf-8"))
    alerts = {
        rule["alert"]: Path(rule["annotations"]["runbook"]).name
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    told = {
        alert: LINK.findall(line)[0]
        for line in (FOLDER / f"{INDEX}.md").read_text(encoding="utf-8").splitlines()
        for alert in ALERT.findall(line)
    }
    assert told == alerts


def test_the_index_says_which_pages_are_drilled() -> None:
    drilled = {
        int(number)
        for folder in ("drills", "pairs")
        for path in (ROOT / "tests" / folder).glob("test_*.py")
        for number in re.findall(r"def test_drill_(\d\d)_", path.read_text(encoding="utf-8"))
    }
    (told,) = re.findall(r"It does so for pages ([^.]+)\.", (FOLDER / f"{INDEX}.md").read_text(encoding="utf-8"))
    assert {int(number) for number in re.findall(r"\d\d", told)} == drilled


def test_every_page_is_named_by_something_that_finds_trouble_or_by_an_alert() -> None:
    index = (FOLDER / f"{INDEX}.md").read_text(encoding="utf-8")
    alerted = {int(number) for number in re.findall(r"^\| \[(\d\d) .*`Reconfigure", index, re.MULTILINE)}
    found = {*OF_CHECKS.values(), *OF_CAUSES.values(), Runbook.COGNITO}
    assert {number.value for number in found} | alerted == {number.value for number in Runbook}


@pytest.mark.parametrize(
    ("cause", "error", "expected"),
    [
        ("source", "Cognito denies ListUsers", Runbook.COGNITO),
        ("source", "DynamoDB throttles Scan", Runbook.DYNAMODB),
        ("state-folder", "[Errno 28] No space left on device", Runbook.DISK_FULL),
        ("build", "makemap: No space left on device", Runbook.DISK_FULL),
        ("guard", "would lose 40 of 100 addresses", Runbook.HELD),
        ("daemon", "opendkim was not told", Runbook.UNSIGNED_OR_DEFERRED),
        ("defect", "something else", Runbook.HEARTBEAT_MISSED),
    ],
)
def test_a_failed_pass_leads_to_a_page(cause: str, error: str, expected: Runbook) -> None:
    assert of_failure(cause, error) is expected


def test_what_is_expected_may_leave_open_parts_of_a_line_and_lines() -> None:
    answered = "smtp-in on host-1: ok\n\n  generation   4f2c\n  heartbeat delivered 3 s ago\n"
    assert fits(["smtp-in on ...: ok", "...", "heartbeat delivered ... s ago"], answered)
    assert fits(["..."], answered)
    assert fits(["..."], "")
    assert fits([], "")
    assert not fits([], answered)
    assert not fits(["smtp-in on ...: failing", "..."], answered)
    assert not fits(["smtp-in on ...: ok"], answered)
    assert not fits(["smtp-in on ...: ok", "...", "heartbeat"], answered)


@given(st.lists(st.text(st.characters(categories=("L", "N", "P")), min_size=1), max_size=6), st.data())
def test_an_answer_fits_itself_with_any_lines_left_open(lines: list[str], data: st.DataObject) -> None:
    opened = [data.draw(st.sampled_from([line, "..."])) for line in lines]
    assert fits(opened, "\n".join(lines))
    assert not fits([*lines, "one more"], "\n".join(lines))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no title", "does not begin with"),
        ("# T\n## Confirm\n```console\n# true\n", "not closed"),
        ("# T\n## Confirm\n```console\ntrue\n```\n", "does not begin with '# '"),
        ("# T\n### cause\n", "no heading of a section"),
    ],
)
def test_a_page_that_is_none_says_where(text: str, why: str) -> None:
    with pytest.raises(UnreadablePageError, match=f"page: .*{why}"):
        parse("page", text)


def test_steps_of_a_cause_are_those_above_every_cause_and_its_own() -> None:
    found = parse(
        "page",
        "# T\n## Confirm\n```console smtp-out\n# one\n...\n```\n### a\n```console\n# two\nsaid\n```\n### b\n",
    )
    assert [(step.tier, step.command, step.expected) for step in found.steps("Confirm", "a")] == [
        ("smtp-out", "one", ("...",)),
        ("", "two", ("said",)),
    ]
    assert [step.command for step in found.steps("Confirm", "b")] == ["one"]
    assert found.causes == ["a", "b"]
