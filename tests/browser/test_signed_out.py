"""Whom a browser must not take for signed in: after a sign-out, a theft, a failure, a trick."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Open
from tests.browser.server import GRACE, OVER, Site
from tests.browser.test_signed_in import cookie, session, sign_in, user

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = [pytest.mark.needs_service, pytest.mark.slow]


def bring(context: BrowserContext, stolen: dict[str, Any]) -> None:
    """Put a copy of a cookie into another browser."""
    context.add_cookies([stolen])  # type: ignore[list-item]


def test_no_script_could_read_the_cookies_and_other_sites_posts_do_not_carry_them(
    site: Site, people: Open
) -> None:
    context = people()
    sign_in(context, site)
    for kind in ("session", "refresh"):
        kept = cookie(context, kind) or {}
        assert (kept["httpOnly"], kept["sameSite"], kept["path"]) == (True, "Lax", "/")


def test_a_sign_out_takes_the_cookies_and_reaches_every_tab(site: Site, people: Open) -> None:
    context = people()
    page = sign_in(context, site)
    session_id = session(page)
    other = context.new_page()
    other.goto(f"{site.url}/")
    assert user(other) == "user_ada"
    page.goto(f"{site.url}/?before")
    page.get_by_role("button", name="Sign out").click()
    assert (page.url, user(page)) == (f"{site.url}/", "nobody")
    assert context.cookies() == []
    other.reload()
    assert user(other) == "nobody"
    page.go_back()
    assert (page.url, user(page)) == (f"{site.url}/?before", "nobody")
    assert session_id not in site.live("user_ada")
    assert site.told(session_id) == ["session-created", "session-revoked sign-out"]


def test_cookies_kept_from_before_a_sign_out_are_of_no_use(site: Site, people: Open) -> None:
    context, later = people(), people()
    page = sign_in(context, site)
    session_id = session(page)
    kept = [cookie(context, kind) or {} for kind in ("session", "refresh")]
    page.get_by_role("button", name="Sign out").click()
    for one in kept:
        bring(later, one)
    again = later.new_page()
    again.goto(f"{site.url}/")
    assert (user(again), again.locator("#reason").inner_text()) == ("nobody", "session-revoked")
    later.clear_cookies(name=str(kept[0]["name"]))
    again.reload()
    assert user(again) == "nobody"
    assert later.cookies() == []
    assert site.acts(session_id)[-1] == "revoke sign-out"


def test_who_comes_late_with_a_stolen_refresh_cookie_ends_the_session_for_both(
    site: Site, people: Open
) -> None:
    victim, thief = people(), people()
    page = sign_in(victim, site)
    session_id = session(page)
    stolen = cookie(victim, "refresh") or {}
    time.sleep(OVER)
    page.reload()  # the victim's refresh makes the copy an old one
    assert user(page) == "user_ada"
    time.sleep(GRACE + 0.5)

    bring(thief, stolen)
    theirs = thief.new_page()
    theirs.goto(f"{site.url}/")
    assert user(theirs) == "nobody"
    assert thief.cookies() == []
    page.reload()  # the token has not expired yet
    assert (user(page), page.locator("#reason").inner_text()) == ("nobody", "session-revoked")
    assert "refresh-token-reused" in site.told(session_id)
    assert site.acts(session_id)[-2:] == ["reuse 1", "revoke reuse"]
    assert session_id not in site.live("user_ada")


def test_a_thief_who_is_first_is_signed_out_by_the_victims_next_refresh(
    site: Site, people: Open
) -> None:
    victim, thief = people(), people()
    page = sign_in(victim, site)
    session_id = session(page)
    bring(thief, cookie(victim, "refresh") or {})
    theirs = thief.new_page()
    theirs.goto(f"{site.url}/")
    assert (user(theirs), session(theirs)) == ("user_ada", session_id)
    time.sleep(OVER)

    page.reload()
    assert user(page) == "nobody"
    assert victim.cookies() == []
    theirs.reload()
    assert user(theirs) == "nobody"
    assert "refresh-token-reused" in site.told(session_id)
    assert session_id not in site.live("user_ada")


@pytest.mark.parametrize("button", ["Fail", "Crash"])
def test_a_sign_in_that_ends_in_an_error_signs_nobody_in(
    site: Site, people: Open, button: str
) -> None:
    context = people()
    before = set(site.live("user_ada"))
    page = context.new_page()
    page.goto(f"{site.url}/")
    with page.expect_response("**/sign-in-fails") as caught:
        page.get_by_role("button", name=button).click()
    assert caught.value.status == 500
    assert context.cookies() == []
    page.goto(f"{site.url}/")
    assert user(page) == "nobody"
    assert set(site.live("user_ada")) == before


def test_another_site_signs_nobody_in_or_out(site: Site, people: Open) -> None:
    stranger, ada = people(), people()
    page = stranger.new_page()
    page.goto(f"{site.elsewhere}/stranger?site={site.url}")
    with page.expect_response("**/sign-in") as caught:
        page.get_by_role("button", name="Win").click()
    assert caught.value.status == 403
    assert stranger.cookies() == []
    assert site.live("user_eve") == []

    home = sign_in(ada, site)
    trap = ada.new_page()
    trap.goto(f"{site.elsewhere}/stranger?site={site.url}")
    with trap.expect_response("**/auth/signout") as caught:
        trap.get_by_role("button", name="Lose").click()
    assert caught.value.status == 403
    home.reload()
    assert user(home) == "user_ada"


def test_the_cookies_of_production_work_in_a_browser(real_cookies: Site, people: Open) -> None:
    context = people()
    page = sign_in(context, real_cookies)
    for kind in ("session", "refresh"):
        kept = cookie(context, kind) or {}
        assert str(kept["name"]).startswith(f"__Host-{kind}_")
        assert kept["secure"] is True
    context.clear_cookies(name=str((cookie(context, "session") or {})["name"]))
    page.reload()
    assert user(page) == "user_ada"
    assert real_cookies.acts(session(page)) == ["create", "refresh 2"]
    page.get_by_role("button", name="Sign out").click()
    assert user(page) == "nobody"
    assert context.cookies() == []
