"""Gates, cross-site policy, refusals and response headers, as tables; no framework, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest

from flask_session_claims import Auth, ConfigurationError, UnavailableError, VerifierSettings
from flask_session_claims.core.auth import NOBODY, signed_out
from flask_session_claims.core.gate import (
    ALLOW,
    ANYBODY,
    SIGNED_IN,
    Decision,
    Requirement,
    decide,
    judge,
    make_requirement,
    must_ask,
    prefers_html,
    sign_in_location,
    wants_page,
)
from flask_session_claims.core.policy import (
    NO_MARKS,
    Marks,
    Plan,
    mark,
    mark_gate,
    marks_of,
    plan_for,
)
from flask_session_claims.core.refusal import challenge, refusal_of
from flask_session_claims.core.request import (
    Exchange,
    RequestFacts,
    is_cross_site,
    response_headers,
    vary_with,
)
from flask_session_claims.core.settings import GateSettings
from flask_session_claims.core.validators import BooleanClaim
from flask_session_claims.io.reading import Reading
from flask_session_claims.io.transports import Wsgi
from flask_session_claims.testing import LocalIssuer, shared_key

HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
DOWN = UnavailableError("the keys cannot be had", retry_after=9)

# --- decide -------------------------------------------------------------------------------

PAGE = RequestFacts(accept=HTML, target="/a?b=1")
API = RequestFacts(accept="application/json")
PREFLIGHT = RequestFacts(method="OPTIONS", preflight_for="PUT")
FDI = RequestFacts(rid="anti-csrf", accept=HTML)
ADA = Auth(
    is_authenticated=True, user_id="user_1", session_id="sess_1", source="cookie", reason=None,
    session_claims={"fea": "o:teams", "pla": "u:pro", "level": 3, "beta": True, "one": 1,
                    "nothing": None},
    org_id="org_1", org_role="org:admin", org_permissions=("org:teams:manage",),
    factor_verification_age=(5, 20),
)  # fmt: skip
ACTED = Auth(is_authenticated=True, user_id="user_1", actor={"sub": "user_9"}, reason=None)
LONELY = Auth(is_authenticated=True, user_id="user_2", reason=None, source="header")
EXPIRED = signed_out("token-expired", source="cookie")
FORGED = signed_out("token-invalid-signature", source="header")
PENDING = signed_out("session-pending", source="cookie", session_status="pending")
REFUSED = signed_out("request-origin-refused", source="cookie")
REVOKED = signed_out("session-revoked", source="cookie")
NO_URL = GateSettings()
URL = GateSettings(sign_in_url="/sign-in")
BACK = "/sign-in?redirect_url=%2Fa%3Fb%3D1"
need = make_requirement
NO_ACTOR = need(allow_actor=False)
MAIL_TRUE = BooleanClaim("mail", lambda user_id, session: None).is_true()


async def async_choice(usual: Any) -> Any:
    """Nothing can wait for it."""


MISSING, EXPIRED_CODE, INVALID = (
    "session-token-missing", "session-token-expired", "session-token-invalid",
)  # fmt: skip
DENIED = Decision("forbid", "permission-denied", credential_sent=True)


def refused(code: str, sent: bool) -> Decision:
    return Decision("challenge", code, credential_sent=sent)


def sent_away(code: str) -> Decision:
    return Decision("redirect", code, BACK)


Row = tuple[RequestFacts, Auth | UnavailableError, Requirement, GateSettings, Decision]
DECISIONS: list[Row] = [
    # signed in is enough
    (API, ADA, SIGNED_IN, NO_URL, ALLOW),
    (PAGE, ADA, SIGNED_IN, URL, ALLOW),
    (API, LONELY, SIGNED_IN, NO_URL, ALLOW),
    (API, ACTED, SIGNED_IN, NO_URL, ALLOW),
    (PREFLIGHT, ADA, SIGNED_IN, NO_URL, ALLOW),
    # nobody signed in: 401, and what the client may know of why
    (API, NOBODY, SIGNED_IN, NO_URL, refused(MISSING, False)),
    (API, EXPIRED, SIGNED_IN, NO_URL, refused(EXPIRED_CODE, True)),
    (API, FORGED, SIGNED_IN, NO_URL, refused(INVALID, True)),
    (API, REVOKED, SIGNED_IN, NO_URL, refused(INVALID, True)),
    (API, NOBODY, need(role="admin"), NO_URL, refused(MISSING, False)),
    (API, FORGED, need(predicate=lambda auth: True), NO_URL, refused(INVALID, True)),
    # a page goes to sign in, where there is an address for it
    (PAGE, NOBODY, SIGNED_IN, NO_URL, refused(MISSING, False)),
    (PAGE, NOBODY, SIGNED_IN, URL, sent_away(MISSING)),
    (PAGE, EXPIRED, SIGNED_IN, URL, sent_away(EXPIRED_CODE)),
    (PAGE, FORGED, need(role="admin"), URL, sent_away(INVALID)),
    (PAGE._replace(method="HEAD"), NOBODY, SIGNED_IN, URL, sent_away(MISSING)),
    (PAGE._replace(method="POST"), NOBODY, SIGNED_IN, URL, refused(MISSING, False)),
    (PAGE._replace(scheme="wss"), NOBODY, SIGNED_IN, URL, refused(MISSING, False)),
    (API, NOBODY, SIGNED_IN, URL, refused(MISSING, False)),
    (RequestFacts(), NOBODY, SIGNED_IN, URL, refused(MISSING, False)),
    # FDI clients refresh on 401, and never follow to a page
    (FDI, NOBODY, SIGNED_IN, URL, refused(MISSING, False)),
    (FDI, EXPIRED, SIGNED_IN, URL, refused(EXPIRED_CODE, True)),
    (FDI, EXPIRED, ANYBODY, NO_URL, refused(EXPIRED_CODE, True)),
    (RequestFacts(st_auth_mode="header"), EXPIRED, ANYBODY, NO_URL, refused(EXPIRED_CODE, True)),
    (FDI, NOBODY, ANYBODY, NO_URL, ALLOW),
    (FDI, FORGED, ANYBODY, NO_URL, ALLOW),
    (FDI, REVOKED, ANYBODY, NO_URL, ALLOW),
    (FDI, ADA, ANYBODY, NO_URL, ALLOW),
    # anybody
    (API, NOBODY, ANYBODY, NO_URL, ALLOW),
    (PAGE, EXPIRED, ANYBODY, URL, ALLOW),
    (API, PENDING, ANYBODY, NO_URL, ALLOW),
    (PREFLIGHT, NOBODY, ANYBODY, NO_URL, ALLOW),
    (API, DOWN, ANYBODY, NO_URL, ALLOW),
    (API, ACTED, ANYBODY, NO_URL, ALLOW),
    # a valid session that may not: 403 for pages too, since a new token cures nothing
    (API, PENDING, SIGNED_IN, NO_URL, Decision("forbid", "session-pending", credential_sent=True)),
    (PAGE, PENDING, SIGNED_IN, URL, Decision("forbid", "session-pending", credential_sent=True)),
    (FDI, PENDING, SIGNED_IN, URL, Decision("forbid", "session-pending", credential_sent=True)),
    (API, REFUSED, SIGNED_IN, URL,
     Decision("forbid", "request-origin-refused", credential_sent=True)),
    (PAGE, LONELY, need(role="admin"), URL, DENIED),
    (API, ACTED, NO_ACTOR, NO_URL, Decision("forbid", "actor-refused", credential_sent=True)),
    (API, ADA, NO_ACTOR, NO_URL, ALLOW),
    # preflights carry no credentials
    (PREFLIGHT, NOBODY, SIGNED_IN, NO_URL, Decision("preflight")),
    (PREFLIGHT, NOBODY, need(role="admin"), URL, Decision("preflight")),
    (PREFLIGHT, FORGED, SIGNED_IN, NO_URL, Decision("preflight")),
    (PREFLIGHT, DOWN, SIGNED_IN, NO_URL, Decision("preflight")),
    (PREFLIGHT._replace(preflight_for=None), NOBODY, SIGNED_IN, NO_URL, refused(MISSING, False)),
    (PREFLIGHT._replace(method="POST"), NOBODY, SIGNED_IN, NO_URL, refused(MISSING, False)),
    # what cannot be told
    (API, DOWN, SIGNED_IN, NO_URL, Decision("unavailable", "unavailable", retry_after=9)),
    (PAGE, DOWN, SIGNED_IN, URL, Decision("unavailable", "unavailable", retry_after=9)),
    (FDI, DOWN, need(role="admin"), URL, Decision("unavailable", "unavailable", retry_after=9)),
    # what is asked for besides
    (API, ADA, need(role="admin"), NO_URL, ALLOW),
    (API, ADA, need(role="org:admin"), NO_URL, ALLOW),
    (API, ADA, need(role="member"), NO_URL, DENIED),
    (API, ADA, need(permission="org:teams:manage"), NO_URL, ALLOW),
    (API, ADA, need(permission="org:teams:read"), NO_URL, DENIED),
    (API, ADA, need(feature="teams"), NO_URL, ALLOW),
    (API, ADA, need(feature="user:teams"), NO_URL, DENIED),
    (API, ADA, need(plan="pro"), NO_URL, ALLOW),
    (API, ADA, need(plan="org:pro"), NO_URL, DENIED),
    (API, ADA, need(role="admin", plan="pro", feature="teams"), NO_URL, ALLOW),
    (API, ADA, need(role="admin", plan="free"), NO_URL, DENIED),
    (API, LONELY, need(permission="org:teams:manage"), NO_URL, DENIED),
    (API, ADA, need(reverification="lax"), NO_URL, ALLOW),
    (API, ADA, need(reverification="strict_mfa"), NO_URL,
     Decision("forbid", "reverification-required", credential_sent=True,
              reverification="strict_mfa")),
    (API, LONELY, need(reverification="lax"), NO_URL,
     Decision("forbid", "reverification-required", credential_sent=True, reverification="lax")),
    (API, ADA, need(role="member", reverification="strict_mfa"), NO_URL, DENIED),
    (API, ADA, need(claims={"level": 3}), NO_URL, ALLOW),
    (API, ADA, need(claims={"level": 3, "beta": True}), NO_URL, ALLOW),
    (API, ADA, need(claims={"level": 3, "beta": False}), NO_URL, DENIED),
    (API, ADA, need(claims={"level": {1, 3}}), NO_URL, ALLOW),
    (API, ADA, need(claims={"level": frozenset({1, 2})}), NO_URL, DENIED),
    (API, ADA, need(claims={"level": set()}), NO_URL, DENIED),
    (API, ADA, need(claims={"level": "3"}), NO_URL, DENIED),
    (API, ADA, need(claims={"beta": 1}), NO_URL, DENIED),
    (API, ADA, need(claims={"one": True}), NO_URL, DENIED),
    (API, ADA, need(claims={"one": {True, 5}}), NO_URL, DENIED),
    (API, ADA, need(claims={"absent": None}), NO_URL, DENIED),
    (API, ADA, need(claims={"nothing": None}), NO_URL, ALLOW),
    (API, ADA, need(predicate=lambda auth: auth.user_id == "user_1"), NO_URL, ALLOW),
    (API, ADA, need(predicate=lambda auth: False), NO_URL, DENIED),
    (API, ADA, need(predicate=lambda auth: "yes"), NO_URL, DENIED),  # type: ignore[arg-type,return-value]
    (API, ADA, need(predicate=lambda auth: 1), NO_URL, DENIED),  # type: ignore[arg-type,return-value]
    (API, ACTED, need(allow_actor=False, role="admin"), NO_URL,
     Decision("forbid", "actor-refused", credential_sent=True)),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "auth", "requirement", "settings", "expected"), DECISIONS)
def test_decide(facts, auth, requirement, settings, expected) -> None:
    assert decide(facts, auth, requirement, settings) == expected


@pytest.mark.parametrize(("facts", "auth", "requirement", "settings", "expected"), DECISIONS)
def test_what_is_decided_can_be_said(facts, auth, requirement, settings, expected) -> None:
    if expected == ALLOW:
        return
    statuses = {"challenge": 401, "forbid": 403, "preflight": 204, "redirect": 302,
                "unavailable": 503}  # fmt: skip
    refusal = refusal_of(decide(facts, auth, requirement, settings), facts)
    headers = dict(refusal.headers)
    assert refusal.status == statuses[expected.act]
    assert headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in headers) is (
        refusal.status == 401 or refusal.code in ("permission-denied", "reverification-required")
    )
    assert ("Retry-After" in headers) is (refusal.status == 503)
    assert ("Location" in headers) is (refusal.status == 302)
    assert bool(refusal.body) is (refusal.status != 204)


def test_a_predicates_own_error_is_not_swallowed() -> None:
    def broken(auth: Auth) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide(API, ADA, need(predicate=broken), NO_URL)


@pytest.mark.parametrize(
    ("mistake", "named"),
    [
        ({"role": ""}, "role"),
        ({"role": 3}, "role"),
        ({"role": ["admin"]}, "role"),
        ({"permission": ""}, "permission"),
        ({"permission": b"org:a:b"}, "permission"),
        ({"feature": ""}, "feature"),
        ({"feature": True}, "feature"),
        ({"plan": 0}, "plan"),
        ({"plan": {"pro"}}, "plan"),
        ({"reverification": "weekly"}, "reverification"),
        ({"reverification": ""}, "reverification"),
        ({"reverification": True}, "reverification"),
        ({"reverification": 10}, "reverification"),
        ({"reverification": {}}, "reverification"),
        ({"reverification": {"level": "second_factor"}}, "reverification"),
        ({"reverification": {"level": "third_factor", "after_minutes": 1}}, "reverification"),
        ({"reverification": {"level": "first_factor", "after_minutes": 0}}, "reverification"),
        ({"reverification": {"level": "first_factor", "after_minutes": True}}, "reverification"),
        ({"reverification": {"level": "first_factor", "after_minutes": "9"}}, "reverification"),
        ({"claims": {}}, "claims"),
        ({"claims": [("level", 3)]}, "claims"),
        ({"claims": "level"}, "claims"),
        ({"validators": []}, "validators"),
        ({"validators": ()}, "validators"),
        ({"validators": "mail"}, "validators"),
        ({"validators": ["mail"]}, "validators"),
        ({"validators": MAIL_TRUE}, "validators"),
        ({"validators": async_choice}, "validators"),
        ({"predicate": "admin"}, "predicate"),
        ({"predicate": True}, "predicate"),
    ],
)
def test_a_requirement_that_makes_no_sense_is_a_mistake(mistake: Any, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_requirement(**mistake)
    assert caught.value.message.startswith(named)


def test_a_list_of_validators_is_kept_as_it_was() -> None:
    given = [MAIL_TRUE]
    requirement = make_requirement(validators=given)
    given.clear()
    assert requirement.validators == (MAIL_TRUE,)


def test_no_requirement_is_being_signed_in() -> None:
    assert make_requirement() == SIGNED_IN
    assert make_requirement(live=True) == replace(SIGNED_IN, live=True) != SIGNED_IN
    assert not SIGNED_IN.asks_has


# --- cross-site ---------------------------------------------------------------------------

OURS = ("https://app.example", "https://app.example:8443")
APP = "https://app.example"
EVIL = "https://evil.example"

#: (facts, origins, is it cross-site)
SITES: list[tuple[dict[str, Any], tuple[str, ...] | None, bool]] = [
    # safe methods change nothing
    ({"method": "GET"}, OURS, False),
    ({"method": "HEAD"}, None, False),
    ({"method": "OPTIONS"}, OURS, False),
    ({"method": "TRACE"}, OURS, False),
    ({"method": "GET", "sec_fetch_site": "cross-site", "origin": EVIL}, OURS, False),
    ({"method": "get"}, OURS, True),  # methods are case-sensitive, so this is none of them
    # nothing says where it comes from
    ({}, OURS, True),
    ({}, None, True),
    ({"method": "PUT"}, OURS, True),
    ({"method": "PATCH"}, OURS, True),
    ({"method": "DELETE"}, OURS, True),
    ({"method": "PROPFIND"}, OURS, True),
    # Fetch Metadata
    ({"sec_fetch_site": "same-origin"}, OURS, False),
    ({"sec_fetch_site": "same-origin"}, None, False),
    ({"sec_fetch_site": "same-origin", "method": "DELETE"}, (), False),
    ({"sec_fetch_site": "none"}, OURS, False),
    ({"sec_fetch_site": "none", "sec_fetch_mode": "navigate"}, OURS, False),
    ({"sec_fetch_site": "none", "sec_fetch_mode": "cors"}, OURS, True),
    ({"sec_fetch_site": "none", "sec_fetch_mode": "no-cors"}, OURS, True),
    ({"sec_fetch_site": "cross-site"}, OURS, True),
    ({"sec_fetch_site": "cross-site", "origin": EVIL}, OURS, True),
    ({"sec_fetch_site": "cross-site", "origin": APP}, OURS, False),
    ({"sec_fetch_site": "cross-site", "origin": APP}, None, True),
    ({"sec_fetch_site": "same-site"}, OURS, True),
    ({"sec_fetch_site": "same-site", "origin": "https://blog.app.example"}, OURS, True),
    ({"sec_fetch_site": "same-site", "origin": APP}, OURS, False),
    ({"sec_fetch_site": "same-site", "referer": f"{APP}/page"}, OURS, True),
    ({"sec_fetch_site": "cross-site", "referer": f"{APP}/page"}, OURS, True),
    ({"sec_fetch_site": ""}, OURS, True),
    ({"sec_fetch_site": "SAME-ORIGIN"}, OURS, True),
    ({"sec_fetch_site": "same-origin, cross-site"}, OURS, True),
    ({"sec_fetch_site": "unheard-of", "origin": APP}, OURS, True),
    # Origin, for browsers without it
    ({"origin": APP}, OURS, False),
    ({"origin": f"{APP}:8443"}, OURS, False),
    ({"origin": APP}, None, True),
    ({"origin": APP}, (), True),
    ({"origin": EVIL}, OURS, True),
    ({"origin": "null"}, OURS, True),
    ({"origin": ""}, OURS, True),
    ({"origin": "http://app.example"}, OURS, True),
    ({"origin": f"{APP}:444"}, OURS, True),
    ({"origin": f"{APP}.evil.example"}, OURS, True),
    ({"origin": "https://notapp.example"}, OURS, True),
    ({"origin": f"{APP}/"}, OURS, True),
    ({"origin": f"{APP}, {APP}"}, OURS, True),
    ({"origin": EVIL, "referer": f"{APP}/page"}, OURS, True),
    ({"origin": "null", "referer": f"{APP}/page"}, OURS, True),
    # Referer, where there is nothing else
    ({"referer": f"{APP}/page?a=1"}, OURS, False),
    ({"referer": APP}, OURS, False),
    ({"referer": f"{APP}:8443/"}, OURS, False),
    ({"referer": f"{APP}/page"}, None, True),
    ({"referer": f"{EVIL}/?{APP}/"}, OURS, True),
    ({"referer": f"{EVIL}/#{APP}"}, OURS, True),
    ({"referer": f"{APP}.evil.example/"}, OURS, True),
    ({"referer": f"{APP}@evil.example/"}, OURS, True),
    ({"referer": f"{APP}:pw@evil.example/"}, OURS, True),
    ({"referer": "http://app.example/page"}, OURS, True),
    ({"referer": "/page"}, OURS, True),
    ({"referer": "//app.example/page"}, OURS, True),
    ({"referer": ""}, OURS, True),
    ({"referer": "about:blank"}, OURS, True),
    ({"referer": "https://[::1"}, OURS, True),
    ({"referer": "https://app.example:port/"}, OURS, True),
    # WebSockets have the Origin only, whatever their method
    ({"scheme": "wss", "method": "GET", "origin": APP}, OURS, False),
    ({"scheme": "ws", "method": "GET", "origin": APP}, OURS, False),
    ({"scheme": "wss", "method": "GET", "origin": EVIL}, OURS, True),
    ({"scheme": "wss", "method": "GET"}, OURS, True),
    ({"scheme": "wss", "method": "GET", "origin": APP}, None, True),
    ({"scheme": "wss", "method": "GET", "sec_fetch_site": "same-origin"}, OURS, True),
    ({"scheme": "wss", "method": "GET", "referer": f"{APP}/page"}, OURS, True),
]


@pytest.mark.parametrize(("members", "origins", "expected"), SITES)
def test_is_cross_site(members: dict[str, Any], origins: Any, expected: bool) -> None:
    facts = RequestFacts(**{"method": "POST", **members})
    assert is_cross_site(facts, origins) is expected


# --- negotiation --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (HTML, True),
        ("text/html", True),
        ("TEXT/HTML", True),
        ("text/html;charset=utf-8", True),
        ("text/html, application/json", True),
        ("application/json, text/html", True),
        ("application/json;q=0.9, text/html;q=0.9", True),
        ("application/json;q=0.8, text/html;q=0.9", True),
        (" text/html ; q=0.5 ", True),
        ("application/json, text/html;q=0.9", False),
        ("text/html;q=0", False),
        ("text/html;q=0.0, application/json;q=0", False),
        ("text/html;q=abc", False),
        ("text/html;q=", False),
        ("text/html;q=nan", False),
        ("text/html;q=-1", False),
        ("application/json", False),
        ("*/*", False),
        ("text/*", False),
        ("text/plain", False),
        ("xtext/html", False),
        ("", False),
        (",;,;q=1", False),
        (None, False),
    ],
)
def test_prefers_html(accept: str | None, expected: bool) -> None:
    assert prefers_html(accept) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"method": "HEAD"}, True),
        ({"method": "POST"}, False),
        ({"method": "OPTIONS"}, False),
        ({"scheme": "wss"}, False),
        ({"rid": "x"}, False),
        ({"st_auth_mode": "cookie"}, False),
        ({"sec_fetch_mode": "navigate"}, True),
        ({"sec_fetch_mode": "navigate", "accept": "*/*"}, True),
        ({"sec_fetch_mode": "navigate", "method": "POST"}, False),
        ({"sec_fetch_mode": "cors"}, False),
        ({"sec_fetch_mode": "no-cors"}, False),
        ({"sec_fetch_mode": "websocket"}, False),
        ({"requested_with": "XMLHttpRequest"}, False),
        ({"requested_with": "xmlhttprequest"}, False),
        ({"requested_with": "com.example.browser"}, True),
        ({"accept": None}, False),
        ({"accept": "application/json"}, False),
    ],
)
def test_wants_page(changes: dict[str, Any], expected: bool) -> None:
    assert wants_page(RequestFacts(accept=HTML)._replace(**changes)) is expected


# --- the way back -------------------------------------------------------------------------


def browser_goes_to(link: str) -> str:
    """Scheme and host that a browser on our page would go to (URL standard, basic parser)."""
    link = link.strip("".join(map(chr, range(0x21))))
    link = link.translate({ord(c): None for c in "\t\r\n"}).replace("\\", "/")
    if link.startswith("//"):  # of slashes more than two are two
        link = "//" + link.lstrip("/")
    parts = urlsplit(urljoin("https://app.example/sign-in", link))
    return f"{parts.scheme}://{parts.netloc}"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "///evil.example", "////evil.example", "/\\evil.example",
        "\\/evil.example", "\\\\evil.example", "/\\/evil.example", "https:evil.example",
        "https:/evil.example", "https://evil.example", "HTTPS://EVIL.EXAMPLE", "http:evil.example",
        "javascript:alert(1)", "data:text/html,x", "evil.example", "@evil.example",
        "?//evil.example", "#//evil.example", "", "*", "evil.example:443", " //evil.example",
        "\t//evil.example", "\x00//evil.example", "\n/\\evil.example", "https:\\\\evil.example",
        "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "/\t\\evil.example",
        "/\r\n/evil.example", "/\n\\\\evil.example",
        "/@evil.example", "/.//evil.example", "/%2Fevil.example", "/%5Cevil.example",
        "/;//evil.example", "/?//evil.example", "/a//evil.example", "/:80//evil.example",
    ],
)  # fmt: skip
def test_the_way_back_is_always_within_this_site(target: str) -> None:
    location = sign_in_location("/sign-in", "redirect_url", target)
    parts = urlsplit(location)
    assert (parts.scheme, parts.netloc, parts.path) == ("", "", "/sign-in")
    assert location.isascii()
    assert location.isprintable()
    ((name, values),) = parse_qs(parts.query, strict_parsing=True).items()
    (back,) = values
    assert name == "redirect_url"
    assert back.startswith("/")
    assert browser_goes_to(back) == "https://app.example"


@pytest.mark.parametrize(
    "target",
    ["/", "/a", "/a/b?c=d&e=f", "/a?next=//evil.example", "/a%20b?c=%26", "/caf\xe9", "/a?b=c#d"],
)
def test_a_path_of_this_site_comes_back_as_it_was(target: str) -> None:
    query = urlsplit(sign_in_location("/sign-in", "redirect_url", target)).query
    assert parse_qs(query) == {"redirect_url": [target]}


@pytest.mark.parametrize(
    ("url", "parameter", "expected"),
    [
        ("/sign-in", "next", "/sign-in?next=%2Fa"),
        ("/sign-in?x=1", "next", "/sign-in?x=1&next=%2Fa"),
        ("/sign-in#top", "next", "/sign-in?next=%2Fa#top"),
        ("/sign-in?x=1#top", "next", "/sign-in?x=1&next=%2Fa#top"),
        ("https://accounts.example/in", "to url", "https://accounts.example/in?to%20url=%2Fa"),
        ("/sign-in#/?x", "next", "/sign-in?next=%2Fa#/?x"),
    ],
)
def test_the_sign_in_address_keeps_what_it_has(url: str, parameter: str, expected: str) -> None:
    assert sign_in_location(url, parameter, "/a") == expected


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sent", "expected"),
    [
        (MISSING, False, "Bearer"),
        (INVALID, False, "Bearer"),
        (INVALID, True, f'Bearer error="invalid_token", error_description="{INVALID}"'),
        (EXPIRED_CODE, True, f'Bearer error="invalid_token", error_description="{EXPIRED_CODE}"'),
    ],
)
def test_challenges_are_those_of_rfc_6750(code: str, sent: bool, expected: str) -> None:
    assert challenge(code, sent) == expected
    headers = dict(refusal_of(refused(code, sent), API).headers)
    assert headers["WWW-Authenticate"] == expected


def test_a_program_gets_json() -> None:
    refusal = refusal_of(refused(EXPIRED_CODE, True), API)
    assert refusal.status == 401
    assert dict(refusal.headers)["Content-Type"] == "application/json"
    assert json.loads(refusal.body) == {"code": EXPIRED_CODE, "message": refusal.message}
    assert "expired" in refusal.message


def test_a_browser_gets_a_page() -> None:
    refusal = refusal_of(DENIED, PAGE)
    assert refusal.status == 403
    assert dict(refusal.headers)["Content-Type"] == "text/html; charset=utf-8"
    assert refusal.body.startswith(b"<!doctype html>")
    assert refusal.message.encode() in refusal.body


def test_too_little_scope_is_said_in_the_header() -> None:
    headers = dict(refusal_of(DENIED, API).headers)
    assert headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
    pending = refusal_of(Decision("forbid", "session-pending"), API)
    assert "WWW-Authenticate" not in dict(pending.headers)
    assert json.loads(pending.body)["code"] == "session-pending"


def test_unavailable_says_when_to_come_back() -> None:
    refusal = refusal_of(Decision("unavailable", "unavailable", retry_after=9), API)
    assert (refusal.status, dict(refusal.headers)["Retry-After"]) == (503, "9")
    assert json.loads(refusal.body)["code"] == "unavailable"
    named = refusal_of(Decision("unavailable", "store-down"), API)
    assert json.loads(named.body) == {"code": "store-down", "message": refusal.message}


def test_a_redirect_and_a_preflight() -> None:
    redirect = refusal_of(sent_away(MISSING), PAGE)
    assert (redirect.status, dict(redirect.headers)["Location"]) == (302, BACK)
    preflight = refusal_of(Decision("preflight"), PREFLIGHT)
    assert preflight[:3] == (204, (("Cache-Control", "no-store"),), b"")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("strict_mfa", "strict_mfa"),
        ({"level": "second_factor", "after_minutes": 10},
         {"level": "second_factor", "afterMinutes": 10}),
        ({"level": "first_factor", "afterMinutes": 5},
         {"level": "first_factor", "afterMinutes": 5}),
    ],
)  # fmt: skip
def test_reverification_is_asked_for_as_clerks_hooks_expect(rule: Any, expected: Any) -> None:
    decision = decide(API, LONELY, need(reverification=rule), NO_URL)
    refusal = refusal_of(decision, API)
    assert refusal.status == 403
    assert json.loads(refusal.body) == {
        "code": "reverification-required",
        "message": refusal.message,
        "clerk_error": {
            "type": "forbidden",
            "reason": "reverification-error",
            "metadata": {"reverification": expected},
        },
    }


# --- policy -------------------------------------------------------------------------------

ADMIN = need(role="admin")


def view() -> Any:
    def plain() -> None: ...

    return plain


def gated(inner: Any, requirement: Requirement) -> Any:
    def wrapper() -> None: ...

    wrapper.__wrapped__ = inner  # type: ignore[attr-defined]
    mark_gate(inner, wrapper, requirement)
    return wrapper


def public() -> Any:
    marked = view()
    mark(marked, Marks(public=True))
    return marked


def copied() -> Any:
    """What another decorator makes of a gated view: the marks are copied, nobody enforces."""

    def other() -> None: ...

    vars(other).update(vars(gated(view(), ADMIN)))
    return other


LOOK, LOOK_AWAY = Plan(True, (), (ANYBODY,)), Plan(False, (), ())
REQUIRE, AS_GATED = Plan(True, (SIGNED_IN,), (SIGNED_IN,)), Plan(True, (), ())


def bypassed() -> Any:
    """A view that was registered without the gate that was put on it."""
    inner = view()
    gated(inner, ADMIN)
    return inner


PLANS = [
    (view, "optional", LOOK), (view, "public", LOOK_AWAY), (view, "required", REQUIRE),
    (public, "optional", LOOK), (public, "public", LOOK_AWAY), (public, "required", LOOK),
    (lambda: gated(view(), ADMIN), "optional", AS_GATED),
    (lambda: gated(view(), ADMIN), "public", AS_GATED),
    (lambda: gated(view(), ADMIN), "required", REQUIRE),
    (copied, "required", REQUIRE), (copied, "optional", AS_GATED),
    *((bypassed, policy, Plan(True, (ADMIN,), (ADMIN,)))
      for policy in ("optional", "public", "required")),
]  # fmt: skip


@pytest.mark.parametrize(("make", "policy", "expected"), PLANS)
def test_plan_for(make: Any, policy: str, expected: Plan) -> None:
    assert plan_for(make(), GateSettings(default_policy=policy)) == expected


def test_gates_on_gates_are_all_noted() -> None:
    inner = view()
    middle = gated(inner, SIGNED_IN)
    outer = gated(middle, ADMIN)
    assert marks_of(outer).enforced == (SIGNED_IN, ADMIN)
    assert marks_of(outer).pending == ()
    assert marks_of(middle).pending == (ADMIN,)
    assert marks_of(inner).pending == (SIGNED_IN, ADMIN)


def test_another_decorators_view_is_not_looked_through() -> None:
    inner = view()

    def other() -> None: ...

    other.__wrapped__ = inner  # type: ignore[attr-defined]
    gated(other, ADMIN)
    assert marks_of(other).pending == (ADMIN,)
    assert marks_of(inner) == NO_MARKS


def test_a_view_that_takes_no_marks_is_guarded_by_its_wrapper() -> None:
    wrapper = gated(len, ADMIN)
    assert marks_of(wrapper).enforced == (ADMIN,)
    assert marks_of(len) == NO_MARKS


def test_what_is_no_mark_counts_for_nothing() -> None:
    odd = view()
    odd.__session_claims__ = (ADMIN,)
    assert marks_of(odd) == NO_MARKS


# --- responses ----------------------------------------------------------------------------

BOTH = "Authorization, Cookie"
PRIVATE = ("Cache-Control", "private")


class Down:
    """A network that is not there."""

    def begin(self, request: object) -> Any:
        raise UnavailableError("no network here")


def exchange_for(who: str, **changes: Any) -> Exchange:
    issuer = LocalIssuer(key=shared_key("ES256"))
    keys: Mapping[str, Any] = {} if who == "unknown" else {"jwks": issuer.jwks()}
    settings = VerifierSettings(issuer=issuer.issuer, **keys, **changes)
    side = Reading(NO_URL, settings, Wsgi(), fetch=Down(), rejected=lambda reason, source: None)
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "PATH_INFO": "/"}
    if who != "nobody":
        token = issuer.mint(lifetime=-100 if who == "expired" else 60)
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return Exchange(environ, side)


def test_claims_required_without_a_call_says_that_it_is_to_be_called() -> None:
    with pytest.raises(ConfigurationError, match=r"write @claims_required\(role=…\)"):
        must_ask(make_requirement(role="admin"), lambda: None)


def respond(exchange: Exchange, vary: str | None = None, cache_control: str | None = None) -> Any:
    replace, add = response_headers(exchange, vary, cache_control)
    return replace, list(add)


@pytest.mark.parametrize(
    ("who", "vary", "cache_control", "expected"),
    [
        ("user", None, None, [("Vary", BOTH), PRIVATE]),
        ("user", "", "", [("Vary", BOTH), PRIVATE]),
        ("user", None, "max-age=60", [("Vary", BOTH)]),
        ("user", None, "no-store", [("Vary", BOTH)]),
        ("user", "Accept-Encoding", None, [("Vary", f"Accept-Encoding, {BOTH}"), PRIVATE]),
        ("user", "Cookie", None, [("Vary", "Cookie, Authorization"), PRIVATE]),
        ("user", "cookie,AUTHORIZATION", None, [PRIVATE]),
        ("user", "*", None, [PRIVATE]),
        ("user", "Accept, *", "public", []),
        ("nobody", None, None, [("Vary", BOTH)]),
        ("nobody", "Accept", None, [("Vary", f"Accept, {BOTH}")]),
        ("nobody", "*", None, []),
        ("expired", None, None, [("Vary", BOTH)]),
        ("unknown", None, None, [("Vary", BOTH)]),
    ],
)
def test_what_a_response_says_once_auth_was_read(who, vary, cache_control, expected) -> None:
    exchange = exchange_for(who)
    judge(exchange, ANYBODY)
    assert respond(exchange, vary, cache_control) == (expected, [])


@pytest.mark.parametrize("who", ["user", "nobody", "expired", "unknown"])
def test_a_response_that_does_not_depend_on_auth_stays_cacheable(who: str) -> None:
    exchange = exchange_for(who)
    assert respond(exchange) == ([], [])
    exchange.outcome()  # found out, but nobody read it
    assert respond(exchange, "Accept", "public") == ([], [])


def test_reading_counts_also_where_it_fails() -> None:
    exchange = exchange_for("unknown")
    with pytest.raises(UnavailableError):
        exchange.read()
    assert respond(exchange) == ([("Vary", BOTH)], [])


def test_under_public_readers_see_nobody_and_a_gate_looks() -> None:
    exchange = exchange_for("user")
    exchange.looks_away = True
    assert exchange.read() is NOBODY
    assert respond(exchange) == ([], [])
    assert judge(exchange, SIGNED_IN) is ALLOW
    assert exchange.read().is_authenticated
    assert respond(exchange) == ([("Vary", BOTH), PRIVATE], [])


@pytest.mark.parametrize(
    ("who", "act"), [("nobody", "challenge"), ("expired", "challenge"), ("unknown", "unavailable")]
)
def test_a_gates_judgement_counts_as_read(who: str, act: str) -> None:
    exchange = exchange_for(who)
    assert judge(exchange, SIGNED_IN).act == act
    assert respond(exchange) == ([("Vary", BOTH)], [])


def test_effects_are_applied_also_where_nothing_was_read() -> None:
    exchange = exchange_for("user")
    exchange.queue().cookies["a"] = "a=0"
    exchange.queue().cookies["b"] = "b=2"
    exchange.queue().cookies["a"] = "a=1"  # instead of the one before
    cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    assert respond(exchange) == ([], cookies)
    exchange.queue().no_store = True
    assert respond(exchange, None, "public") == ([("Cache-Control", "no-store")], cookies)


@pytest.mark.parametrize("cache_control", [None, "max-age=60"])
def test_no_store_wins_over_whatever_else_is_said(cache_control: str | None) -> None:
    exchange = exchange_for("user")
    exchange.read()
    exchange.queue().no_store = True
    replace, added = respond(exchange, None, cache_control)
    assert dict(replace) == {"Vary": BOTH, "Cache-Control": "no-store"}  # set in this order
    assert added == []


@pytest.mark.parametrize(
    ("sources", "vary", "expected"),
    [
        (("header", "cookie"), "Accept", f"Accept, {BOTH}"),
        (("header", "cookie"), "accept , COOKIE", "accept , COOKIE, Authorization"),
        (("header", "cookie"), "Cookie, Authorization", None),
        (("header", "cookie"), "*", None),
        (("header", "cookie"), "X-Cookie", f"X-Cookie, {BOTH}"),
        (("header",), "Accept", "Accept, Authorization"),
        (("header",), "authorization", None),
        (("cookie",), "Accept", "Accept, Cookie"),
        (("cookie",), "Authorization", "Authorization, Cookie"),
    ],
)
def test_vary_with(sources: tuple[str, ...], vary: str, expected: str | None) -> None:
    issuer = LocalIssuer(key=shared_key("ES256"))
    settings = VerifierSettings(issuer=issuer.issuer, jwks=issuer.jwks(), token_sources=sources)
    assert vary_with(vary, settings) == expected
