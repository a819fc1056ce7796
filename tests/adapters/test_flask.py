"""What is particular to Flask: blueprints, class-based views, refusals as exceptions.

What all adapters share is in the contract.
"""

from __future__ import annotations

from typing import Any

import pytest
from flask import Blueprint, Flask, g
from flask.views import MethodView, View
from werkzeug.exceptions import Forbidden, HTTPException, ServiceUnavailable, Unauthorized
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

from flask_session_claims import (
    ConfigurationError,
    SessionClaims,
    claims_required,
    current_auth,
    get_auth,
    login_required,
    public,
)
from flask_session_claims.testing import KeyServer

from .flask_site import NAVIGATE, make_app, show, statuses, with_me


@pytest.fixture
def app(config: dict[str, Any]) -> Flask:
    return with_me(config)


@pytest.mark.parametrize("policy", ["public", "optional", "required"])
@pytest.mark.parametrize("gate", [login_required, login_required(allow_actor=True)])
def test_before_request_guards_a_blueprint_and_its_children(config, alice, policy, gate):
    app = make_app(config, SESSION_CLAIMS_DEFAULT_POLICY=policy)
    account, inner, other = (Blueprint(name, "x") for name in ("account", "inner", "other"))
    account.before_request(gate)
    show(account, "/page")
    show(inner, "/page")
    show(other, "/page", public)
    account.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(account, url_prefix="/account")
    app.register_blueprint(other, url_prefix="/other")
    assert statuses(app, "/account/page", {}, alice) == [401, 200]
    assert statuses(app, "/account/inner/page", {}, alice) == [401, 200]
    assert statuses(app, "/other/page", {}, alice) == [200, 200]


def test_before_request_takes_claims_required(app, alice, bob):
    admin = Blueprint("admin", "x", url_prefix="/admin")
    admin.before_request(claims_required(role="admin"))
    show(admin, "/")
    app.register_blueprint(admin)
    assert statuses(app, "/admin/", {}, alice, bob) == [401, 403, 200]


