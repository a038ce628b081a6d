"""What is promised of the log, of a process of its own, since logging belongs to the whole process."""

import json
import os
import pty
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any

import pytest

SCRIPT = """
from reconfigure.reporting import logs
import logging, sys
import structlog
logs.configure(sys.argv[1], sys.argv[2])
log = structlog.get_logger()
structlog.contextvars.bind_contextvars(tier="imap", **{"pass": "p1"}, generation="g1")
"""
UUID = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"


def run(script: str, *, form: str = "json", level: str = "info", **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT + script, form, level],
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
        **({"stdout": subprocess.PIPE} | settings),
    )


def logged(script: str, **settings: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(script, **settings).stdout.splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_event_first() -> None:
    (line,) = logged('log.info("pass_finished", seconds=0.25)')
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "event": "pass_finished",
        "tier": "imap",
        "pass": "p1",
        "generation": "g1",
        "seconds": 0.25,
    }
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)


@pytest.mark.parametrize(("level", "events"), [("debug", "dwe"), ("info", "we"), ("warning", "we"), ("error", "e")])
def test_what_is_less_urgent_than_the_level_is_dropped(level: str, events: str) -> None:
    lines = logged('log.debug("d"); log.warning("w"); log.error("e")', level=level)
    assert "".join(line["event"] for line in lines) == events


def test_an_exception_stays_on_its_line_and_its_urls_are_masked() -> None:
    (line,) = logged(f"""
try:
    raise ValueError("could not reach https://hc-ping.com/{UUID}")
except ValueError:
    log.exception("pass_failed")
""")
    assert line["level"] == "error"
    assert "ValueError: could not reach https://hc-ping.com/***" in line["exception"]


def test_secrets_are_masked() -> None:
    (line,) = logged(f'log.info("x", ping_url="https://hc-ping.com/{UUID}", master_password="hunter2", token=None)')
    assert (line["ping_url"], line["master_password"], line["token"]) == ("https://hc-ping.com/***", "***", None)


def test_warnings_of_libraries_come_the_same_way_and_their_chatter_does_not() -> None:
    lines = logged(f"""
logging.getLogger("botocore.retry").info("trying again")
logging.getLogger("urllib3").warning("slow: %s", "https://hc-ping.com/{UUID}")
logging.getLogger("urllib3").critical("gone")
logging.getLogger("odd").log(35, "between the levels")
""")
    assert [(line["level"], line["event"], line["logger"], line["message"]) for line in lines] == [
        ("warning", "library_message", "urllib3", "slow: https://hc-ping.com/***"),
        ("error", "library_message", "urllib3", "gone"),
        ("warning", "library_message", "odd", "between the levels"),
    ]
    assert all(line["tier"] == "imap" for line in lines)


def test_configuring_twice_does_not_double_the_lines() -> None:
    assert len(logged('logs.configure("json", "info"); log.info("a"); logging.getLogger("x").warning("b")')) == 2


def test_a_value_of_any_type_can_be_logged() -> None:
    (line,) = logged('log.info("x", path=__import__("pathlib").Path("/a"), numbers={1}, raw=b"z", deep=[{"k": (1,)}])')
    assert (line["numbers"], line["raw"], line["deep"]) == ([1], "b'z'", [{"k": [1]}])


def test_hostile_values_can_forge_no_line_and_send_nothing_to_a_terminal() -> None:
    script = r"""log.info("refused", key="a\x1b[2Jb\x00\u202e\n2026 forged", detail="\x9bm", rows=["\x1b[2J"])"""
    assert len(run(script).stdout.splitlines()) == 1
    text = run(script, form="text").stdout
    assert len(text.splitlines()) == 1
    assert text.removesuffix("\n").isprintable()


def test_a_terminal_gets_text_and_anything_else_json() -> None:
    leader, follower = pty.openpty()
    try:
        run('log.info("hello", n=1)', form="auto", stdout=follower, env=os.environ | {"NO_COLOR": "1"})
        shown = os.read(leader, 10_000).decode()
    finally:
        os.close(leader)
        os.close(follower)
    assert "hello" in shown
    assert "n=1" in shown
    assert "{" not in shown
    assert "\x1b" not in shown
    assert logged('log.info("hello")', form="auto")[0]["event"] == "hello"


def test_text_for_a_terminal_that_knows_only_ascii_is_escaped() -> None:
    ran = run('log.info("x", name="ä")', form="text", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert "\\xe4" in ran.stdout


def test_a_reader_that_went_away_costs_one_line_on_stderr_and_nothing_else() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        ran = run('for n in range(1000): log.info("x", n=n)', stdout=write_end)  # check: it ends with 0
    finally:
        os.close(write_end)
    assert ran.stderr.splitlines() == [
        "reconfigure: whoever read the log is gone; log lines are dropped from now on",
    ]


def test_a_full_disk_costs_one_line_on_stderr_and_does_not_stop_the_work() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ran = run(
            'for n in range(100): log.info("x", n=n)\n'
            'sys.stderr.write("done\\n"); sys.stderr.flush()\n'
            "import os; os._exit(0)  # what is left in the buffer cannot be written at exit either",
            stdout=full,
        )
    assert ran.stderr.splitlines() == ["reconfigure: log lines are lost: [Errno 28] No space left on device", "done"]


@pytest.mark.parametrize("closed", ["sys.stdout.close()", "sys.stdout = None; logs.configure('json', 'info')"])
def test_a_closed_stdout_does_not_stop_the_work(closed: str) -> None:
    ran = run(f'{closed}\nfor n in range(100): log.info("x")\nsys.stderr.write("done\\n")')
    assert ran.stderr.splitlines()[-1] == "done"
    assert len(ran.stderr.splitlines()) <= 2


def test_commands_may_log_to_stderr_and_keep_stdout_for_their_result() -> None:
    ran = run('logs.configure("json", "info", stream=sys.stderr); log.info("x"); print("result")')
    assert ran.stdout == "result\n"
    assert json.loads(ran.stderr)["event"] == "x"


def test_logging_does_not_load_rich_and_leaves_it_loadable() -> None:
    run("""
assert not [name for name in sys.modules if name.split(".")[0] == "rich"], "costs the daemon 5 MB"
try:
    1 / 0
except ZeroDivisionError:
    log.exception("x")
assert "rich.console" not in sys.modules
import rich.console
""")


def test_rich_loaded_before_is_left_alone() -> None:
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import rich, sys; import reconfigure.reporting.logs; assert sys.modules['rich'] is rich",
        ],
        check=True,
        timeout=60,
    )
