"""Where alerts send people: pages of docs/runbooks."""

import re

from tests.observability.promtool import ROOT

PAGE = re.compile(r"docs/runbooks/(\d{2}-[a-z-]+)\.md")


def assert_is_a_page(path: str) -> None:
    """Assert that the path names a page that is there."""
    assert PAGE.fullmatch(path), path
    assert (ROOT / path).is_file(), f"{path} does not exist"
