"""Who kept the app's `wsgi_app` before we were around it, as Connexion does, serves past us."""

from __future__ import annotations

from typing import Any

import flask
import pytest
from flask import Flask, g

from flask_session_claims import SessionClaims, create_session, login_required

from ..flask_site import show

OWN = {
    "SECRET_KEY": "of a test " * 4,
    "SESSION_CLAIMS_ISSUER": "self",
    "SESSION_CLAIMS_STORE": "memory:",
}
HERE = {"Sec-Fetch-Site": "same-origin"}


def kept(app: Flask) -> SessionClaims:
    before = app.wsgi_app
    claims = SessionClaims(app)
    app.wsgi_app = before  # type: ignore[method-assign]
    return claims


def stripped(app: Flask) -> SessionClaims:
    """The same, where what is between us and the app hands on only what it knows."""
    inner = app.wsgi_app

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        known = {name: value for name, value in environ.items() if "session_claims" not in name}
        return inner(known, start_response)

    app.wsgi_app = call  # type: ignore[method-assign]
    return SessionClaims(app)


@pytest.fixture(params=[kept, stripped])
def around(request: Any) -> Any:
    return request.param


def make(config: dict[str, Any], around: Any) -> tuple[Flask, SessionClaims]:
    app = Flask("site")
    app.config.update(config)
    claims = around(app)
    app.add_url_rule("/free", "free", lambda: "free")
    show(app, "/me")
    show(app, "/mine", login_required)

    @app.post("/in")
    def sign_in() -> Any:
        create_session("ann")
        return "", int(flask.request.args.get("status", 200))

    @app.post("/in-and-raise")
    def sign_in_and_raise() -> str:
        create_session("ben")
        raise RuntimeError("the view's own mistake")

    return app, claims


@pytest.mark.parametrize("path", ["/me", "/mine"])
def test_what_depends_on_who_asks_says_so(config, around, alice, path):
    client = make(config, around)[0].test_client()
    for _ in range(2):
        response = client.get(path, headers=alice)
        assert response.json["user"] == "alice"
        assert response.headers.getlist("Cache-Control") == ["private"]
        assert response.headers.getlist("Vary") == ["Authorization, Cookie"]
        assert "Vary" not in client.get("/free", headers=alice).headers


def test_a_hook_that_looks_at_the_end_counts(config, around, alice):
    app, _ = make(config, around)

    @app.after_request
    def note(response: flask.Response) -> flask.Response:
        response.headers["Seen"] = g.auth.user_id
        return response

    response = app.test_client().get("/free", headers=alice)
    assert response.headers["Seen"] == "alice"
    assert response.headers["Cache-Control"] == "private"


def test_a_session_reaches_its_browser(around):
    app, claims = make(OWN, around)
    client = app.test_client()
    response = client.post("/in", headers=HERE, base_url="https://localhost")
    assert len(response.headers.getlist("Set-Cookie")) == 2
    assert response.headers["Cache-Control"] == "no-store"
    assert client.get("/mine", base_url="https://localhost").json["user"] == "ann"
    assert len(claims.sessions.list_for_user("ann")) == 1


@pytest.mark.parametrize("propagates", [False, True])
def test_a_response_that_fails_signs_nobody_in(around, propagates):
    app, claims = make({**OWN, "PROPAGATE_EXCEPTIONS": propagates}, around)
    client = app.test_client()
    response = client.post("/in?status=400", headers=HERE)
    assert response.headers.getlist("Set-Cookie") == []
    if propagates:
        with pytest.raises(RuntimeError, match="own mistake"):
            client.post("/in-and-raise", headers=HERE)
    else:
        response = client.post("/in-and-raise", headers=HERE)
        assert response.headers.getlist("Set-Cookie") == []
    assert [claims.sessions.list_for_user(user) for user in ("ann", "ben")] == [(), ()]
