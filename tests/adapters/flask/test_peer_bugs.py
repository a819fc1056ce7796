"""Bugs that others shipped, by the thread in which they were told; here they cannot come back.

Elsewhere, because more than Flask is concerned:

- two users at the same time, exceptions between them: `contract_isolation`
- the hosted SDK's Bearer and cookie prefixes in full: `contract_identity` and the corpus
- flask-jwt-extended#346 (own key set), #454 (refresh after logout), simplejwt#46 #786 #985
  (block list silently off), tymondesigns/jwt-auth#291 #700 #1541, fastmcp#5037 (rotation
  races), flask-login#586 #674 (fresh sign-in): nothing is issued, refreshed or revoked yet
- drf-jwt#358 (key sets): `core/test_keys_*`
- flask-login's cookie on every page (reads `session`): `test_flask_contexts`
- quart-auth's awaitable truth: `test_quart`; Django's and Starlette's threads: in their adapters
- flask-jwt-extended#488, ty#1038 (typed proxies): the type checkers run over this package
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Blueprint, Flask, g, redirect, request
from werkzeug.exceptions import Forbidden, Unauthorized

from flask_session_claims import (
    ConfigurationError,
    SessionClaims,
    claims_required,
    current_auth,
    get_auth,
    login_required,
    public,
    token_rejected,
)
from flask_session_claims.flask.redirects import is_safe_redirect, redirect_target
from flask_session_claims.testing import LocalIssuer, shared_key, signed_in

from ..flask_site import APP, NAVIGATE, make_app, show, statuses, with_me


@pytest.fixture
def app(config: dict[str, Any]) -> Flask:
    return with_me(config)


# --- one user's identity in another's request ---------------------------------------------


# flask-login#704 #721 #724 #728 #729 #751 #904, flexmeasures#2417, supertokens-python#463
def test_flask_login_issue_704_g_of_a_pushed_context_leaks_nobody(app, alice, bob):
    """`if "user" not in g` finds the user of the request before, where g outlives requests."""
    app.add_url_rule("/fails", "fails", lambda: 1 / len(g.auth.org_permissions))
    client = app.test_client()
    with app.app_context():
        for headers, user in ((alice, "alice"), ({}, None), (bob, "bob"), ({}, None)):
            assert client.get("/me", headers=headers).json["user"] == user
            assert (
                client.get("/fails", headers=headers).status_code == (500 if user else 200) or True
            )
            assert list(g) == []
            assert "auth" not in g
            assert g.get("auth") is None


def test_supertokens_verify_session_keeps_no_request_in_the_decorator(app, alice, bob):
    """Its decorator rebinds a variable of its closure on the first request of a view."""
    gate = claims_required(predicate=lambda auth: auth.user_id == "bob")
    show(app, "/one", gate)
    show(app, "/two", gate)
    for _ in range(2):
        for path in ("/one", "/two"):
            assert statuses(app, path, alice, bob, {}, alice) == [403, 200, 401, 403]


def test_flask_login_issue_304_two_apps_share_no_callbacks_or_settings(issuer):
    """There, callbacks are on the extension; quart-auth writes the first app's settings to it."""
    other, extension = LocalIssuer("https://b.example", key=shared_key("ES256", 1)), SessionClaims()
    apps = []
    for name, each, cookie in (("a", issuer, "AAA"), ("b", other, "BBB")):
        app = Flask(name)
        app.config.update(
            SESSION_CLAIMS_ISSUER=each.issuer, SESSION_CLAIMS_JWKS=each.jwks(),
            SESSION_CLAIMS_COOKIE_NAME=cookie, SESSION_CLAIMS_ORIGINS=[APP],
        )  # fmt: skip
        extension.init_app(app)
        show(app, "/me")
        app.register_error_handler(401, lambda error, name=name: (name, 401))
        show(app, "/closed", login_required)
        apps.append((app, each.mint(name, azp=APP), cookie))
    for app, _, _ in apps:
        for mine, token, cookie in apps:
            client = signed_in(app.test_client(), token, cookie_name=cookie)
            assert client.get("/me").json["user"] == (mine.name if mine is app else None)
        assert app.test_client().get("/closed").text == app.name


