"""SuperTokens' front-end packages, as npm has them, over an app that is its own issuer.

Each test plays in every way a front end may be set up: tokens in cookies or in headers, refreshed
by the endpoint or within the request, from the API's own origin or from another site.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.server import HERE, OVER, PACKAGES, TOKEN_LIFETIME, Site

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.needs_service,
    pytest.mark.slow,
    pytest.mark.skipif(
        not PACKAGES.is_dir(),
        reason="front-end packages are missing: npm ci --prefix tests/browser",
    ),
]

#: Way -> the API's script, how tokens travel, who refreshes, and where the page is, seen from the
#: API.
WAYS = {
    "cookies": ("frontend.py", "cookie", "endpoint", "here"),
    "cookies, from another origin": ("frontend.py", "cookie", "endpoint", "another origin"),
    "cookies, refreshed inline": ("frontend.py", "cookie", "inline", "here"),
    "headers": ("frontend.py", "header", "endpoint", "here"),
    "headers, from another site": ("frontend.py", "header", "endpoint", "another site"),
    "Quart, cookies": ("frontend_quart.py", "cookie", "endpoint", "another origin"),
    "Quart, headers from another site": (
        "frontend_quart.py", "header", "endpoint", "another site"
    ),
    "Django, cookies": ("frontend_django.py", "cookie", "endpoint", "another origin"),
    "Django, headers from another site": (
        "frontend_django.py", "header", "endpoint", "another site"
    ),
}  # fmt: skip
REFRESH = "POST /auth/session/refresh"


class Visitor:
    """A browser with the page open, and the API that it calls."""

    def __init__(self, page: Page, site: Site, other: Site, way: str) -> None:
        self.page, self.site, self.way = page, site, way
        _, self.method, self.refreshes, self.where = WAYS[way]
        self._other = other
        self.open(page)

    def open(self, page: Page) -> Page:
        places = {"here": self.site.url, "another site": self.site.elsewhere}
        base = places.get(self.where, self._other.url)
        page.goto(f"{base}/?method={self.method}&api={self.site.url}")
        return page

    def does(self, script: str, page: Page | None = None) -> Any:
        return (page or self.page).evaluate(script)

    def call(self, path: str, how: str = "GET") -> tuple[int, Any]:
        answer = self.does(f"call('/api/{path}', '{how}')")
        return answer["status"], answer["body"]

    def sign_in(self) -> None:
        assert self.call("sign-in", "POST") == (200, {"user": "user_ada"})

    def payload(self) -> dict[str, Any]:
        found: dict[str, Any] = self.does("Session.getAccessTokenPayloadSecurely()")
        return found

    def told(self) -> list[str]:
        """The events since it was last asked."""
        events: list[str] = self.does("told.splice(0).map(event => event.action)")
        return events

    def kept(self) -> set[str]:
        """The names of the browser's cookies."""
        return {one.get("name") or "" for one in self.page.context.cookies()}


def build(target: Path) -> None:
    """The React page's script, as its developers would build it."""
    options = ["--bundle", "--minify", "--jsx=automatic", f"--outfile={target}"]
    command = [PACKAGES / ".bin" / "esbuild", HERE / "frontend.jsx", *options]
    subprocess.run([*command, '--define:process.env.NODE_ENV="production"'], check=True)


#: Opens the page in a browser of its own, in that way.
Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """Gives the site of a script that refreshes so, its tokens live for so many seconds."""
    with ExitStack() as running:

        @cache
        def started(script: str, mode: str, lifetime: int) -> Site:
            work = tmp_path_factory.mktemp(mode)
            build(work / "frontend.js")
            settings: dict[str, Any] = {"SESSION_TOKEN_LIFETIME": lifetime, "REFRESH_MODE": mode}
            if mode == "endpoint":
                page = started("frontend.py", "inline", lifetime).url
                settings |= {"pages": [page], "ORIGINS": json.dumps([page])}
            return running.enter_context(Site(work, script=script, **settings))

        yield started


