"""The page in a real browser: nothing from elsewhere, wide and narrow, light and dark, by keyboard, and by axe-core."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.web.conftest import Site
from tests.web.test_fleet import unwell  # noqa: F401 - a fixture

CHROMIUM = shutil.which("chromium")
ALONE = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]
PHONE, DESK = (390, 844), (1280, 900)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here; 'apt-get install chromium'")

Scheme = Literal["light", "dark"]
Open = Callable[..., Page]

each_look = pytest.mark.parametrize("scheme", ["light", "dark"])
each_size = pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Browser) -> Iterator[Open]:
    """Open a URL as a person would have it; what the page complains of in the console fails the test."""
    contexts = []
    said: list[str] = []

    def show(url: str, *, scheme: Scheme = "light", size: tuple[int, int] = DESK) -> Page:
        width, height = size
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        answer = page.goto(url)
        assert answer is not None
        assert answer.ok
        return page

    yield show
    for context in contexts:
        context.close()
    assert said == []


def complaints(page: Page) -> list[str]:
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]


@each_look
@each_size
def test_axe_finds_nothing_to_complain_of(site: Site, show: Open, scheme: Scheme, size: tuple[int, int]) -> None:
    page = show(f"{site.url}/", scheme=scheme, size=size)
    for details in page.locator("details").all():
        details.locator("summary").click()
    assert complaints(page) == []


@each_look
@pytest.mark.usefixtures("held")
def test_trouble_is_as_readable_as_success(run: Any, serve: Callable[[], Site], show: Open, scheme: Scheme) -> None:
    assert run("pause", "--for", "1h", "--reason", "look first").exit_code == 0
    page = show(f"{serve().url}/", scheme=scheme)
    assert "degraded" in page.get_by_role("heading", level=1).inner_text()
    assert "look first" in page.locator("header").inner_text()
    assert complaints(page) == []


@each_look
@each_size
@pytest.mark.usefixtures("unwell")
def test_a_fleet_in_trouble_is_readable_and_no_wider_than_the_screen(
    serve: Callable[[], Site], show: Open, scheme: Scheme, size: tuple[int, int]
) -> None:
    page = show(f"{serve().url}/", scheme=scheme, size=size)
    assert "silent for 4 min" in page.get_by_role("region", name="Table of the fleet's tasks").inner_text()
    assert complaints(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_contrast_that_is_too_low_would_be_noticed(site: Site, show: Open) -> None:
    page = show(f"{site.url}/")
    page.evaluate("document.querySelector('h2').style.color = '#ddd'")
    assert any(one.startswith("color-contrast") for one in complaints(page))


@each_look
def test_the_colours_are_those_that_a_person_wants(site: Site, show: Open, scheme: Scheme) -> None:
    page = show(f"{site.url}/", scheme=scheme)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(background[:3]) / 3 > 128) == (scheme == "light")


@each_size
def test_a_page_is_never_wider_than_the_screen(site: Site, show: Open, size: tuple[int, int]) -> None:
    page = show(f"{site.url}/", size=size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_nothing_is_asked_of_any_other_host(site: Site, browser: Browser) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.url}/")
    assert sorted(asked) == [f"{site.url}/", f"{site.url}/style.css"]
    page.close()


def test_the_quarantine_is_searched_by_keyboard_alone(site: Site, show: Open) -> None:
    page = show(f"{site.url}/")
    field = page.get_by_role("searchbox")
    for _ in range(50):
        page.keyboard.press("Tab")
        if field.evaluate("it => it === document.activeElement"):
            break
    assert field.evaluate("it => getComputedStyle(it).outlineStyle") != "none"
    page.keyboard.type("no such row anywhere")
    page.keyboard.press("Enter")
    page.wait_for_url("**/?*")
    assert page.get_by_role("searchbox").input_value() == "no such row anywhere"
    assert "local-part-characters" not in page.locator("section:has(#refused) table").all_inner_texts()


def test_passes_can_be_read_as_a_table(site: Site, show: Open) -> None:
    page = show(f"{site.url}/")
    page.get_by_text("As a table").press("Enter")
    rows = page.locator("section:has(#passes) tbody tr")
    assert rows.count() == page.locator("section:has(#passes) rect.bar").count() == 2
    assert "changed" in rows.first.inner_text()
