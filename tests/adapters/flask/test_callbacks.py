"""What the app answers instead of a refusal, and whether a person or a script is answered."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask, abort, g, redirect, render_template_string, request

from flask_session_claims import (
    ConfigurationError,
    SessionClaims,
    claims_required,
    get_auth,
    login_required,
)
from flask_session_claims.flask.refusals import NotAllowed, NotSignedIn
from flask_session_claims.testing import KeyServer

from ..flask_site import APP, NAVIGATE, show

EVIL = {"Origin": "https://evil.example"}


def site(config: dict[str, Any], **changes: Any) -> tuple[Flask, SessionClaims]:
    """An app with a view for members, one for administrators, and one open to all."""
    app = Flask("site")
    app.config.update(config, **changes)
    claims = SessionClaims(app)
    show(app, "/member", login_required)
    show(app, "/admin", claims_required(role="admin"))
    show(app, "/open")
    return app, claims


def get(app: Flask, path: str, *headers: dict[str, str], method: str = "GET") -> Any:
    merged = {name: value for each in headers for name, value in each.items()}
    return app.test_client(use_cookies=False).open(path, method=method, headers=merged)


# --- which callback, for what -------------------------------------------------------------


def test_each_occasion_has_its_callback_and_is_told_why(config, alice, bob):
    app, claims = site(config)
    told: list[Any] = []

    @claims.unauthenticated
    def sign_in(error: NotSignedIn) -> Any:
        told.append((type(error), error.error_code, error.code))
        return {"do": "sign in"}, 401

    @claims.forbidden
    def not_here(error: NotAllowed) -> Any:
        told.append((type(error), error.error_code, error.code))
        return {"do": "ask"}, 418

    assert get(app, "/member").json == {"do": "sign in"}
    assert get(app, "/member", {"Authorization": "Bearer x"}).status_code == 401
    reply = get(app, "/admin", alice)
    assert (reply.status_code, reply.json) == (418, {"do": "ask"})
    assert get(app, "/admin", bob).json["user"] == "bob"
    assert get(app, "/open").json["user"] is None
    assert told == [
        (NotSignedIn, "session-token-missing", 401),
        (NotSignedIn, "session-token-invalid", 401),
        (NotAllowed, "permission-denied", 403),
    ]
    assert sign_in.__name__ == "sign_in"  # what is decorated stays what it was


@pytest.mark.parametrize("answer", [
    "text", ("text", 202), {"a": 1}, ("text", 401, {"X-Mine": "1"}), "response", "template",
])  # fmt: skip
def test_whatever_a_view_may_return_is_an_answer(config, answer):
    app, claims = site(config)

    @claims.unauthenticated
    def sign_in(error: NotSignedIn) -> Any:
        if answer == "response":
            return redirect("/welcome")
        if answer == "template":
            return render_template_string("{{ auth.reason }}"), 401
        return answer

    reply = get(app, "/member")
    want = {"response": 302, "template": 401}
    if isinstance(answer, str) and answer in want:
        assert reply.status_code == want[answer]
    elif isinstance(answer, tuple):
        assert reply.status_code == answer[1]
    else:
        assert reply.status_code == 200
    assert "WWW-Authenticate" not in reply.headers
    # It says all the same that somebody else would get another answer.
    assert {"Cookie", "Authorization"} <= {
        name.strip() for name in reply.headers["Vary"].split(",")
    }


def test_none_is_the_usual_answer_to_the_letter(config, alice):
    plain, _ = site(config)
    app, claims = site(config)
    claims.unauthenticated(lambda error: None)
    claims.forbidden(lambda error: None)
    for path, headers in (("/member", {}), ("/admin", alice), ("/member", NAVIGATE)):
        usual, ours = get(plain, path, headers), get(app, path, headers)
        assert (ours.status_code, ours.data) == (usual.status_code, usual.data)
        assert list(ours.headers) == list(usual.headers)


def test_it_stands_before_the_redirect_and_none_gives_the_redirect(config):
    app, claims = site(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")

    @claims.unauthenticated
    def sign_in(error: NotSignedIn) -> Any:
        assert error.code == 401
        return ("ours", 401) if "ours" in request.args else None

    assert get(app, "/member?ours", NAVIGATE).text == "ours"
    usual = get(app, "/member", NAVIGATE)
    assert (usual.status_code, usual.location) == (302, "/sign-in?redirect_url=%2Fmember")


def test_async_callbacks_are_awaited(config, alice):
    app, claims = site(config)

    @claims.unauthenticated
    async def sign_in(error: NotSignedIn) -> Any:
        return error.error_code, 401

    @claims.forbidden
    async def not_here(error: NotAllowed) -> Any:
        return None

    assert get(app, "/member").text == "session-token-missing"
    assert get(app, "/admin", alice).json["code"] == "permission-denied"


def test_the_cross_site_policy_asks_the_forbidden_one(config, issuer):
    app, claims = site(config)
    app.add_url_rule("/change", "change", login_required(lambda: "ok"), methods=["POST"])
    claims.unauthenticated(lambda error: ("wrong one", 401))
    claims.forbidden(lambda error: (error.error_code, 403))
    cookie = {"Cookie": f"__session={issuer.mint('alice', azp=APP)}"}
    assert get(app, "/change", cookie, EVIL, method="POST").text == "request-origin-refused"
    assert get(app, "/change", cookie, {"Origin": APP}, method="POST").text == "ok"


def test_preflights_and_failing_keys_are_not_the_apps_to_answer(config, issuer, alice):
    with KeyServer(issuer) as server:
        server.mode = "status"
        app = Flask("site")
        claims = SessionClaims(
            app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True
        )
        claims.unauthenticated(lambda error: ("ours", 200))
        claims.forbidden(lambda error: ("ours", 200))
        app.add_url_rule(
            "/member", "member", login_required(lambda: "ok"), provide_automatic_options=False,
            methods=["GET", "OPTIONS"],
        )  # fmt: skip
        assert get(app, "/member", alice).status_code == 503
        asked = {"Origin": APP, "Access-Control-Request-Method": "GET"}
        assert get(app, "/member", asked, method="OPTIONS").status_code == 204


# --- whose callback -----------------------------------------------------------------------


def nested(config: dict[str, Any]) -> tuple[Flask, SessionClaims, Blueprint, Blueprint]:
    app, claims = site(config)
    outer, inner = Blueprint("outer", "x"), Blueprint("inner", "x")
    show(outer, "/outer", login_required)
    show(inner, "/inner", login_required)
    outer.register_blueprint(inner)
    return app, claims, outer, inner


@pytest.mark.parametrize("by", ["object", "name"])
def test_the_innermost_blueprint_comes_first_and_the_app_last(config, by):
    app, claims, outer, inner = nested(config)
    claims.unauthenticated(lambda error: ("app", 401))
    claims.unauthenticated(blueprint=outer if by == "object" else "outer")(
        lambda error: ("outer", 401)
    )
    app.register_blueprint(outer)
    paths = ["/member", "/outer", "/inner"]
    assert [get(app, path).text for path in paths] == ["app", "outer", "outer"]
    claims.unauthenticated(blueprint=inner if by == "object" else "outer.inner")(
        lambda error: ("inner", 401)
    )
    assert [get(app, path).text for path in paths] == ["app", "outer", "inner"]


def test_a_blueprints_callback_answers_nowhere_else(config, alice):
    app, claims, outer, _ = nested(config)
    app.register_blueprint(outer)

    @claims.unauthenticated(blueprint=outer)
    def page(error: NotSignedIn) -> Any:
        return "outer", 401

    assert get(app, "/outer").text == "outer"
    assert get(app, "/member").json["code"] == "session-token-missing"
    assert get(app, "/admin", alice).json["code"] == "permission-denied"


def test_a_blueprint_that_is_registered_twice_has_one_callback_by_object_two_by_name(config):
    app, claims = site(config)
    pages = Blueprint("pages", "x")
    show(pages, "/page", login_required)
    app.register_blueprint(pages)
    app.register_blueprint(pages, name="again", url_prefix="/again")
    claims.unauthenticated(blueprint="again")(lambda error: ("again", 401))
    claims.unauthenticated(blueprint=pages)(lambda error: ("both", 401))
    assert get(app, "/page").text == "both"
    assert get(app, "/again/page").text == "again"
    assert get(app, "/member").json["code"] == "session-token-missing"


def test_a_blueprints_hook_is_answered_for_as_its_views_are(config):
    app, claims = site(config)
    pages = Blueprint("pages", "x")
    pages.before_request(login_required)
    show(pages, "/page")
    app.register_blueprint(pages)
    claims.unauthenticated(blueprint=pages)(lambda error: ("hook", 401))
    assert get(app, "/page").text == "hook"


def test_the_default_policy_asks_too(config):
    app, claims = site(config, SESSION_CLAIMS_DEFAULT_POLICY="required")
    claims.unauthenticated(lambda error: ("policy", 401))
    assert get(app, "/open").text == "policy"
    assert get(app, "/nowhere").status_code == 404


def test_async_views_are_guarded_by_it(config):
    app, claims = site(config)

    @app.get("/later")
    @login_required
    async def later() -> str:
        return "ok"

    claims.unauthenticated(lambda error: ("ours", 401))
    assert get(app, "/later").text == "ours"


# --- what may go wrong --------------------------------------------------------------------


def test_what_a_callback_raises_is_the_apps_own(config):
    app, claims = site(config)

    @claims.unauthenticated
    def broken(error: NotSignedIn) -> Any:
        if "abort" in request.args:
            abort(404)
        if "same" in request.args:
            raise error
        raise LookupError("the callback's own mistake")

    app.register_error_handler(LookupError, lambda error: ("handled", 500))
    assert get(app, "/member").text == "handled"
    assert get(app, "/member?abort").status_code == 404
    assert get(app, "/member?same").json["code"] == "session-token-missing"


def test_error_handlers_still_see_what_no_callback_answers(config, alice):
    app, claims = site(config)
    claims.unauthenticated(lambda error: None)
    app.register_error_handler(401, lambda error: (f"handler {error.error_code}", 401))
    app.register_error_handler(403, lambda error: (f"handler {error.error_code}", 403))
    assert get(app, "/member").text == "handler session-token-missing"
    assert get(app, "/admin", alice).text == "handler permission-denied"


def test_a_callback_may_read_auth(config, alice):
    app, claims = site(config)
    claims.forbidden(lambda error: (f"{g.auth.user_id} {get_auth().user_id}", 403))
    reply = get(app, "/admin", alice)
    assert (reply.text, reply.headers["Cache-Control"]) == ("alice alice", "private")


@pytest.mark.parametrize("kind", ["unauthenticated", "forbidden"])
def test_a_callback_is_a_function_and_there_is_one(config, kind):
    _, claims = site(config)
    add = getattr(claims, kind)
    pages = Blueprint("pages", "x")
    for wrong in ("text", 401, {"a": 1}):
        with pytest.raises(ConfigurationError, match=f"{kind}: got"):
            add(wrong)
    add(lambda error: None)
    with pytest.raises(ConfigurationError, match=f"{kind}: this app"):
        add(lambda error: None)
    add(blueprint=pages)(lambda error: None)
    with pytest.raises(ConfigurationError, match=f"{kind}: blueprint 'pages'"):
        add(blueprint=pages)(lambda error: None)


def test_callbacks_given_before_init_app_and_for_several_apps(config):
    claims = SessionClaims()
    claims.unauthenticated(lambda error: ("ours", 401))
    for name in ("one", "two"):
        app = Flask(name)
        app.config.update(config)
        claims.init_app(app)
        show(app, "/member", login_required)
        assert get(app, "/member").text == "ours"


# --- a page, or JSON ----------------------------------------------------------------------


@pytest.mark.parametrize(("says", "scripts", "browsers"), [
    (True, (302, "text/html"), (302, "text/html")),
    (False, (401, "application/json"), (401, "application/json")),
    (None, (401, "application/json"), (302, "text/html")),
])  # fmt: skip
def test_the_app_may_say_who_gets_a_page(config, says, scripts, browsers):
    app, claims = site(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    asked: list[str] = []

    @claims.wants_page
    def wants_page(here: Any) -> bool | None:
        asked.append(here.path)
        return says

    replies = [get(app, "/member"), get(app, "/member", NAVIGATE)]
    assert [(reply.status_code, reply.mimetype) for reply in replies] == [scripts, browsers]
    assert asked == ["/member"] * 2
    assert get(app, "/open").status_code == 200
    assert asked == ["/member"] * 2  # only where something is refused


@pytest.mark.parametrize("says", [True, False])
def test_it_is_also_asked_where_somebody_may_not(config, alice, says):
    app, claims = site(config)
    claims.wants_page(lambda here: says)
    kind = "text/html" if says else "application/json"
    assert get(app, "/admin", alice).mimetype == kind
    assert get(app, "/member").mimetype == kind


@pytest.mark.parametrize("says", [True, False])
def test_it_is_also_asked_where_it_cannot_be_told_who_it_is(issuer, alice, says):
    with KeyServer(issuer) as server:
        server.mode = "status"
        app = Flask("site")
        claims = SessionClaims(
            app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True
        )
        claims.wants_page(lambda here: says)
        show(app, "/member", login_required)
        show(app, "/open")
        for path in ("/member", "/open"):
            reply = get(app, path, alice)
            kind = "text/html" if says else "application/json"
            assert (reply.status_code, reply.mimetype) == (503, kind)


def test_wants_page_is_a_plain_function_and_there_is_one(config):
    _, claims = site(config)

    async def later(here: Any) -> bool:
        return True

    for wrong in (later, "yes", None):
        with pytest.raises(ConfigurationError, match="wants_page: got"):
            claims.wants_page(wrong)
    claims.wants_page(lambda here: None)
    with pytest.raises(ConfigurationError, match="wants_page: this app has one"):
        claims.wants_page(lambda here: None)
