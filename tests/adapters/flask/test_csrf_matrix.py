"""When a cookie may speak for a request (CSRF): every combination, against a table of rules.

The table says what facts of cross-site policy ask for, one rule a row; the first that fits
decides. It knows nothing of how the policy is written in the core.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import product
from typing import Any, NamedTuple

import pytest
from flask import Flask, g
from werkzeug.test import EnvironBuilder

from flask_session_claims import login_required, token_rejected

from ..flask_site import APP, make_app

EVIL = "https://evil.example"

METHODS = {"safe": ("GET", "TRACE"), "unsafe": ("POST", "DELETE", "BREW")}
SITES = {
    "absent": (None,),
    "same-origin": ("same-origin",),
    "elsewhere": ("same-site", "cross-site"),
    "none": ("none",),
    "unknown": ("", "Same-Origin"),
}
MODES = {"navigation": (None, "navigate"), "script": ("cors",)}
ORIGINS = {
    "absent": (None,),
    "listed": (APP,),
    "foreign": (EVIL, "null", f"{APP}:8443", "http://app.example", f"{APP}.evil.example"),
}
REFERERS = {
    "absent": (None,),
    "listed": (f"{APP}/page?x=1", APP),
    "foreign": (f"{EVIL}/?{APP}/", f"{APP}@evil.example/", "https://["),
}
ANY = None


class Rule(NamedTuple):
    passes: bool
    credential: str | None = ANY
    method: str | None = ANY
    site: str | None = ANY
    mode: str | None = ANY
    origin: str | None = ANY
    referer: str | None = ANY
    configured: bool | None = ANY

    def fits(self, case: Case) -> bool:
        return all(mine in (ANY, its) for mine, its in zip(self[1:], case.kinds, strict=True))


# Sources: OWASP CSRF cheat sheet (Fetch Metadata; verifying origin by standard headers),
# ASVS 3.5.1 and 4.1.3, RFC 9110 §9.2.1 for what is safe.
RULES = [
    Rule(True, credential="bearer"),  # no browser adds it on its own
    Rule(True, method="safe"),  # changes nothing
    Rule(True, site="same-origin"),
    Rule(True, site="none", mode="navigation"),  # typed, bookmarked
    Rule(False, site="none"),  # no script runs without a page
    Rule(False, site="unknown"),  # no browser sends it
    Rule(True, origin="listed", configured=True),
    Rule(False, origin="listed", configured=False),  # whose site this is, is not known
    Rule(False, origin="foreign"),  # also where Referer says otherwise
    Rule(False, site="elsewhere"),  # Referer is for browsers without Fetch Metadata
    Rule(True, referer="listed", configured=True),
    Rule(False),
]


class Case(NamedTuple):
    """A request: its fields, and of what kind each is."""

    fields: tuple[str | None, ...]
    kinds: tuple[Any, ...]


def cases(configured: bool) -> Iterable[Case]:
    choices = [{"cookie": ("cookie",), "bearer": ("bearer",)}, METHODS, SITES, MODES, ORIGINS,
               REFERERS]  # fmt: skip
    named = [[(kind, value) for kind in group for value in group[kind]] for group in choices]
    for chosen in product(*named):
        kinds, values = zip(*chosen, strict=True)
        yield Case(values[1:], (*kinds, configured))


NAMES = ("HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_MODE", "HTTP_ORIGIN", "HTTP_REFERER")


def environ_of(base: dict[str, Any], case: Case) -> dict[str, Any]:
    method, *marks = case.fields
    fields = {name: mark for name, mark in zip(NAMES, marks, strict=True) if mark is not None}
    return {**base, "REQUEST_METHOD": method, **fields}


def guarded_app(config: dict[str, Any], ran: list[None], **changes: Any) -> Flask:
    app = make_app(config, **changes)

    def view() -> str:
        ran.append(None)
        return str(g.auth.user_id)

    every = [*METHODS["safe"], *METHODS["unsafe"]]
    app.add_url_rule("/act", view_func=login_required(view), methods=every,
                     provide_automatic_options=False)  # fmt: skip
    app.add_url_rule("/open", "open", lambda: {"user": g.auth.user_id, "why": g.auth.reason},
                     methods=every, provide_automatic_options=False)  # fmt: skip
    return app


def send(app: Flask, environ: dict[str, Any]) -> tuple[int, bytes]:
    status: list[int] = []

    def start(line: str, headers: Any, error: Any = None) -> Any:
        status.append(int(line[:3]))

    body = b"".join(app(environ, start))
    return status[0], body


@pytest.fixture
def token(issuer: Any) -> str:
    return issuer.mint("alice", azp=APP)


def carrying(token: str, path: str = "/act") -> dict[str, dict[str, Any]]:
    """The environ for each credential."""
    fields = {"cookie": {"Cookie": f"__session={token}"},
              "bearer": {"Authorization": f"Bearer {token}"}}  # fmt: skip
    return {
        kind: EnvironBuilder(path, headers=field).get_environ() for kind, field in fields.items()
    }


@pytest.mark.parametrize("configured", [True, False])
def test_a_cookie_speaks_exactly_where_the_table_lets_it(config, token, configured):
    changes = {} if configured else {"SESSION_CLAIMS_ORIGINS": None}
    ran: list[None] = []
    app = guarded_app(config, ran, SESSION_CLAIMS_AUTHORIZED_PARTIES=[APP], **changes)
    bases = carrying(token)
    wrong, seen, refused = [], Counter[Rule](), []

    def note(sender: Any, *, reason: str, **extra: Any) -> None:
        refused.append(reason)

    with token_rejected.connected_to(note, sender=app):
        for case in cases(configured):
            rule = next(rule for rule in RULES if rule.fits(case))
            seen[rule] += 1
            ran.clear()
            status, body = send(app, environ_of(bases[case.kinds[0]], case))
            expected = (200, 1) if rule.passes else (403, 0)
            if (status, len(ran)) != expected or (not rule.passes and b"origin" not in body):
                wrong.append((case, status))
    assert wrong == []
    assert seen.total() == 8_820
    # Every rule that can fit did, and each refusal was told once.
    assert set(seen) == {rule for rule in RULES if rule.configured in (ANY, configured)}
    assert refused == ["request-origin-refused"] * sum(
        count for rule, count in seen.items() if not rule.passes
    )


@pytest.mark.parametrize("policy", ["optional", "required"])
def test_where_a_cookie_may_not_speak_an_open_view_sees_nobody(config, token, policy):
    app = guarded_app(config, [], SESSION_CLAIMS_DEFAULT_POLICY=policy)
    bases, seen = carrying(token, "/open"), Counter[tuple[bool, int]]()
    for case in [*cases(True)][::5]:
        passes = next(rule.passes for rule in RULES if rule.fits(case))
        status, body = send(app, environ_of(bases[case.kinds[0]], case))
        seen[passes, status] += 1
        if status == 200 and case.fields[0] != "HEAD":
            assert (b"alice" in body, b"request-origin-refused" in body) == (passes, not passes)
    assert {*seen} == {(True, 200), (False, 403 if policy == "required" else 200)}
    assert min(seen.values()) > 100


FROM_ELSEWHERE = [
    {}, {"HTTP_ORIGIN": EVIL}, {"HTTP_ORIGIN": "null"}, {"HTTP_ORIGIN": ""},
    {"HTTP_ORIGIN": f"{APP}/"}, {"HTTP_ORIGIN": f"{APP}, {EVIL}"}, {"HTTP_ORIGIN": APP.upper()},
    {"HTTP_REFERER": f"{EVIL}/"}, {"HTTP_REFERER": "about:blank"}, {"HTTP_REFERER": "/page"},
    {"HTTP_SEC_FETCH_SITE": "cross-site"}, {"HTTP_SEC_FETCH_SITE": "same-site"},
    {"HTTP_SEC_FETCH_SITE": "same-origin, cross-site"},
]  # fmt: skip


@pytest.mark.parametrize("fields", [
    {"HTTP_HOST": "evil.example"}, {"HTTP_X_FORWARDED_HOST": "evil.example"},
    {"HTTP_HOST": "evil.example", "HTTP_X_FORWARDED_PROTO": "https", "wsgi.url_scheme": "https"},
    {"HTTP_FORWARDED": "host=evil.example;proto=https"}, {"SERVER_NAME": "evil.example"},
    {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}, {"HTTP_X_HTTP_METHOD_OVERRIDE": "GET"},
    {"CONTENT_TYPE": "application/json"}, {"HTTP_RID": "anti-csrf"}, {"HTTP_COOKIE2": "x"},
    {"HTTP_AUTHORIZATION": "Basic YTpi"}, {"HTTP_X_CSRFTOKEN": "x"}, {"HTTP_X_ORIGIN": APP},
    {"QUERY_STRING": "_method=GET"}, {"HTTP_SEC_FETCH_DEST": "empty"},
    {"HTTP_SEC_FETCH_USER": "?1"}, {"HTTP_SEC_FETCH_MODE": "same-origin"},
    {"HTTP_PURPOSE": "prefetch"}, {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST"},
], ids=str)  # fmt: skip
def test_nothing_else_that_a_page_elsewhere_can_send_helps(config, token, fields):
    ran: list[None] = []
    app = guarded_app(config, ran)
    for marks in FROM_ELSEWHERE:
        environ = {**carrying(token)["cookie"], "REQUEST_METHOD": "POST", **marks, **fields}
        assert send(app, environ)[0] == 403
    assert ran == []


def test_a_bearer_token_beside_the_cookie_decides_alone(config, token, issuer):
    app = guarded_app(config, [])
    stale = issuer.mint("alice", azp=APP, lifetime=-60)
    for bearer, origin, status in [(token, EVIL, 200), (stale, APP, 401), (stale, EVIL, 401)]:
        environ = {**carrying(token)["cookie"], "REQUEST_METHOD": "POST", "HTTP_ORIGIN": origin,
                   "HTTP_AUTHORIZATION": f"Bearer {bearer}"}  # fmt: skip
        assert send(app, environ)[0] == status
