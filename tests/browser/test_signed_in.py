"""A browser without scripts stays signed in for as long as it loads pages, and no longer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Open, chromium
from tests.browser.server import OVER, TOKEN_LIFETIME, Site

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Playwright, Response

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]


def sign_in(context: BrowserContext, site: Site, button: str = "Ada") -> Page:
    page = context.new_page()
    page.goto(f"{site.url}/")
    assert page.locator("#scripts").inner_text() == "off"
    page.get_by_role("button", name=button, exact=True).click()
    assert user(page) == "user_ada"
    return page


def user(page: Page) -> str:
    return page.locator("#user").inner_text()


def session(page: Page) -> str:
    return page.locator("#session").inner_text()


def cookie(context: BrowserContext, kind: str) -> dict[str, object] | None:
    """The one cookie of that kind."""
    found = [dict(one) for one in context.cookies() if f"{kind}_" in (one.get("name") or "")]
    assert len(found) < 2
    return found[0] if found else None


def refreshes(site: Site, session_id: str) -> list[str]:
    return [act for act in site.acts(session_id) if act.startswith("refresh")]


def handed_out(responses: list[Response]) -> list[str]:
    """The refresh tokens that responses carried."""
    texts = [text for one in responses for text in one.header_values("set-cookie")]
    return [text.split(";")[0] for text in texts if text.startswith("refresh_")]


def test_page_loads_keep_a_person_signed_in_across_token_life_times(
    site: Site, people: Open
) -> None:
    context = people()
    page = sign_in(context, site)
    session_id, begun = session(page), time.monotonic()
    tokens: set[str] = set()
    while len(refreshes(site, session_id)) < 3:
        assert time.monotonic() - begun < 60
        time.sleep(1)
        page.reload()
        assert (user(page), session(page)) == ("user_ada", session_id)
        tokens.add(str((cookie(context, "session") or {})["value"]))
    assert time.monotonic() - begun > 3 * TOKEN_LIFETIME
    assert len(tokens) == 4
    assert refreshes(site, session_id) == ["refresh 2", "refresh 3", "refresh 4"]
    assert site.told(session_id) == ["session-created", *["session-refreshed"] * 3]


def test_a_form_that_is_sent_after_the_token_has_expired_is_acted_on(
    site: Site, people: Open
) -> None:
    page = sign_in(people(), site)
    session_id = session(page)
    time.sleep(OVER)
    page.get_by_role("button", name="Upgrade").click()
    assert (user(page), page.locator("#plan").inner_text()) == ("user_ada", "pro")
    assert site.acts(session_id) == ["create", "refresh 2", "merge 1"]


def test_frames_and_images_that_meet_at_expiry_get_one_new_generation(
    site: Site, people: Open
) -> None:
    page = sign_in(people(), site)
    session_id = session(page)
    seen: list[Response] = []
    page.on("response", lambda one: seen.append(one) if "/meet/" in one.url else None)
    time.sleep(OVER)
    page.goto(f"{site.url}/frames")
    assert [one.status for one in seen] == [200] * 6
    inside = [frame.locator("#user").inner_text() for frame in page.frames[1:]]
    assert inside == ["user_ada"] * 4
    assert len(handed_out(seen)) == 6
    assert len(set(handed_out(seen))) == 1
    assert refreshes(site, session_id) == ["refresh 2"]
    page.goto(f"{site.url}/")
    assert session(page) == session_id
    time.sleep(OVER)
    page.reload()  # whichever response came last, its cookies are good
    assert (user(page), refreshes(site, session_id)) == ("user_ada", ["refresh 2", "refresh 3"])


def test_tabs_that_meet_at_expiry_get_one_new_generation(site: Site, people: Open) -> None:
    context = people()
    session_id = session(sign_in(context, site))
    seen: list[Response] = []
    context.on("response", lambda one: seen.append(one) if "/meet/" in one.url else None)
    tabs = [context.new_page() for _ in range(6)]
    for number, tab in enumerate(tabs):
        tab.goto(f"{site.url}/door/{number}")
    time.sleep(OVER)
    for tab in tabs:
        tab.get_by_role("link").click(no_wait_after=True)
    for tab in tabs:
        tab.wait_for_url("**/meet/**")
        assert (user(tab), session(tab)) == ("user_ada", session_id)
    assert len(handed_out(seen)) == 6
    assert len(set(handed_out(seen))) == 1
    assert refreshes(site, session_id) == ["refresh 2"]


@pytest.mark.parametrize(("button", "stays"), [("Ada", True), ("Ada, briefly", False)])
def test_a_browser_that_was_closed_remembers_only_whom_it_was_told_to(
    site: Site, playwright: Playwright, tmp_path: Path, button: str, stays: bool
) -> None:
    def begin() -> BrowserContext:
        return playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=chromium(), java_script_enabled=False
        )

    with begin() as context:
        session_id = session(sign_in(context, site, button))
        for kind in ("session", "refresh"):
            expires = (cookie(context, kind) or {})["expires"]
            assert isinstance(expires, (int, float))
            assert (expires > time.time() + 86_400) == stays
    with begin() as context:
        page = context.new_page()
        page.goto(f"{site.url}/")
        assert user(page) == ("user_ada" if stays else "nobody")
        assert (cookie(context, "refresh") is not None) == stays
    assert session_id in site.live("user_ada")