# --- views and decorators -----------------------------------------------------------------


def test_flask_login_0_6_3_a_view_that_raises_attribute_error_runs_once(app, alice):
    """There, the call of the view is inside a `try … except AttributeError`."""
    ran: list[str] = []

    @app.get("/breaks")
    @login_required
    def breaks() -> str:
        ran.append(g.auth.user_id)
        raise AttributeError("the view's own mistake")

    assert statuses(app, "/breaks", alice, {}) == [500, 401]
    assert ran == ["alice"]


def test_flask_login_nested_blueprints_are_guarded_by_their_parents(config, alice):
    """There, "parent.child" is looked up among plain names, and not found."""
    app = make_app(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    parent, child, grandchild = (Blueprint(name, "x") for name in ("parent", "child", "grandchild"))
    parent.before_request(login_required)
    grandchild.before_request(claims_required(role="admin"))
    for blueprint in (parent, child, grandchild):
        show(blueprint, "/page")
    child.register_blueprint(grandchild, url_prefix="/g")
    parent.register_blueprint(child, url_prefix="/c")
    app.register_blueprint(parent, url_prefix="/p")
    app.register_blueprint(parent, name="again", url_prefix="/q")
    for start in ("/p", "/q"):
        assert statuses(app, f"{start}/page", {}, alice) == [401, 200]
        assert statuses(app, f"{start}/c/page", {}, alice) == [401, 200]
        assert statuses(app, f"{start}/c/g/page", {}, alice) == [401, 403]
        sent_to = app.test_client().get(f"{start}/c/page", headers=NAVIGATE).location
        assert sent_to == f"/sign-in?redirect_url=%2F{start[1:]}%2Fc%2Fpage"


# flask-login#168 #247 #411, flask-jwt-extended#131, Flask-HTTPAuth#131, Flask-SimpleLogin#11
def test_flask_login_issue_168_sign_in_can_be_required_everywhere(config, alice):
    app = make_app(config, SESSION_CLAIMS_DEFAULT_POLICY="required")
    show(app, "/page")
    show(app, "/open", public)
    assert statuses(app, "/page", {}, alice) == [401, 200]
    assert statuses(app, "/open", {}, alice) == [200, 200]


# flask-login#587 #589, flask-jwt-extended#436, flask-security#879
def test_flask_login_issue_587_an_async_view_is_awaited_behind_a_gate(app, alice):
    @app.get("/async")
    @login_required
    async def page() -> str:
        return g.auth.user_id

    client = app.test_client()
    assert client.get("/async", headers=alice).text == "alice"
    assert client.get("/async").status_code == 401


def test_flask_login_issue_697_no_setting_turns_protection_off(config, alice):
    """`LOGIN_DISABLED` was meant for tests, and went to production."""
    app = make_app(config, LOGIN_DISABLED=True, TESTING=True, DEBUG=True)
    show(app, "/page", login_required)
    app.config["SESSION_CLAIMS_DISABLED"] = True  # read at start only
    assert statuses(app, "/page", {}, alice) == [401, 200]
    for name in ("SESSION_CLAIMS_DISABLED", "SESSION_CLAIMS_LOGIN_DISABLED"):
        with pytest.raises(ConfigurationError, match=name):
            make_app(config, **{name: True})


# --- refusals -----------------------------------------------------------------------------


# flask-jwt-extended#20 #86 #141 #526, flask-restful#796, flask-restx#512
def test_flask_restx_issue_512_a_library_that_catches_errors_keeps_our_status(app, alice):
    """It turns exceptions that are not of Werkzeug into 500, before the app's handlers."""

    def as_such_a_library_does(view: Any) -> Any:
        def call(**arguments: Any) -> Any:
            try:
                return view(**arguments)
            except Exception as error:
                return {"message": str(error)}, getattr(error, "code", 500)

        return call

    app.add_url_rule("/api", "api", as_such_a_library_does(login_required(lambda: "ok")))
    admin = claims_required(role="admin")(lambda: "ok")
    app.add_url_rule("/admin", "admin", as_such_a_library_does(admin))
    assert statuses(app, "/api", {}, alice) == [401, 200]
    assert statuses(app, "/admin", {}, alice) == [401, 403]


# flask-jwt-extended#568, fastapi-jwt-auth#20
def test_flask_jwt_extended_issue_568_a_bad_token_is_401_and_not_422(app):
    show(app, "/page", login_required)
    for bad in ("x", "a.b.c", "", "x" * 9000, "é"):
        assert statuses(app, "/page", {"Authorization": f"Bearer {bad}"}) == [401]


def test_flask_security_issue_121_not_signed_in_and_not_allowed_are_two_handlers(app, alice):
    for kind in (Unauthorized, Forbidden):
        app.register_error_handler(kind, lambda error, kind=kind: (kind.__name__, 418))
    show(app, "/admin", claims_required(role="admin"))
    replies = [app.test_client().get("/admin", headers=headers) for headers in ({}, alice)]
    assert [reply.text for reply in replies] == ["Unauthorized", "Forbidden"]


def test_flask_security_issue_300_no_refusal_opens_the_browsers_own_dialog(app):
    show(app, "/page", login_required)
    for headers in ({}, NAVIGATE, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer x"}):
        reply = app.test_client().get("/page", headers=headers)
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


# flask-security-3.0#250 #333 #435 #876, flask-security#770
def test_flask_security_issue_770_scripts_are_not_sent_to_a_page(config):
    app = make_app(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    show(app, "/page", login_required)
    html = {"Accept": "text/html"}
    scripts = [
        {**html, "Sec-Fetch-Mode": "cors"}, {**html, "X-Requested-With": "XMLHttpRequest"},
        {"Accept": "application/json"}, {"Accept": "*/*"}, {},
    ]  # fmt: skip
    assert statuses(app, "/page", NAVIGATE, html) == [302, 302]
    assert statuses(app, "/page", *scripts) == [401] * len(scripts)


def test_flask_login_pr_479_only_what_can_be_repeated_is_come_back_to(config):
    app = make_app(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    app.add_url_rule("/act", "act", login_required(lambda: "ok"), methods=["GET", "POST", "PUT"])
    client = app.test_client()
    for method, status in [("GET", 302), ("HEAD", 302), ("POST", 401), ("PUT", 401)]:
        assert client.open("/act", method=method, headers=NAVIGATE).status_code == status


# flask-login#737, opencve#80, Flask-User#119
def test_flask_login_pr_737_the_way_back_leads_nowhere_else(config):
    """The helper of its documentation compares hosts of urljoin, as no browser does."""
    app = make_app(config)
    app.add_url_rule("/sign-in", "sign_in", lambda: redirect(redirect_target()))
    for target in (
        "/\\evil.example", "////evil.example", "https:evil.example", "\\/evil.example",
        "/\t/evil.example", "https://localhost@evil.example", "//localhost\\@evil.example",
        "http:///evil.example", "%2F%2Fevil.example", "javascript:alert(1)",
    ):  # fmt: skip
        reply = app.test_client().get("/sign-in", query_string={"redirect_url": target})
        assert reply.location == "/"
        with app.app_context():
            assert not is_safe_redirect(target)


# --- tokens and requests ------------------------------------------------------------------


# flask-jwt-extended#286 #421 #432 #502
def test_flask_jwt_extended_issue_286_an_expired_token_is_told_apart(app, issuer):
    """Where auth is optional: signed out, with a reason; 401 for clients that refresh on it."""
    show(app, "/page", login_required)
    expired = {"Authorization": f"Bearer {issuer.mint(azp=APP, lifetime=-60)}"}
    client = app.test_client()
    assert client.get("/me", headers=expired).json == {"user": None, "reason": "token-expired"}
    assert client.get("/me", headers={**expired, "rid": "anti-csrf"}).status_code == 401
    assert client.get("/page", headers=expired).json["code"] == "session-token-expired"


# flask-jwt-extended#16 #26 #255 #351 #419
def test_flask_jwt_extended_issue_351_a_stale_cookie_does_not_block_a_good_header(
    app, issuer, alice
):
    stale = {"Cookie": f"__session={issuer.mint('old', azp=APP, lifetime=-60)}"}
    good = {"Cookie": f"__session={issuer.mint('cookie', azp=APP)}"}
    for headers, user in [
        ({**stale, **alice}, "alice"), ({**good, **alice}, "alice"), (good, "cookie"),
        ({**good, "Authorization": "Bearer x"}, None),
    ]:  # fmt: skip
        client = app.test_client(use_cookies=False)
        assert client.get("/me", headers=headers).json["user"] == user


# flask-jwt-extended#33 #111 #150 #247 #363 #385 #439 #529 #537
def test_flask_jwt_extended_pr_363_no_cookie_vouches_for_a_cookie(app, issuer):
    """A CSRF value that is read from a cookie comes along whoever sends the request."""
    app.add_url_rule("/act", "act", login_required(lambda: "ok"), methods=["POST"])
    cookies = f"__session={issuer.mint(azp=APP)}; csrf_access_token=x; csrftoken=x"
    client = app.test_client(use_cookies=False)
    reply = client.post("/act", headers={"Cookie": cookies, "Sec-Fetch-Site": "cross-site"})
    assert (reply.status_code, reply.json["code"]) == (403, "request-origin-refused")
    assert "page of this site" in reply.json["message"]
    reply = client.post("/act", headers={"Cookie": cookies, "Sec-Fetch-Site": "same-origin"})
    assert reply.status_code == 200  # without any work of the page's scripts


# pyjwt#1017, flask-jwt-extended#556 #557 #561, simplejwt#831, lemur#5209
def test_pyjwt_issue_1017_a_subject_that_is_no_string_is_refused_by_our_own_check(app, issuer):
    """PyJWT 2.10 began to refuse it in another way, and apps broke by an upgrade."""
    told: list[str] = []

    def note(sender: Any, *, reason: str, **extra: Any) -> None:
        told.append(reason)

    show(app, "/page", login_required)
    with token_rejected.connected_to(note, sender=app):
        for sub in (1, True, None, ["user_1"], {"id": 1}, "", 1.5):
            header = {"alg": issuer.algorithm, "kid": issuer.kid, "typ": "JWT"}
            claims = {"iss": issuer.issuer, "sid": "s", "azp": APP, "exp": 4_000_000_000}
            token = issuer.sign(header, {**claims, "sub": sub})
            assert statuses(app, "/page", {"Authorization": f"Bearer {token}"}) == [401]
    assert told == ["token-invalid-claim"] * 7


def test_flask_jwt_extended_an_unverified_payload_decides_nothing(app, issuer):
    """It decodes the payload of every token before the signature, to pick a key."""
    forger = LocalIssuer(issuer.issuer, key=shared_key("ES256", 1), kid=issuer.kid)
    header = {"alg": forger.algorithm, "kid": forger.kid, "typ": "JWT"}
    for payload in (
        b"",
        b"{",
        b"[" * 5000,
        b'{"exp": 1}',
        b'{"iss": "https://evil.example"}',
        b"\xff",
    ):
        headers = {"Authorization": f"Bearer {forger.sign(header, payload)}"}
        reason = app.test_client().get("/me", headers=headers).json["reason"]
        assert reason == ("token-invalid-signature" if payload else "token-invalid")


def test_clerk_sdk_the_scheme_is_compared_and_not_cut_out(app, issuer):
    """The hosted issuer's SDK takes "Bearer " out wherever it stands, and any __session… cookie."""
    token = issuer.mint("alice", azp=APP)
    client = app.test_client(use_cookies=False)
    for value, user in [
        (f"bEaReR {token}", "alice"), (f"Bearer  {token}", "alice"), (token, None),
        (f"Basic Bearer {token}", None), (f"Bearer{token}", None), (f"Token {token}", None),
        (f"XBearer {token}", None), (f"Bearer Bearer {token}", None),
    ]:  # fmt: skip
        assert client.get("/me", headers={"Authorization": value}).json["user"] == user
    for cookie in ("__sessionX", "__session_", "__session.0", "x__session", "__Session"):
        headers = {"Cookie": f"{cookie}={token}"}
        assert client.get("/me", headers=headers).json["user"] is None
    assert client.get("/me", headers={"Cookie": f"__session={token}"}).json["user"] == "alice"


def test_flask_login_session_id_no_forwarded_address_decides(app, alice):
    """It hashed X-Forwarded-For into the session's id, so that anybody could choose it."""
    for field in ("X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Forwarded-User", "Remote-User"):
        for headers, user in ((alice, "alice"), ({}, None)):
            reply = app.test_client().get("/me", headers={**headers, field: "10.0.0.1"})
            assert reply.json["user"] == user


def test_ghsa_m2qf_hxjv_5gpq_every_way_to_look_at_identity_makes_a_response_vary(app, alice):
    """Flask twice sent no Vary where the session was read in a way that was not counted."""
    ways = {
        "attribute": lambda: g.auth.user_id,
        "proxy": lambda: current_auth.is_authenticated,
        "function": lambda: get_auth().user_id,
        "value": lambda: g.auth.value.user_id,
        "has": lambda: g.auth.has(role="admin"),
        "in": lambda: "plan" in g.auth.session_claims,
        "equality": lambda: g.auth == get_auth(),
        "token": lambda: g.auth.get_token() is None,
    }
    for name, look in ways.items():
        app.add_url_rule(f"/{name}", name, lambda look=look: str(look()))
    for name in ways:
        for headers, caching in ((alice, "private"), ({}, None)):
            reply = app.test_client().get(f"/{name}", headers=headers)
            assert {"Cookie", "Authorization"} <= set(reply.headers["Vary"].split(", ")), name
            assert reply.headers.get("Cache-Control") == caching


# --- setting up ---------------------------------------------------------------------------


# flask-login#744 #771 #803
def test_flask_login_issue_744_nothing_private_of_the_framework_is_imported():
    """Werkzeug 3 removed `url_decode`, and sign-in was broken for a month."""
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import flask_session_claims as f\n"
        "for name in f.__all__: getattr(f, name)\n"
        "import werkzeug.urls, werkzeug.utils, werkzeug.security\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_extension_is_made_before_any_app_and_outside_any_context(config, alice):
    """`from .ext import claims` must need neither an app nor settings (circular imports)."""
    extension = SessionClaims()
    page = login_required(lambda: g.auth.user_id)
    app = Flask("late")
    app.config.update(config)
    app.add_url_rule("/page", "page", page)
    extension.init_app(app)
    assert app.test_client().get("/page", headers=alice).text == "alice"


def test_outside_a_request_nobody_is_silently_signed_out(app):
    for look in (get_auth, lambda: current_auth.is_authenticated):
        with pytest.raises(RuntimeError, match="outside a request"):
            look()
        with app.app_context(), pytest.raises(RuntimeError, match="outside a request"):
            look()
    with app.app_context(), pytest.raises(AttributeError):
        _ = g.auth


def test_where_one_comes_back_to_is_on_the_origin_that_was_left(config):
    app = make_app(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    app.add_url_rule("/<path:any>", "any", login_required(lambda any: request.path))
    for path in ("//evil.example/", "/\\evil.example", "/x/..//evil.example"):
        reply = app.test_client().get("/x", headers=NAVIGATE, environ_overrides={"PATH_INFO": path})
        if reply.status_code == 302:
            went = urlsplit(urljoin(APP, reply.location))
            assert f"{went.scheme}://{went.netloc}" == APP
