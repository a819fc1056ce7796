"""What is particular to Flask: blueprints, hooks, contexts, configuration, commands.

What all adapters share is in the contract.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import flask
import pytest
from flask import Blueprint, Flask, copy_current_request_context, g, stream_with_context
from flask.sessions import SecureCookieSessionInterface
from flask.views import MethodView, View
from werkzeug.exceptions import Forbidden, HTTPException, ServiceUnavailable, Unauthorized

from flask_session_claims import (
    Auth,
    ConfigurationError,
    RequestAuth,
    SessionClaims,
    claims_required,
    current_auth,
    get_auth,
    login_required,
    public,
    token_rejected,
)
from flask_session_claims.testing import FrozenClock, KeyServer, LocalIssuer, shared_key, signed_in

APP = "https://app.example"
NAVIGATE = {"Sec-Fetch-Mode": "navigate"}


@pytest.fixture
def config(issuer: LocalIssuer) -> dict[str, Any]:
    return {
        "SESSION_CLAIMS_ISSUER": issuer.issuer,
        "SESSION_CLAIMS_JWKS": issuer.jwks(),
        "SESSION_CLAIMS_ORIGINS": [APP],
    }


@pytest.fixture
def app(config: dict[str, Any]) -> Flask:
    app = Flask("site")
    app.config.update(config)
    SessionClaims(app)
    app.add_url_rule("/me", view_func=me)
    return app


def me() -> dict[str, Any]:
    return {"user": g.auth.user_id, "reason": g.auth.reason}


def ok() -> str:
    return "ok"


@pytest.fixture
def alice(issuer: LocalIssuer) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.mint('alice', azp=APP)}"}


@pytest.fixture
def bob(issuer: LocalIssuer) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.mint('bob', azp=APP, org_id='o', org_role='admin')}"}


def statuses(app: Flask, path: str, *headers: dict[str, str]) -> list[int]:
    client = app.test_client()
    return [client.get(path, headers=each).status_code for each in headers]


# --- blueprints and classes -----------------------------------------------------------------


@pytest.mark.parametrize("policy", ["public", "optional", "required"])
@pytest.mark.parametrize("gate", [login_required, login_required(allow_actor=True)])
def test_before_request_guards_a_blueprint_and_its_children(config, alice, policy, gate):
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_DEFAULT_POLICY=policy)
    SessionClaims(app)
    account, inner, other = (Blueprint(name, "x") for name in ("account", "inner", "other"))
    account.before_request(gate)
    account.add_url_rule("/page", view_func=ok)
    inner.add_url_rule("/page", view_func=ok)
    other.add_url_rule("/page", view_func=public(lambda: "ok"), endpoint="page")
    account.register_blueprint(inner, url_prefix="/inner")
    app.register_blueprint(account, url_prefix="/account")
    app.register_blueprint(other, url_prefix="/other")
    assert statuses(app, "/account/page", {}, alice) == [401, 200]
    assert statuses(app, "/account/inner/page", {}, alice) == [401, 200]
    assert statuses(app, "/other/page", {}, alice) == [200, 200]


def test_before_request_takes_claims_required(app, alice, bob):
    admin = Blueprint("admin", "x", url_prefix="/admin")
    admin.before_request(claims_required(role="admin"))
    admin.add_url_rule("/", view_func=ok)
    app.register_blueprint(admin)
    assert statuses(app, "/admin/", {}, alice, bob) == [401, 403, 200]


def test_before_request_sends_navigations_to_sign_in(config):
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    SessionClaims(app)
    account = Blueprint("account", "x", url_prefix="/account")
    account.before_request(login_required)
    account.add_url_rule("/", view_func=ok)
    app.register_blueprint(account)
    reply = app.test_client().get("/account/?a=1", headers=NAVIGATE)
    assert (reply.status_code, reply.location) == (
        302,
        "/sign-in?redirect_url=%2Faccount%2F%3Fa%3D1",
    )


def test_the_way_back_names_where_the_app_is_mounted(config):
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    SessionClaims(app)
    app.add_url_rule("/page", view_func=login_required(ok))
    reply = app.test_client().get("/page", headers=NAVIGATE, base_url="http://localhost/shop")
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
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_DEFAULT_POLICY=policy)
    SessionClaims(app)

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
        app = Flask("site")
        app.config.update(config, SESSION_CLAIMS_DEFAULT_POLICY=policy)
        SessionClaims(app)
        app.add_url_rule("/page", view_func=page)
        apps.append(app)
    for _ in range(2):
        assert [statuses(app, "/page", {}, alice) for app in apps] == [[200, 200], [401, 200]]


def test_a_view_that_takes_anothers_place_is_judged_for_itself(config):
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_DEFAULT_POLICY="required")
    SessionClaims(app)
    app.add_url_rule("/page", "page", public(lambda: "public"))
    assert statuses(app, "/page", {}) == [200]
    app.view_functions["page"] = lambda: "not public"
    assert statuses(app, "/page", {}) == [401]


def test_a_gate_in_an_app_without_the_extension_stays_closed(alice):
    app = Flask("bare")
    ran = []
    app.add_url_rule("/page", view_func=login_required(lambda: ran.append(1) or "ok"), endpoint="p")
    assert statuses(app, "/page", alice) == [500]
    app.testing = True
    with pytest.raises(ConfigurationError, match="SessionClaims"):
        app.test_client().get("/page", headers=alice)
    assert ran == []


# --- where it is ----------------------------------------------------------------------------


def test_outside_a_request_there_is_no_auth_and_the_error_says_what_to_do(app):
    for within in (False, True):
        if within:
            app.app_context().push()
        for read in (get_auth, lambda: current_auth.user_id, lambda: current_auth.value):
            with pytest.raises(RuntimeError, match=r"get_auth\(default=None\)"):
                read()
        assert get_auth(default=None) is None
        assert get_auth(None) is None
    flask.globals.app_ctx._get_current_object().pop()


def test_the_proxy_is_what_stands_on_g(app, alice):
    @app.get("/proxy")
    def page() -> dict[str, Any]:
        return {
            "same": current_auth._get_current_object() is g.auth,
            "kind": isinstance(current_auth, RequestAuth),
            "equal": current_auth == g.auth == get_auth(),
            "claims": current_auth.session_claims["sub"],
            "plain": type(get_auth()) is Auth,
        }

    seen = app.test_client().get("/proxy", headers=alice).json
    assert seen == {"same": True, "kind": True, "equal": True, "claims": "alice", "plain": True}


def test_a_test_request_context_has_auth_without_any_hook_having_run(app, alice, bob):
    with app.test_request_context("/me", headers=alice):
        assert (get_auth().user_id, current_auth.user_id) == ("alice", "alice")
        assert g.auth.user_id == "alice"
        with app.test_request_context("/me", headers=bob):
            assert (get_auth().user_id, current_auth.user_id) == ("bob", "bob")
    with app.test_request_context("/me"):
        assert get_auth().reason == "session-token-missing"


def test_contexts_that_share_g_do_not_share_auth(app, alice, bob):
    with app.app_context():
        for headers, user in ((alice, "alice"), ({}, None), (bob, "bob"), ({}, None)):
            with app.test_request_context("/me", headers=headers):
                assert (get_auth().user_id, current_auth.user_id) == (user, user)


def test_nothing_stays_on_g_when_g_outlives_the_request(app, alice):
    app.add_url_rule("/fails", view_func=lambda: 1 / len(g.auth.org_permissions), endpoint="fails")
    with app.app_context():
        before = set(g)
        for path in ("/me", "/fails", "/nowhere"):
            app.test_client().get(path, headers=alice)
            assert set(g) == before
        with pytest.raises(RuntimeError):
            get_auth()


def test_a_request_made_inside_a_view_leaves_the_outer_one_as_it_was(app, alice, bob):
    @app.get("/outer")
    def outer() -> dict[str, Any]:
        before = g.auth.user_id
        inner = app.test_client().get("/me", headers=bob).json["user"]
        return {"seen": [before, inner, g.auth.user_id, get_auth().user_id]}

    reply = app.test_client().get("/outer", headers=alice)
    assert reply.json == {"seen": ["alice", "bob", "alice", "alice"]}
    assert reply.headers["Cache-Control"] == "private"
    assert "Cookie" in reply.headers["Vary"]


def test_the_context_that_a_client_keeps_open_still_has_auth(app, alice):
    with app.test_client() as client:
        client.get("/me", headers=alice)
        assert (g.auth.user_id, current_auth.user_id) == ("alice", "alice")
        client.get("/me")
        assert current_auth.user_id is None


def test_auth_can_be_read_while_a_response_is_streamed(app, alice):
    @app.get("/stream")
    def stream() -> Any:
        @stream_with_context
        def parts() -> Any:
            yield "for "
            yield g.auth.user_id

        return parts()

    assert app.test_client().get("/stream", headers=alice).text == "for alice"


def test_a_copied_request_context_carries_auth_into_a_thread(app, alice):
    @app.get("/thread")
    def page() -> dict[str, Any]:
        seen: list[Any] = []

        @copy_current_request_context
        def work() -> None:
            seen.append(get_auth().user_id)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return {"thread": seen, "here": g.auth.user_id}

    assert app.test_client().get("/thread", headers=alice).json == {
        "thread": ["alice"],
        "here": "alice",
    }


def test_hooks_see_auth_whenever_they_were_registered(config, alice):
    app = Flask("site")
    app.config.update(config)
    seen: list[Any] = []

    @app.before_request
    def before() -> None:
        seen.append(("before", g.auth.user_id))

    @app.after_request
    def after(response: flask.Response) -> flask.Response:
        seen.append(("after", g.auth.user_id))
        return response

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        seen.append(("teardown", g.auth.user_id))

    SessionClaims(app)
    app.add_url_rule("/open", view_func=ok)
    with app.app_context():
        for headers in (alice, {}):
            reply = app.test_client().get("/open", headers=headers)
            # The hooks have read it, if the view has not.
            assert "Cookie" in reply.headers["Vary"]
    times = ("before", "after", "teardown")
    assert seen == [(time, who) for who in ("alice", None) for time in times]


def test_the_apps_session_is_not_touched(config, alice, bob):
    opened: list[Any] = []

    class Watching(SecureCookieSessionInterface):
        def open_session(self, app: Any, request: Any) -> Any:
            opened.append(super().open_session(app, request))
            return opened[-1]

    app = Flask("site")
    app.config.update(config, SECRET_KEY="x" * 32, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    app.session_interface = Watching()
    SessionClaims(app)
    app.add_url_rule("/page", view_func=claims_required(role="admin")(me))
    for headers in ({}, alice, bob, NAVIGATE):
        reply = app.test_client().get("/page", headers=headers)
        assert "Set-Cookie" not in reply.headers
    assert [session.accessed or session.modified for session in opened] == [False] * 4


def test_static_files_are_served_while_keys_cannot_be_had(issuer, alice, tmp_path):
    (tmp_path / "style.css").write_text("p {}")
    with KeyServer(issuer) as server:
        server.mode = "status"
        app = Flask("site", static_folder=str(tmp_path))
        SessionClaims(
            app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True, origins=[APP]
        )
        app.add_url_rule("/me", view_func=me)
        reply = app.test_client().get("/static/style.css", headers=alice)
        assert (reply.status_code, reply.text) == (200, "p {}")
        assert statuses(app, "/me", alice) == [503]
        assert server.requests >= 1


# --- refusals as exceptions -----------------------------------------------------------------


def test_refusals_are_the_exceptions_of_werkzeug(app, alice):
    caught: list[HTTPException] = []

    @app.errorhandler(HTTPException)
    def handler(error: HTTPException) -> HTTPException:
        caught.append(error)
        return error

    app.add_url_rule("/page", "page", login_required(ok))
    app.add_url_rule("/admin", "admin", claims_required(role="admin")(ok))
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
        app.add_url_rule("/me", view_func=me)

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
    account.add_url_rule("/", view_func=login_required(ok))
    app.register_blueprint(account)
    app.add_url_rule("/page", view_func=login_required(ok))
    client = app.test_client()
    assert client.get("/account/").text == "account: session-token-missing"
    assert client.get("/page").json["code"] == "session-token-missing"


def test_a_refusal_is_no_unhandled_exception_in_testing_and_debug(app):
    app.testing = app.debug = True
    app.add_url_rule("/page", view_func=login_required(ok))
    assert statuses(app, "/page", {}, {"Authorization": "Bearer x"}) == [401, 401]


# --- several apps, and configuration ----------------------------------------------------------


def test_one_extension_object_serves_several_apps():
    claims = SessionClaims()
    apps = []
    for number in range(3):
        issuer = LocalIssuer(f"https://{number}.example", key=shared_key("ES256", number))
        app = Flask(f"site{number}")
        app.config.update(
            SESSION_CLAIMS_ISSUER=issuer.issuer,
            SESSION_CLAIMS_JWKS=issuer.jwks(),
            SESSION_CLAIMS_COOKIE_NAME=f"session{number}",
        )
        claims.init_app(app)
        app.add_url_rule("/me", view_func=me)
        apps.append((app, {"Cookie": f"session{number}={issuer.mint(f'user_{number}')}"}))
    assert not [value for value in vars(claims).values() if isinstance(value, Flask)]
    for number, (app, _) in enumerate(apps):
        seen = [
            app.test_client(use_cookies=False).get("/me", headers=h).json["user"] for _, h in apps
        ]
        assert seen == [f"user_{number}" if number == n else None for n in range(3)]


def test_an_app_of_another_issuer_mounted_inside_a_request_has_its_own_auth(app, alice):
    other = LocalIssuer("https://other.example", key=shared_key("ES256", 2))
    inner = Flask("inner")
    SessionClaims(inner, issuer=other.issuer, jwks=other.jwks())
    inner.add_url_rule("/me", view_func=me)

    @app.get("/outer")
    def outer() -> dict[str, Any]:
        bearer = {"Authorization": f"Bearer {other.mint('olga')}"}
        return {
            "seen": [inner.test_client().get("/me", headers=bearer).json["user"], g.auth.user_id]
        }

    assert app.test_client().get("/outer", headers=alice).json == {"seen": ["olga", "alice"]}


def test_a_second_extension_on_one_app_is_a_mistake(app):
    for again in (lambda: SessionClaims(app), lambda: SessionClaims().init_app(app)):
        with pytest.raises(ConfigurationError, match="already"):
            again()


def test_keywords_win_over_the_apps_configuration(config, issuer):
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_COOKIE_NAME="from_config")
    SessionClaims(app, cookie_name="from_code")
    app.add_url_rule("/me", view_func=me)
    for name, user in (("from_code", "user_1"), ("from_config", None)):
        client = signed_in(app.test_client(), issuer.mint(azp=APP), cookie_name=name)
        assert client.get("/me").json["user"] == user


def test_the_clock_is_handed_down():
    clock = FrozenClock()
    issuer = LocalIssuer("https://issuer.example", key=shared_key("ES256"), clock=clock)
    app = Flask("site")
    SessionClaims(app, clock=clock, issuer=issuer.issuer, jwks=issuer.jwks(), leeway=5)
    app.add_url_rule("/me", view_func=me)
    client = signed_in(app.test_client(), issuer.mint("alice", lifetime=60), source="header")
    assert client.get("/me").json["user"] == "alice"
    clock.advance(64)
    assert client.get("/me").json["user"] == "alice"
    clock.advance(1)
    assert client.get("/me").json == {"user": None, "reason": "token-expired"}


def test_settings_survive_the_environment(monkeypatch, issuer, alice):
    values = {
        "ISSUER": issuer.issuer,
        "JWT_KEY": issuer.public_pem().replace("\n", "\\n"),
        "ORIGINS": f"{APP}, https://www.example",
        "AUDIENCE": "12345",
        "LEEWAY": "7",
        "ALLOW_MISSING_AZP": "true",
        "TOKEN_SOURCES": '["header"]',
        "DEFAULT_POLICY": "required",
        "SIGN_IN_URL": "/sign-in",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"FLASK_SESSION_CLAIMS_{name}", value)
    app = Flask("site")
    app.config.from_prefixed_env()
    assert app.config["SESSION_CLAIMS_AUDIENCE"] == 12345
    SessionClaims(app)
    app.add_url_rule("/me", view_func=me)
    token = issuer.mint("alice", aud="12345", lifetime=-5)
    assert app.test_client().get("/me", headers={"Authorization": f"Bearer {token}"}).json == {
        "user": "alice",
        "reason": None,
    }
    assert statuses(app, "/me", alice, NAVIGATE) == [401, 302]


def test_a_key_set_survives_the_environment(monkeypatch, issuer, alice):
    monkeypatch.setenv("FLASK_SESSION_CLAIMS_ISSUER", issuer.issuer)
    monkeypatch.setenv("FLASK_SESSION_CLAIMS_JWKS", json.dumps(issuer.jwks()))
    app = Flask("site")
    app.config.from_prefixed_env()
    SessionClaims(app)
    app.add_url_rule("/me", view_func=me)
    assert app.test_client().get("/me", headers=alice).json["user"] == "alice"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("COOKIE_NAM", "x", "COOKIE_NAME"),
        ("DEFAULT_POLICY", "require", "required"),
        ("LEEWAY", "soon", "LEEWAY"),
        ("ORIGINS", "https://app.example/path", "ORIGINS"),
        ("ISSUER", None, "ISSUER"),
    ],
)
def test_a_wrong_setting_is_an_error_at_start_that_names_it(config, key, value, says):
    app = Flask("site")
    app.config.update(config)
    app.config[f"SESSION_CLAIMS_{key}"] = value
    with pytest.raises(ConfigurationError, match=f"SESSION_CLAIMS_{key}") as caught:
        SessionClaims(app)
    assert says in str(caught.value)
    # Nothing was installed by halves: a later, right call works.
    app.config.update(config)
    app.config.pop("SESSION_CLAIMS_COOKIE_NAM", None)
    app.config.pop("SESSION_CLAIMS_DEFAULT_POLICY", None)
    app.config.pop("SESSION_CLAIMS_LEEWAY", None)
    SessionClaims(app)


def test_the_start_logs_issuer_and_keys_in_one_line(config, issuer, logged):
    app = Flask("site")
    app.config.update(config)
    SessionClaims(app)
    lines = [text for text in logged if issuer.issuer in text]
    assert len(lines) == 1


# --- signals and commands -------------------------------------------------------------------


def test_signals_come_from_the_app_to_sync_and_async_receivers(app):
    seen: list[Any] = []

    def sync_receiver(sender: Any, **extra: Any) -> None:
        seen.append((sender is app, extra))

    async def async_receiver(sender: Any, **extra: Any) -> None:
        seen.append((sender is app, extra))

    with token_rejected.connected_to(sync_receiver), token_rejected.connected_to(async_receiver):
        app.test_client().get("/me", headers={"Authorization": "Bearer x"})
    assert seen == [(True, {"reason": "token-invalid", "source": "header"})] * 2


def test_a_receiver_that_fails_undoes_nothing_and_is_logged(app, logged):
    def receiver(sender: Any, **extra: Any) -> None:
        raise RuntimeError("the receiver's own mistake")

    with token_rejected.connected_to(receiver):
        reply = app.test_client().get("/me", headers={"Authorization": "Bearer x"})
    assert reply.json == {"user": None, "reason": "token-invalid"}
    assert [text for text in logged if "the receiver's own mistake" in text]


def test_the_doctor_is_content_with_given_keys_and_origins(app):
    result = app.test_cli_runner().invoke(args=["session-claims", "doctor"])
    assert result.exit_code == 0
    assert "1 given keys" in result.output
    assert "error" not in result.output
    assert "warning" not in result.output


def test_the_doctor_warns_where_azp_is_not_checked(config):
    app = Flask("site")
    app.config.update(config, SESSION_CLAIMS_ORIGINS=None)
    SessionClaims(app)
    result = app.test_cli_runner().invoke(args=["session-claims", "doctor"])
    assert result.exit_code == 0
    assert "warning" in result.output
    assert "SESSION_CLAIMS_ORIGINS" in result.output


def test_the_doctor_tries_the_key_set_and_fails_where_it_cannot_be_had(issuer):
    with KeyServer(issuer) as server:
        app = Flask("site")
        SessionClaims(app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True)
        runner = app.test_cli_runner()
        server.mode = "status"
        result = runner.invoke(args=["session-claims", "doctor"])
        assert result.exit_code == 1
        assert "error" in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
    with KeyServer(issuer) as server:
        app = Flask("site")
        SessionClaims(app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True)
        result = app.test_cli_runner().invoke(args=["session-claims", "doctor"])
        assert (result.exit_code, server.requests) == (0, 1)
        assert server.url in result.output


def test_the_commands_of_two_apps_are_their_own(config):
    apps = [Flask("one"), Flask("two")]
    for app in apps:
        app.config.update(config)
        SessionClaims(app)
    for app in apps:
        assert app.test_cli_runner().invoke(args=["session-claims", "--help"]).exit_code == 0