@pytest.fixture
def visit(browser: Browser, sites: Callable[..., Site]) -> Iterator[Visit]:
    with ExitStack() as closing:

        def visit(way: str, lifetime: int = 300) -> Visitor:
            script, _, mode, _ = WAYS[way]
            site = sites(script, mode, lifetime)
            context = browser.new_context()
            closing.callback(context.close)
            context.set_default_timeout(15_000)
            site.behind("forget")
            return Visitor(context.new_page(), site, sites("frontend.py", "inline", lifetime), way)

        yield visit


EACH_WAY = pytest.mark.parametrize("way", WAYS)


@EACH_WAY
def test_who_has_no_session_is_told_once_and_left_alone(visit: Visit, way: str) -> None:
    visitor = visit(way)
    assert visitor.does("Session.doesSessionExist()") is False
    assert visitor.call("whoever") == (200, {"user": None})
    assert visitor.call("me")[0] == 401
    asked = [call for call in visitor.site.calls() if not call.startswith("OPTIONS")]
    assert asked == [f"{REFRESH} 401", "GET /api/whoever 200", "GET /api/me 401"]
    assert visitor.told() == ["UNAUTHORISED"]


@EACH_WAY
def test_the_page_knows_who_signed_in_and_the_claims_as_they_change(visit: Visit, way: str) -> None:
    visitor = visit(way)
    visitor.sign_in()
    assert visitor.does("Session.doesSessionExist()") is True
    assert visitor.does("Session.getUserId()") == "user_ada"
    assert visitor.call("me") == (200, {"user": "user_ada", "plan": "free"})
    assert (visitor.payload()["plan"], visitor.told()) == ("free", ["SESSION_CREATED"])

    assert visitor.call("plan/pro", "POST") == (200, {"plan": "pro"})
    assert visitor.payload()["plan"] == "pro"
    assert visitor.told() == ["ACCESS_TOKEN_PAYLOAD_UPDATED"]

    visitor.site.behind("upgrade")
    assert visitor.call("me") == (200, {"user": "user_ada", "plan": "team"})
    assert visitor.payload()["plan"] == "team"
    assert visitor.told() == ["ACCESS_TOKEN_PAYLOAD_UPDATED"]
    in_scripts = ("st-access-token" in visitor.kept(), visitor.does("Session.getAccessToken()"))
    assert [bool(one) for one in in_scripts] == [visitor.method == "header"] * 2


def test_claims_that_a_form_has_changed_come_with_the_next_call(visit: Visit) -> None:
    visitor = visit("cookies")  # not where pages refresh: they have the new token themselves
    visitor.sign_in()
    form = '<form method="post" action="/api/plan/pro"><button>Upgrade</button></form>'
    visitor.does(f"document.body.innerHTML = '{form}'")
    visitor.page.get_by_role("button").click()
    visitor.page.get_by_text('"plan":"pro"').wait_for()
    visitor.open(visitor.page)
    assert visitor.call("me") == (200, {"user": "user_ada", "plan": "pro"})
    assert visitor.payload()["plan"] == "pro"
    assert visitor.told() == ["ACCESS_TOKEN_PAYLOAD_UPDATED"]
    front = visitor.does("document.cookie")
    assert visitor.call("me")[0] == 200
    assert visitor.does("document.cookie") == front, "it is handed over once"


@EACH_WAY
def test_claims_and_validators_of_the_front_end_read_ours(visit: Visit, way: str) -> None:
    visitor = visit(way)
    visitor.sign_in()
    claim = "new Session.BooleanClaim({ id: 'verified', refresh: async () => undefined })"
    value = f"Session.getClaimValue({{ claim: {claim} }})"
    problems = f"""Session.validateClaims({{ overrideGlobalClaimValidators:
        () => [({claim}).validators.isTrue(600)] }})"""
    assert visitor.does(value) is False
    assert [one["id"] for one in visitor.does(problems)] == ["verified"]
    time.sleep(1.1)  # the gate wants to know it of the last second
    visitor.told()
    status, body = visitor.call("confirmed-only")
    assert (status, [one["id"] for one in body["claimValidationErrors"]]) == (403, ["verified"])
    refused = visitor.does("told.filter(event => event.action === 'API_INVALID_CLAIM')")
    assert [one["id"] for one in refused[0]["claimValidationErrors"]] == ["verified"]

    visitor.site.behind("confirm")
    time.sleep(1.1)
    assert visitor.call("confirmed-only") == (200, {"user": "user_ada"})
    assert (visitor.does(value), visitor.does(problems)) == (True, [])


