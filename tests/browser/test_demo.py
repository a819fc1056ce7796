"""The demo as a person without scripts has it: clicked through, on a desk and on a phone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.examples.servers import EXAMPLES, free_port, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    work, port = tmp_path_factory.mktemp("demo"), free_port()
    environment = {"PORT": str(port), "DEMO_FOLDER": str(work / "instance")}
    script = str(EXAMPLES / "demo.py")
    with serving([script], environment, port, work / "output.txt", work):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=[1100, 360], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page of that width, on whose console nothing turned up but the answers asked for."""
    said: list[str] = []
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": request.param, "height": 800}
    )
    opened = context.new_page()
    opened.on("console", lambda message: said.append(message.text))
    yield opened
    context.close()
    assert [text for text in said if "403 (FORBIDDEN)" not in text] == []


def fits(page: Page) -> bool:
    """Whether nothing sticks out of the window."""
    width = (page.viewport_size or {"width": 0})["width"]
    boxes = [one.bounding_box() for one in page.locator("body *:visible").all()]
    return all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes if box)


def test_it_is_clicked_through_from_sign_in_to_sign_out(demo: str, page: Page) -> None:
    page.goto(demo)
    assert fits(page)
    page.get_by_role("button", name="Sign in as Katherine Johnson").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Hello, Katherine Johnson"
    assert fits(page)

    page.get_by_role("link", name="Members").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Not with this plan"
    assert fits(page)
    page.get_by_role("link", name="Back to your claims").click()
    page.get_by_label("Name").fill("plan")
    page.get_by_label("Value").fill("pro")
    page.get_by_role("button", name="Merge").click()
    page.get_by_role("link", name="Members").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Members only"
    assert fits(page)

    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Who are you?"
    page.go_back()
    assert page.get_by_role("heading", level=1).inner_text() == "Who are you?"


def test_a_page_that_reloads_by_itself_shows_the_token_being_refreshed(
    demo: str, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(demo)
    page.get_by_role("button", name="Sign in as Ada Lovelace").click()
    page.get_by_role("link", name="Reload every 3 s").click()
    refreshed = page.locator("dl div", has_text="session refreshed").locator("dd")
    assert refreshed.inner_text() == "0×"
    begun = time.monotonic()
    page.get_by_text("refreshed: generation 2").wait_for(timeout=60_000)
    assert refreshed.inner_text() == "1×"
    assert time.monotonic() - begun > 15
    page.get_by_role("link", name="Stop").click()
    assert page.get_by_role("link", name="Reload every 3 s").is_visible()
    context.close()
