"""Which of supervisord's programs is a complaint, and which is out of it."""

import pytest

from reconfigure.daemons import Program


@pytest.mark.parametrize(
    ("name", "state", "since", "exit_status", "expected"),
    [
        ("mail:sendmail", "RUNNING", 1.0, 0, True),
        ("prepare", "EXITED", 1.0, 0, True),  # has done its work
        ("verify:opendkim", "STOPPED", None, 0, True),  # a setting leaves it off
        ("opendmarc", "STOPPED", None, 0, True),
        ("verify:opendkim", "STOPPED", 1.0, 0, False),  # somebody stopped it
        ("reconfigure", "STOPPED", 1.0, 0, False),
        ("mail:sendmail", "STOPPED", None, 0, False),  # nobody has started it yet, and somebody has to
        ("mail:dovecot", "EXITED", 1.0, 0, False),  # a daemon that ends, however well, serves no more
        ("prepare", "EXITED", 1.0, 1, False),
        ("mail:opendkim", "FATAL", 1.0, 0, False),
        ("mail:opendkim", "BACKOFF", 1.0, 0, False),
        ("mail:opendkim", "STARTING", 1.0, 0, False),
    ],
)
def test_a_program_is_as_it_should_be(
    name: str, state: str, since: float | None, exit_status: int, *, expected: bool
) -> None:
    program = Program(name=name, state=state, pid=0, since=since, detail="", exit_status=exit_status)
    assert program.is_as_it_should_be is expected
    assert program.is_out_of_it is (expected and state != "RUNNING")