@EACH_WAY
def test_a_session_that_was_revoked_ends_on_the_page_with_the_next_call(
    visit: Visit, way: str
) -> None:
    visitor = visit(way)
    visitor.sign_in()
    assert visitor.site.behind("revoke") == 0
    assert visitor.call("me")[0] == 401
    assert visitor.does("Session.doesSessionExist()") is False
    revoked = visitor.does("told.filter(event => event.action === 'UNAUTHORISED')")
    assert [one["sessionExpiredOrRevoked"] for one in revoked] == [True]
    assert visitor.kept() == {"st-last-access-token-update"}
    # The page goes on as nobody's, and somebody may sign in again.
    assert visitor.call("whoever") == (200, {"user": None})
    visitor.sign_in()
    assert visitor.call("me")[0] == 200


@EACH_WAY
def test_signing_out_ends_the_session_here_and_there(visit: Visit, way: str) -> None:
    visitor = visit(way)
    visitor.site.behind("revoke")
    visitor.sign_in()
    assert visitor.site.behind("look") == 1
    visitor.told()
    visitor.does("Session.signOut()")
    assert visitor.site.behind("look") == 0
    assert visitor.told() == ["SIGN_OUT"]
    assert visitor.does("Session.doesSessionExist()") is False
    assert visitor.kept() == {"st-last-access-token-update"}
    assert visitor.call("me")[0] == 401


@pytest.mark.parametrize("way", [way for way in WAYS if WAYS[way][3] == "here"])
def test_a_page_in_react_shows_each_change_as_it_comes(visit: Visit, way: str) -> None:
    visitor = visit(way)
    page = visitor.page
    page.goto(f"{visitor.site.url}/react?method={visitor.method}")

    def comes_to(user: str, plan: str, verified: str) -> None:
        shown = {"user": user, "plan": plan, "verified": verified}
        for name, text in shown.items():
            page.locator(f"#{name}", has_text=text).wait_for()

    def press(name: str) -> None:
        page.get_by_role("button", name=name).click()

    comes_to("nobody", "none", "?")
    press("Sign in")
    comes_to("user_ada", "free", "false")
    press("Upgrade")
    comes_to("user_ada", "pro", "false")
    page.reload()
    comes_to("user_ada", "pro", "false")
    visitor.site.behind("upgrade")
    press("Look")
    comes_to("user_ada", "team", "false")
    press("Sign out")
    comes_to("nobody", "none", "?")
    press("Sign in")
    comes_to("user_ada", "free", "false")
    visitor.site.behind("revoke")
    press("Look")
    comes_to("nobody", "none", "?")


def test_an_expired_token_is_refreshed_once_for_all_calls_of_all_tabs(visit: Visit) -> None:
    visitors = [visit(way, TOKEN_LIFETIME) for way in WAYS]
    for visitor in visitors:
        visitor.sign_in()
    time.sleep(OVER)
    for visitor in visitors:
        begun = len(visitor.site.calls())
        tab = visitor.open(visitor.page.context.new_page())
        asking = "Promise.all(['me', 'me', 'whoever'].map(path => call('/api/' + path)))"
        for page in (visitor.page, tab):
            page.evaluate(f"window.answers = Promise.all([{asking}, callByXhr('/api/me')]); 0")
        for page in (visitor.page, tab):
            (*fetched, who), by_xhr = visitor.does("window.answers", page)
            signed_in = {"status": 200, "body": {"user": "user_ada", "plan": "free"}}
            assert [*fetched, by_xhr] == [signed_in] * 3, visitor.way
            assert who["body"] == {"user": "user_ada"}, visitor.way
        asked = visitor.site.calls()[begun:]
        inline = visitor.refreshes == "inline"
        assert [one for one in asked if REFRESH in one] == ([] if inline else [f"{REFRESH} 200"])
        assert visitor.payload()["exp"] > time.time() - 5, visitor.way
