"""The demo as a person without scripts has it: clicked through, on a desk and on a phone."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.examples.servers import EXAMPLES, free_port, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

#: Takes a picture by a name; the page fits its window.
Photo = Callable[[str], None]

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
    assert [
        text for text in said if not re.search(r"40[03] \((FORBIDDEN|BAD REQUEST)\)", text)
    ] == []


@pytest.fixture
def photo(page: Page, request: pytest.FixtureRequest, tmp_path: Path) -> Photo:
    """Takes a picture of the page by a name, below FSC_SCREENSHOTS or a temporary folder."""
    folder = Path(os.environ.get("FSC_SCREENSHOTS", tmp_path))
    width = (page.viewport_size or {"width": 0})["width"]

    def take(name: str) -> None:
        page.wait_for_load_state()
        page.screenshot(path=folder / f"{name}-{width}.png", full_page=True)
        assert fits(page), name

    return take


def fits(page: Page) -> bool:
    """Whether nothing sticks out of the window."""
    width = (page.viewport_size or {"width": 0})["width"]
    boxes = [one.bounding_box() for one in page.locator("body *:visible").all()]
    return all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes if box)


def shows(place: Locator, text: str) -> None:
    """It has that text, at the latest once the page that was asked for is there."""
    from playwright.sync_api import expect

    expect(place).to_contain_text(text, timeout=15_000)


def reads(page: Page, heading: str) -> None:
    shows(page.get_by_role("heading", level=1), heading)


def says(page: Page, claim: str, value: str) -> None:
    """The metadata page shows that this is the claim in the token."""
    shows(page.get_by_role("row", name=claim).get_by_role("cell").last, value)


def test_it_is_clicked_through_from_sign_in_to_sign_out(demo: str, page: Page) -> None:
    page.goto(demo)
    assert fits(page)
    page.get_by_role("button", name="Sign in as Katherine Johnson").click()
    reads(page, "Hello, Katherine Johnson")
    assert fits(page)

    page.get_by_role("link", name="Members").click()
    reads(page, "Not with this plan")
    assert fits(page)
    page.get_by_role("link", name="Back to your claims").click()
    page.get_by_label("Name").fill("plan")
    page.get_by_label("Value").fill("pro")
    page.get_by_role("button", name="Merge").click()
    page.get_by_role("link", name="Members").click()
    reads(page, "Members only")
    assert fits(page)

    page.get_by_role("button", name="Sign out").click()
    reads(page, "Who are you?")
    page.go_back()
    reads(page, "Who are you?")


def test_another_organisation_brings_another_role(demo: str, page: Page, photo: Photo) -> None:
    page.goto(demo)
    photo("sign-in")
    page.get_by_role("button", name="Sign in as Ada Lovelace").click()
    reads(page, "Hello, Ada Lovelace")
    photo("account")
    page.get_by_role("link", name="Office", exact=True).click()
    reads(page, "The office of Analytical Engines")
    photo("office")
    page.go_back()
    page.get_by_role("button", name="Compilers & Co").click()
    shows(page.locator("button[aria-current]"), "Compilers & Co")
    page.get_by_role("link", name="Office", exact=True).click()
    reads(page, "For admins only")
    photo("for-admins")
    page.get_by_role("link", name="Back to your organisations").click()
    page.get_by_role("button", name="None").click()
    shows(page.locator("button[aria-current]"), "None")


def test_metadata_are_edited_and_the_claims_follow(demo: str, page: Page, photo: Photo) -> None:
    page.goto(demo)
    page.get_by_role("button", name="Sign in as Grace Hopper").click()
    page.get_by_role("link", name="Metadata").click()
    reads(page, "Where your claims come from")
    photo("metadata")
    field = page.get_by_label("A JSON object")
    before = field.input_value()

    field.fill('{"plan": team}')
    page.get_by_role("button", name="Save").click()
    shows(page.get_by_role("alert"), "This is no JSON")
    assert field.input_value() == '{"plan": team}'
    photo("metadata-refused")
    field.fill('{"plan": "team", "address": {"city": "Arlington"}}')
    page.get_by_role("button", name="Save").click()
    says(page, "city", "Arlington")
    says(page, "plan", "team")

    field.fill(before)
    page.get_by_role("button", name="Save").click()
    says(page, "city", "New York")


def test_an_admin_acts_for_a_member_under_a_banner_and_stops(
    demo: str, page: Page, photo: Photo
) -> None:
    page.goto(demo)
    page.get_by_role("button", name="Sign in as Ada Lovelace").click()
    page.get_by_role("link", name="Office", exact=True).click()
    page.get_by_role("combobox").select_option("Katherine Johnson")
    page.get_by_label("Reason").fill(" ")
    page.get_by_role("button", name="Act for them").click()
    shows(page.get_by_role("alert"), "why you act")
    photo("acting-refused")
    page.get_by_label("Reason").fill("ticket 4711")
    page.get_by_role("button", name="Act for them").click()

    reads(page, "Hello, Katherine Johnson")
    banner = page.get_by_role("complementary", name="Acting for somebody")
    shows(banner, "you act for Katherine Johnson")
    photo("acting")
    page.get_by_role("link", name="Metadata").click()
    page.get_by_role("button", name="Save").click()
    reads(page, "Not allowed")
    photo("acting-not-allowed")
    banner.get_by_role("button", name="Stop").click()
    reads(page, "Hello, Ada Lovelace")
    assert not banner.is_visible()


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
    page.get_by_role("link", name="Reload every 3 s").wait_for()
    context.close()