def test_before_request_sends_navigations_to_sign_in(config):
    app = make_app(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    account = Blueprint("account", "x", url_prefix="/account")
    account.before_request(login_required)
    show(account, "/")
    app.register_blueprint(account)
    reply = app.test_client().get("/account/?a=1", headers=NAVIGATE)
    assert (reply.status_code, reply.location) == (
        302,
        "/sign-in?redirect_url=%2Faccount%2F%3Fa%3D1",
    )


@pytest.mark.parametrize("by", ["mounted", "proxy"])
def test_the_way_back_names_where_the_app_is_mounted(config, by):
    app = make_app(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    show(app, "/page", login_required)
    if by == "mounted":
        client = Client(DispatcherMiddleware(Flask("root"), {"/shop": app}))
        reply = client.get("/shop/page", headers=NAVIGATE)
    else:  # which takes the prefix off, and says so
        client = Client(ProxyFix(app, x_prefix=1))
        reply = client.get("/page", headers={**NAVIGATE, "X-Forwarded-Prefix": "/shop"})
    assert reply.location == "/sign-in?redirect_url=%2Fshop%2Fpage"


@pytest.mark.parametrize("every_request", [True, False])
def test_decorators_of_a_class_based_view(app, alice, bob, every_request):
    class Admin(MethodView):
        init_every_request = every_request
        decorators = (claims_required(role="admin"), login_required)

        def get(self) -> str:
            return "ok"

        async def post(self) -> str:
            return "ok"

    class Page(View):
        decorators = (login_required,)

        def dispatch_request(self) -> str:
            return g.auth.user_id

    app.add_url_rule("/admin", view_func=Admin.as_view("admin"))
    app.add_url_rule("/page", view_func=Page.as_view("page"))
    assert statuses(app, "/admin", {}, alice, bob) == [401, 403, 200]
    assert app.test_client().post("/admin", headers=bob).status_code == 200
    assert app.test_client().post("/admin").status_code == 401
    assert app.test_client().get("/page", headers=alice).text == "alice"


@pytest.mark.parametrize("policy", ["public", "optional"])
def test_a_gate_on_one_method_of_a_class_guards_that_method(config, alice, policy):
    app = make_app(config, SESSION_CLAIMS_DEFAULT_POLICY=policy)

    class Item(MethodView):
        def get(self) -> str:
            return "ok"

        @login_required
        def delete(self) -> str:
            return "gone"

    app.add_url_rule("/item", view_func=Item.as_view("item"))
    client = app.test_client()
    assert client.get("/item").text == "ok"
    assert client.delete("/item").status_code == 401
    assert client.delete("/item", headers=alice).text == "gone"


def test_an_async_view_sees_the_same_auth(app, alice, bob):
    @app.get("/async")
    @login_required
    async def page() -> dict[str, Any]:
        return {"g": g.auth.user_id, "proxy": current_auth.user_id, "get": get_auth().user_id}

    client = app.test_client()
    for who, headers in (("alice", alice), ("bob", bob)):
        assert client.get("/async", headers=headers).json == dict.fromkeys(
            ("g", "proxy", "get"), who
        )


def test_one_function_in_two_apps_meets_the_policy_of_each(config, alice):
    def page() -> str:
        return "ok"

    apps = []
    for policy in ("optional", "required"):
        app = make_app(config, SESSION_CLAIMS_DEFAULT_POLICY=policy)
        app.add_url_rule("/page", view_func=page)
        apps.append(app)
    for _ in range(2):
        assert [statuses(app, "/page", {}, alice) for app in apps] == [[200, 200], [401, 200]]


def test_a_gate_in_an_app_without_the_extension_stays_closed(alice):
    app = Flask("bare")
    ran = []
    app.add_url_rule("/page", view_func=login_required(lambda: ran.append(1) or "ok"), endpoint="p")
    assert statuses(app, "/page", alice) == [500]
    app.testing = True
    with pytest.raises(ConfigurationError, match="SessionClaims"):
        app.test_client().get("/page", headers=alice)
    assert ran == []


def test_refusals_are_the_exceptions_of_werkzeug(app, alice):
    caught: list[HTTPException] = []

    @app.errorhandler(HTTPException)
    def handler(error: HTTPException) -> HTTPException:
        caught.append(error)
        return error

    show(app, "/page", login_required)
    show(app, "/admin", claims_required(role="admin"))
    client = app.test_client()
    first, second = client.get("/page"), client.get("/admin", headers=alice)
    assert [type(error).__mro__.index(kind) > 0 for error, kind in
            zip(caught, (Unauthorized, Forbidden), strict=True)] == [True, True]  # fmt: skip
    assert [error.code for error in caught] == [401, 403]
    # A handler that gives the error back gets our response.
    assert first.json["code"] == "session-token-missing"
    assert first.headers["WWW-Authenticate"] == "Bearer"
    assert second.json["code"] == "permission-denied"


def test_the_503_is_an_exception_of_werkzeug(issuer, alice):
    with KeyServer(issuer) as server:
        server.mode = "status"
        app = Flask("site")
        SessionClaims(app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True)
        show(app, "/me")

        @app.errorhandler(ServiceUnavailable)
        def handler(error: ServiceUnavailable) -> Any:
            return {"who": g.get("auth") is not None}, 503

        reply = app.test_client().get("/me", headers=alice)
        assert (reply.status_code, reply.json) == (503, {"who": True})


def test_an_error_handler_can_read_auth(app, alice):
    @app.errorhandler(404)
    def missing(error: Any) -> Any:
        return {"user": g.auth.user_id}, 404

    client = app.test_client()
    for headers, user in ((alice, "alice"), ({}, None), (alice, "alice")):
        reply = client.get("/nowhere", headers=headers)
        assert (reply.status_code, reply.json) == (404, {"user": user})
        assert "Cookie" in reply.headers["Vary"]


def test_a_blueprints_own_error_handler_answers_for_its_views(app, alice):
    account = Blueprint("account", "x", url_prefix="/account")
    account.register_error_handler(401, lambda error: (f"account: {error.error_code}", 401))
    show(account, "/", login_required)
    app.register_blueprint(account)
    show(app, "/page", login_required)
    client = app.test_client()
    assert client.get("/account/").text == "account: session-token-missing"
    assert client.get("/page").json["code"] == "session-token-missing"


def test_a_refusal_is_no_unhandled_exception_in_testing_and_debug(app):
    app.testing = app.debug = True
    show(app, "/page", login_required)
    assert statuses(app, "/page", {}, {"Authorization": "Bearer x"}) == [401, 401]
