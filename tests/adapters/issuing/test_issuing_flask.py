"""The issuing contract over Flask, and what is particular to Flask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import flask
import pytest

import flask_session_claims as claims_of
from flask_session_claims.core.jsontext import b64url_decode
from flask_session_claims.sessions.givenkey import given_key
from flask_session_claims.sessions.model import Session
from flask_session_claims.sessions.tokens import b64url
from flask_session_claims.testing import FrozenClock, LocalIssuer, shared_key

from .contract import IssuingContract
from .driver_flask import FlaskDriver
from .drivers import MOUNT, SAME
from .sites import TOKEN

HEADERS = dict(SAME)


class TestIssuingFlask(IssuingContract):
    @pytest.fixture
    def driver(self) -> FlaskDriver:
        return FlaskDriver()


def app_of(clock: FrozenClock, **settings: Any) -> tuple[flask.Flask, claims_of.SessionClaims]:
    """An app with POST /in and GET /me, without endpoints."""
    app = flask.Flask("own_site")
    app.config.update(SECRET_KEY="the secret key of this test", SESSION_CLAIMS_ISSUER="self",
                      SESSION_CLAIMS_STORE="memory:", SESSION_CLAIMS_DEV_COOKIES=True)  # fmt: skip
    app.config.update({f"SESSION_CLAIMS_{name}": value for name, value in settings.items()})
    claims = claims_of.SessionClaims(app, clock=clock)

    @app.post("/in")
    def sign_in() -> dict[str, Any]:
        return {"id": claims_of.create_session("ann").session_id}

    @app.get("/me")
    @claims_of.login_required
    def me() -> dict[str, Any]:
        return {"user": flask.g.auth.user_id, "claims": flask.g.auth.session_claims}

    return app, claims


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def test_without_a_refresh_endpoint_nobody_is_signed_in(clock: FrozenClock) -> None:
    app, claims = app_of(clock, REFRESH_MODE="endpoint")
    response = app.test_client().post("/in", headers=HEADERS)
    assert response.status_code == 500
    assert response.headers.getlist("Set-Cookie") == []
    assert claims.sessions.list_for_user("ann") == ()


def test_the_hook_may_look_at_auth_while_it_refreshes(clock: FrozenClock) -> None:
    app, claims = app_of(clock)
    seen: list[str | None] = []

    @claims.provide
    def provide(user_id: str, session: Session | None) -> Mapping[str, Any]:
        seen.append(flask.g.auth.user_id)
        return {"plan": "pro"}

    client = app.test_client()
    client.post("/in", headers=HEADERS)
    clock.advance(TOKEN + 10)
    response = client.get("/me")
    assert response.json is not None
    assert (response.status_code, response.json["user"]) == (200, "ann")
    assert seen == [None, None]  # nobody is signed in yet


def test_an_exception_that_reaches_the_server_signs_nobody_in(clock: FrozenClock) -> None:
    """As in debug and testing mode, where Flask makes no response of it."""
    app, claims = app_of(clock)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.post("/in-and-fail")
    def fail() -> str:
        claims_of.create_session("ben")
        raise RuntimeError("the view's own mistake")

    client = app.test_client()
    with pytest.raises(RuntimeError, match="own mistake"):
        client.post("/in-and-fail", headers=HEADERS)
    assert claims.sessions.list_for_user("ben") == ()
    assert client.get("/me").status_code == 401


def test_what_flask_s_later_hooks_answer_decides(clock: FrozenClock) -> None:
    """The status that counts is the one that is sent."""
    app, claims = app_of(clock)

    @app.after_request
    def fail(response: flask.Response) -> flask.Response:
        response.status_code = 503
        return response

    response = app.test_client().post("/in", headers=HEADERS)
    assert response.status_code == 503
    assert response.headers.getlist("Set-Cookie") == []
    assert claims.sessions.list_for_user("ann") == ()


def test_flask_s_own_session_cookie_stays_beside_ours(clock: FrozenClock) -> None:
    app, _ = app_of(clock)

    @app.post("/both")
    def both() -> str:
        flask.session["cart"] = [1]
        claims_of.create_session("ann")
        return ""

    client = app.test_client()
    response = client.post("/both", headers=HEADERS)
    names = [field.partition("=")[0] for field in response.headers.getlist("Set-Cookie")]
    assert len(names) == 3
    assert "session" in names
    assert client.get("/me").status_code == 200


def test_below_a_prefix_of_the_server_the_refresh_cookie_goes_there(clock: FrozenClock) -> None:
    app, claims = app_of(clock, REFRESH_MODE="endpoint")
    app.register_blueprint(claims.blueprint(), url_prefix=MOUNT)
    client = app.test_client(use_cookies=False)
    response = client.post("/in", headers=HEADERS, environ_overrides={"SCRIPT_NAME": "/shop"})
    fields = response.headers.getlist("Set-Cookie")
    paths = {field.partition("=")[0][:8]: field.split("Path=")[1].split(";")[0] for field in fields}
    assert paths == {"session_": "/", "refresh_": f"/shop{MOUNT}/session/refresh"}


def test_signing_in_after_signing_out_in_one_request_leaves_one_session(
    clock: FrozenClock,
) -> None:
    app, claims = app_of(clock)

    @app.post("/switch")
    def switch() -> dict[str, Any]:
        claims_of.revoke_session()
        claims_of.create_session("ben")
        claims_of.create_session("cid")
        claims_of.merge_session_claims({"a": 1})
        return {"user": flask.g.auth.user_id}

    @app.post("/in-and-out")
    def in_and_out() -> dict[str, Any]:
        claims_of.create_session("dan")
        claims_of.revoke_session()
        return {"user": flask.g.auth.user_id}

    client = app.test_client()
    client.post("/in", headers=HEADERS)
    assert client.post("/switch", headers=HEADERS).json == {"user": "cid"}
    answer = client.get("/me").json
    assert answer is not None
    assert (answer["user"], answer["claims"]["a"]) == ("cid", 1)
    users = ("ann", "ben", "cid", "dan")
    live = [user for user in users if claims.sessions.list_for_user(user)]
    assert live == ["cid"]
    assert client.post("/in-and-out", headers=HEADERS).json == {"user": None}
    assert client.get("/me").status_code == 401
    assert [user for user in users if claims.sessions.list_for_user(user)] == []


def test_once_the_headers_are_sent_nobody_signs_in(clock: FrozenClock) -> None:
    app, claims = app_of(clock)
    codes: list[str] = []

    @app.post("/late")
    def late() -> flask.Response:
        def body() -> Any:
            yield "begun"
            try:
                claims_of.create_session("ben")
            except claims_of.SessionError as error:
                codes.append(error.code)

        return flask.Response(flask.stream_with_context(body()))

    response = app.test_client().post("/late", headers=HEADERS)
    assert response.get_data(as_text=True) == "begun"
    assert codes == ["headers-sent"]
    assert claims.sessions.list_for_user("ben") == ()


def test_the_endpoint_exchanges_no_token_twice(clock: FrozenClock) -> None:
    """Who looks ahead of it has refreshed already, and without a grace a used token is reuse."""
    app, claims = app_of(clock, REFRESH_GRACE=0)
    app.register_blueprint(claims.blueprint(), url_prefix=MOUNT)

    @app.before_request
    def look() -> None:
        _ = flask.g.auth.user_id
        clock.advance(1)

    client = app.test_client()
    client.post("/in", headers=HEADERS)
    clock.advance(TOKEN + 10)
    assert client.post(f"{MOUNT}/session/refresh", headers=HEADERS).status_code == 200
    assert client.get("/me").status_code == 200


def test_an_async_hook_sees_the_request_of_an_async_view(clock: FrozenClock) -> None:
    pytest.importorskip("asgiref", reason="async views in Flask need the extra async")
    app, claims = app_of(clock)

    @claims.provide
    async def provide(user_id: str, session: Session | None) -> Mapping[str, Any]:
        return {"path": flask.request.path}

    @app.post("/async-in")
    async def async_sign_in() -> dict[str, Any]:
        claims_of.create_session("ann")
        return {"path": flask.g.auth.session_claims["path"]}

    response = app.test_client().post("/async-in", headers=HEADERS)
    assert response.json == {"path": "/async-in"}


def test_another_token_under_the_same_key_signs_nobody_in(clock: FrozenClock) -> None:
    pem = LocalIssuer(key=shared_key("ES256")).private_pem()
    app, claims = app_of(clock, SIGNING_KEY=pem, ISSUER_URL="https://app.example")
    token = claims.sessions.create("ann").session_token
    header, body, _ = token.split(".")
    said = json.loads(b64url_decode(header.encode()))
    del said["cat"]
    start = f"{b64url(json.dumps(said).encode())}.{body}"
    signed = given_key(pem, "SIGNING_KEY").signer.sign(start.encode())
    statuses = [
        app.test_client().get("/me", headers={"Authorization": f"Bearer {sent}"}).status_code
        for sent in (token, f"{start}.{b64url(signed)}")
    ]
    assert statuses == [200, 401]
