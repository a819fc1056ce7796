"""Where auth is in Flask's contexts: `g`, the proxy, hooks, threads, streams."""

from __future__ import annotations

import threading
from typing import Any

import flask
import pytest
from flask import Flask, Response, copy_current_request_context, g, request, stream_with_context
from flask.sessions import SecureCookieSessionInterface

from flask_session_claims import (
    Auth,
    RequestAuth,
    SessionClaims,
    claims_required,
    current_auth,
    get_auth,
    token_rejected,
)
from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key

from .flask_site import APP, NAVIGATE, show, statuses, with_me


@pytest.fixture
def app(config: dict[str, Any]) -> Flask:
    return with_me(config)


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


def test_a_context_of_a_copied_environ_is_judged_for_itself(app, alice, bob):
    with app.test_request_context("/me", headers=alice):
        assert get_auth().user_id == "alice"
        copied = {**request.environ, "HTTP_AUTHORIZATION": bob["Authorization"]}
        with app.request_context(copied):
            assert (get_auth().user_id, current_auth.user_id) == ("bob", "bob")
        assert (get_auth().user_id, current_auth.user_id) == ("alice", "alice")


def test_an_app_that_is_handed_the_request_of_another_keeps_to_itself(app, alice):
    other = LocalIssuer("https://other.example", key=shared_key("ES256", 2))
    inner = Flask("inner")
    SessionClaims(inner, issuer=other.issuer, jwks=other.jwks())
    inner.add_url_rule("/outer", "inner", lambda: g.auth.reason)

    @app.get("/outer")
    def outer() -> dict[str, Any]:
        before = g.auth.user_id
        reason = Response.from_app(inner, request.environ).get_data(as_text=True)
        return {"seen": [before, reason, get_auth().user_id, g.auth.user_id]}

    reply = app.test_client().get("/outer", headers=alice)
    assert reply.json == {"seen": ["alice", "jwk-kid-mismatch", "alice", "alice"]}
    assert reply.headers.get("Cache-Control") == "private"
    assert "Cookie" in reply.headers.get("Vary", "")


def test_a_request_made_inside_a_view_leaves_the_outer_one_as_it_was(app, alice, bob):
    @app.get("/outer")
    def outer() -> dict[str, Any]:
        before = g.auth.user_id
        inner = app.test_client().get("/me", headers=bob).json["user"]
        return {"seen": [before, inner, get_auth().user_id, current_auth.user_id, g.auth.user_id]}

    reply = app.test_client().get("/outer", headers=alice)
    assert reply.json == {"seen": ["alice", "bob", "alice", "alice", "alice"]}


def test_a_request_made_inside_a_view_does_not_make_the_outer_response_shared(app, alice, bob):
    @app.get("/outer")
    def outer() -> dict[str, Any]:
        before = g.auth.user_id
        app.test_client().get("/me", headers=bob)
        return {"user": before}

    reply = app.test_client().get("/outer", headers=alice)
    assert reply.json == {"user": "alice"}
    assert reply.headers.get("Cache-Control") == "private"
    assert "Cookie" in reply.headers.get("Vary", "")


def test_the_context_that_a_client_keeps_open_still_has_auth(app, alice):
    with app.test_client() as client:
        client.get("/me", headers=alice)
        assert (current_auth.user_id, get_auth().user_id) == ("alice", "alice")
        client.get("/me")
        assert current_auth.user_id is None


def test_auth_can_be_read_while_a_response_is_streamed(app, alice):
    """By `current_auth`: Flask 3.1 ends the request, and with it `g.auth`, before it streams."""

    @app.get("/stream")
    def stream() -> Any:
        @stream_with_context
        def parts() -> Any:
            yield "for "
            yield current_auth.user_id

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
        return {"thread": seen, "here": [g.auth.user_id, get_auth().user_id]}

    reply = app.test_client().get("/thread", headers=alice)
    assert reply.json == {"thread": ["alice"], "here": ["alice", "alice"]}
    assert reply.headers.get("Cache-Control") == "private"
    assert "Cookie" in reply.headers.get("Vary", "")


def open_page() -> str:
    return "ok"


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
    app.add_url_rule("/open", view_func=open_page)
    with app.app_context():
        for headers in (alice, {}):
            reply = app.test_client().get("/open", headers=headers)
            # The hooks have read it, if the view has not.
            assert "Cookie" in reply.headers["Vary"]
    times = ("before", "after", "teardown")
    assert seen == [(time, who) for who in ("alice", None) for time in times]


@pytest.mark.parametrize("early", ["url_value_preprocessor", "request_started"])
def test_auth_read_before_any_hook_is_read_once_and_counts(app, alice, early):
    seen: list[Any] = []
    rejected: list[str] = []

    def read(*args: Any, **extra: Any) -> None:
        seen.append(get_auth().user_id)

    def note(sender: Any, *, reason: str, **extra: Any) -> None:
        rejected.append(reason)

    app.add_url_rule("/open", view_func=open_page)
    with token_rejected.connected_to(note):
        if early == "request_started":
            with flask.request_started.connected_to(read, app):
                replies = [
                    app.test_client().get("/open", headers=headers)
                    for headers in (alice, {"Authorization": "Bearer x"})
                ]
        else:
            app.url_value_preprocessor(read)
            replies = [
                app.test_client().get("/open", headers=headers)
                for headers in (alice, {"Authorization": "Bearer x"})
            ]
    assert seen == ["alice", None]
    assert rejected == ["token-invalid"]
    assert ["Cookie" in reply.headers.get("Vary", "") for reply in replies] == [True, True]
    assert replies[0].headers.get("Cache-Control") == "private"


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
    show(app, "/page", claims_required(role="admin"))
    for headers in ({}, alice, bob, NAVIGATE):
        reply = app.test_client().get("/page", headers=headers)
        assert "Set-Cookie" not in reply.headers
    assert [session.accessed or session.modified for session in opened] == [False] * 4


def test_static_files_are_served_while_keys_cannot_be_had(issuer, alice, tmp_path):
    (tmp_path / "style.css").write_text("p {}")
    with KeyServer(issuer) as server:
        server.mode = "status"
        app = Flask("site", static_folder=str(tmp_path), static_url_path="/static")
        SessionClaims(
            app, issuer=issuer.issuer, jwks_url=server.url, allow_loopback_http=True, origins=[APP]
        )
        show(app, "/me")
        with app.test_client().get("/static/style.css", headers=alice) as reply:
            assert (reply.status_code, reply.text) == (200, "p {}")
        assert statuses(app, "/me", alice) == [503]
        assert server.requests >= 1
