"""Where a ping goes, for every form that a check's URL may have."""

import subprocess
import sys
from pathlib import Path

import pytest

from reconfigure.reporting.healthchecks import address, limited
from reconfigure.reporting.pings import Kind, Ping

RID = "123e4567-e89b-12d3-a456-426614174000"

ASSEMBLE = """
import sys
from pathlib import Path
from reconfigure import assembly
from reconfigure.settings import Settings, Tier
url, parameter, state = sys.argv[1:]
own = dict(tier=Tier.IMAP, cert_domain="mail.example.com", aws_region="eu-west-1", state_dir=Path(state))
pings = dict(healthcheck_ping_url=url or None, healthcheck_ping_param=parameter or None)
with assembly.reporter(Settings(**own, **pings)):
    print(*sorted({"requests", "botocore.httpsession"} & set(sys.modules)))
"""


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


@pytest.mark.parametrize(
    ("url", "parameter", "loaded"),
    [
        ("http://127.0.0.1:9/ping", "", ["requests"]),
        ("", "/cabal/ping", ["botocore.httpsession", "requests"]),
        ("", "", []),
    ],
    ids=["a URL", "a parameter", "no pings"],
)
def test_what_pings_travel_by_is_loaded_before_the_threads_of_a_pass_and_only_if_there_are_pings(
    url: str, parameter: str, loaded: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", ASSEMBLE, url, parameter, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == loaded
    assert done.stderr == ""
