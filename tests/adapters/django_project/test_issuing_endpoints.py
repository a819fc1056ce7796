"""The issuer's own addresses beside Django's middleware."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from django.urls import reverse
from django_session_claims import conf, sessions

from flask_session_claims.testing import FrozenClock

from ..django_setup import MIDDLEWARE
from .own import BOTH, CROSS, SAME, Reader, own_site, wsgi

READER = f"{Reader.__module__}.Reader"


@BOTH
@pytest.mark.parametrize("chain", [MIDDLEWARE, [*MIDDLEWARE, READER]])
def test_a_refresh_on_request_exchanges_the_token_once(open_browser: Any, chain: Any) -> None:
    """Nobody must have refreshed ahead of it: without a grace, twice is theft."""
    clock, instant = FrozenClock(), count()
    now = lambda: clock() + next(instant) / 1000  # noqa: E731
    with own_site(claims={"REFRESH_GRACE": 0}, clock=now, MIDDLEWARE=chain):
        browser = open_browser()
        browser.post("/in")
        for _ in range(3):
            clock.advance(400)
            reply = browser.post("/auth/session/refresh")
            assert (reply.status_code, reply.content) == (200, b"{}")
            assert reply["Cache-Control"] == "no-store"
            assert reply["Content-Type"] == "application/json"
        assert browser.get("/me").json()["user"] == "ada"
        assert [int(browser.cookies["refresh"].split(".")[1])] == [4]


@BOTH
def test_the_endpoints_need_no_csrf_token_and_no_transaction_and_check_for_themselves(
    open_browser: Any,
) -> None:
    csrf = ["django.middleware.csrf.CsrfViewMiddleware", *MIDDLEWARE]
    with own_site(MIDDLEWARE=csrf, claims={"DEFAULT_POLICY": "required"}):
        browser = open_browser(enforce_csrf_checks=True)
        assert b"CSRF" in browser.post("/in").content
        issued = sessions.create("ada")
        cookies = issued_cookies(issued)
        for address in ("/auth/session/refresh", "/auth/signout"):
            browser.client.cookies.load(cookies)
            refused = browser.post(address, headers=CROSS)
            assert (refused.status_code, refused.json()["code"]) == (403, "request-origin-refused")
            assert sessions.get(issued.session.session_id) is not None
            assert browser.post(address).status_code == 200
        assert sessions.list_for_user("ada") == ()
        assert browser.get("/.well-known/jwks.json").json()["keys"]
        assert browser.get("/me").status_code == 401


def issued_cookies(issued: Any) -> dict[str, str]:
    issuing = conf.reading().issuing
    assert issuing is not None
    names = issuing.issuer.cookies
    return {names.session: issued.session_token, names.refresh: issued.refresh_token}


def test_the_addresses_have_names_and_take_their_methods_only() -> None:
    with own_site():
        named = {name: reverse(f"session_claims:{name}") for name in ("refresh", "sign-out",
                                                                      "key-set")}  # fmt: skip
        assert named == {
            "refresh": "/auth/session/refresh",
            "sign-out": "/auth/signout",
            "key-set": "/auth/jwt/jwks.json",
        }
        browser = wsgi()
        assert browser.get(named["refresh"]).status_code == 405
        assert browser.get(named["sign-out"]).status_code == 405
        assert browser.post(named["key-set"]).status_code == 405


@BOTH
def test_a_form_signs_out_and_goes_back_to_a_path_of_this_site(open_browser: Any) -> None:
    with own_site():
        browser = open_browser()
        browser.post("/in")
        page = {**SAME, "sec-fetch-mode": "navigate"}
        reply = browser.post("/auth/signout", {"redirect_url": "/bye"}, headers=page)
        assert (reply.status_code, reply["Location"]) == (303, "/bye")
        reply = browser.post("/auth/signout?redirect_url=//evil.example", headers=page)
        assert (reply.status_code, reply["Location"]) == (303, "/")


@BOTH
def test_middleware_behind_ours_sees_who_has_been_refreshed(open_browser: Any) -> None:
    with own_site(MIDDLEWARE=[*MIDDLEWARE, READER]) as clock:
        browser = open_browser()
        browser.post("/in")
        clock.advance(400)
        assert browser.get("/still")["Seen"] == "ada"
