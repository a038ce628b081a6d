"""A tier in the AWS double, with one pass live, and the command as operators call it."""

from tests.cli.conftest import (  # noqa: F401 - pytest finds them by their names here
    changed,
    environment,
    folder,
    held,
    live,
    run,
    state,
    world,
)
