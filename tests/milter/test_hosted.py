"""Mail from outside under a hosted domain is marked or refused unless DMARC proves it: the real milter and sendmail."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from reconfigure.errors import ConfigurationError
from reconfigure.milter.hosted import Hosted
from reconfigure.rendering import Renderer
from reconfigure.tiers import load_manifest
from tests.milter.conftest import Filter, Relay
from tests.milter.recorder import Recorder
from tests.sendmail.configured import ROOT, ROWS, configure, row, write_maps

OURS = "acme.example.com"
MARK = f"control.example; x-hosted-from=fail header.from={OURS}"
NOT_ONE = "control.example; x-hosted-from=fail (not one address)"
Bring = Callable[..., str]


def dmarc(result: str, domain: str = OURS) -> str:
    return f"control.example; dmarc={result} (p=none dis=none) header.from={domain}"


class Verifying:
    """A relay whose DMARC verifier says what a test wants it to say."""

    def __init__(self, start: Callable[..., Filter], safe: Path, folder: Path, hosted_from: str) -> None:
        settings = {"cert_domain": "control.example", "state_dir": str(folder), "hosted_from": hosted_from}
        renderer = Renderer(load_manifest(ROOT / "templates", "smtp-in"), ROOT / "templates", {})
        (folder / "results.json").write_bytes(renderer.static("smtp-in/results.json.j2", settings))
        milter = start("--hosted", str(folder / "results.json"))
        self._recorder = safe / "recorder"
        filters = {"verdicts": milter.socket, "recorder": self._recorder, "results": milter.socket.with_name("results")}
        self.folder = folder
        self.relay = Relay(configure("smtp-in", folder, filters=filters))
        (folder / "queue").mkdir(mode=0o700)

    def takes(self, header: Sequence[str], *verdicts: str) -> str:
        """Bring a message of which the verifier says this; return the answer to it."""
        self._recorder.unlink(missing_ok=True)
        with Recorder(self._recorder, adds=verdicts):
            return self.relay.takes(header)

    def results(self, header: Sequence[str], *verdicts: str) -> list[str]:
        """Bring a message and return what its Authentication-Results say as it goes on."""
        for queued in (self.folder / "queue").iterdir():
            queued.unlink()
        assert self.takes(header, *verdicts) == "250"
        [fields] = self.relay.queued()
        return [field.partition(":")[2].strip() for field in fields if field.startswith("Authentication-Results:")]


@pytest.fixture
def marking(start: Callable[..., Filter], safe: Path, tmp_path: Path) -> Verifying:
    return Verifying(start, safe, tmp_path, "mark")


@pytest.fixture
def refusing(start: Callable[..., Filter], safe: Path, tmp_path: Path) -> Verifying:
    return Verifying(start, safe, tmp_path, "refuse")


@pytest.mark.parametrize("result", ["fail", "none", "temperror"])
def test_a_stranger_under_a_hosted_domain_is_marked(marking: Verifying, result: str) -> None:
    assert marking.results([f"From: Boss <ceo@{OURS}>"], dmarc(result)) == [MARK, dmarc(result)]


def test_where_the_verifiers_say_nothing_it_is_marked_as_well(marking: Verifying) -> None:
    assert marking.results([f"From: ceo@{OURS.upper()}"]) == [MARK]


def test_what_dmarc_proves_is_not_marked(marking: Verifying) -> None:
    assert marking.results([f"From: ceo@{OURS}"], dmarc("pass")) == [dmarc("pass")]


def test_the_rest_of_the_world_is_not_marked(marking: Verifying) -> None:
    for domain in ("elsewhere.example", f"x.{OURS}", f"{OURS}.example", "example.com", "com", "cme.example.com"):
        assert marking.results([f"From: ceo@{domain}"], dmarc("fail", domain)) == [dmarc("fail", domain)]


@pytest.mark.parametrize(
    "header",
    [
        [],
        [f"From: ceo@{OURS}", "From: x@elsewhere.example"],
        ["From: x@elsewhere.example", f"From: ceo@{OURS}"],
        [f"From: ceo@{OURS}, x@elsewhere.example"],
        [f"From: ceo@(x){OURS}"],
        [f"From: ceo@{OURS}."],
    ],
)
def test_a_from_that_is_not_one_address_is_marked_whatever_it_passes(marking: Verifying, header: list[str]) -> None:
    assert marking.results(header, dmarc("pass", "elsewhere.example"), dmarc("pass")) == [NOT_ONE]


def test_a_stranger_neither_takes_the_mark_away_nor_brings_a_pass(marking: Verifying) -> None:
    forged = [f"Authentication-Results: {dmarc('pass')}"] * 3
    assert marking.results([*forged, f"From: ceo@{OURS}", *forged], dmarc("fail")) == [MARK, dmarc("fail")]


def test_a_domain_is_hosted_from_the_flip_on(marking: Verifying) -> None:
    header = ["From: ceo@new.example"]
    assert marking.results(header) == []
    write_maps("smtp-in", marking.folder, [*ROWS, row("shop@new.example", "alice")])
    assert marking.results(header) == [MARK.replace(OURS, "new.example")]


def test_where_that_is_wanted_it_is_refused(refusing: Verifying) -> None:
    for result in ("fail", "none", "permerror"):
        assert refusing.takes([f"From: ceo@{OURS}"], dmarc(result)).startswith("550 5.7.1")
    assert refusing.takes([f"From: ceo@{OURS}, x@elsewhere.example"]).startswith("550 5.7.1")
    assert refusing.takes([f"From: ceo@{OURS}"], dmarc("pass")) == "250"
    assert refusing.takes(["From: x@elsewhere.example"], dmarc("fail", "elsewhere.example")) == "250"


def test_what_cannot_be_verified_now_is_put_off_and_not_refused(refusing: Verifying) -> None:
    assert refusing.takes([f"From: ceo@{OURS}"]).startswith("451 4.7.1")
    assert refusing.takes([f"From: ceo@{OURS}"], dmarc("temperror")).startswith("451 4.7.1")


def test_mail_is_put_off_while_nobody_knows_what_is_hosted(marking: Verifying) -> None:
    (marking.relay.configured.maps / "domains").unlink()
    assert marking.takes([f"From: ceo@{OURS}"], dmarc("fail"))[:1] == "4"


def test_a_file_that_says_something_else_is_a_mistake_at_start(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for text in ("", "[]", "{}", json.dumps({"server": 1, "domains": "/x", "hosted_from": "mark"})):
        path.write_text(text)
        with pytest.raises(ConfigurationError):
            Hosted.read(path)
