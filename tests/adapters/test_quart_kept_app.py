"""Who kept the app's `asgi_app` before we were around it serves past us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("quart")

from quart import Quart, Response, g, request
from quart_session_claims import SessionClaims, create_session, login_required
from werkzeug.datastructures import Headers

from .quart_site import bearer, shaken, socket

OWN = {
    "SECRET_KEY": "of a test " * 4,
    "SESSION_CLAIMS_ISSUER": "self",
    "SESSION_CLAIMS_STORE": "memory:",
}
HERE = {"Sec-Fetch-Site": "same-origin"}


def kept(app: Quart) -> SessionClaims:
    before = app.asgi_app
    claims = SessionClaims(app)
    app.asgi_app = before  # type: ignore[method-assign]
    return claims


def stripped(app: Quart) -> SessionClaims:
    """The same, where what is between us and the app hands on only what it knows."""
    inner = app.asgi_app

    async def call(scope: Any, receive: Any, send: Any) -> None:
        known = {name: value for name, value in scope.items() if "session_claims" not in name}
        await inner(known, receive, send)

    app.asgi_app = call  # type: ignore[method-assign]
    return SessionClaims(app)


@pytest.fixture(params=[kept, stripped])
def around(request: Any) -> Callable[[Quart], SessionClaims]:
    around: Callable[[Quart], SessionClaims] = request.param
    return around


def make(config: dict[str, Any], around: Any) -> tuple[Quart, SessionClaims]:
    app = Quart("site")
    app.config.update(config)
    claims: SessionClaims = around(app)
    socket(app, "/ws", login_required)

    @app.get("/free")
    async def free() -> str:
        return "free"

    @app.get("/mine")
    @login_required
    async def mine() -> str:
        return str(g.auth.user_id)

    @app.post("/in")
    async def sign_in() -> Any:
        await create_session("ann")
        return "", int(request.args.get("status", 200))

    @app.post("/in-and-raise")
    async def sign_in_and_raise() -> str:
        await create_session("ben")
        raise RuntimeError("the view's own mistake")

    return app, claims


def ask(app: Quart, method: str, path: str, headers: dict[str, str]) -> Headers:
    async def send() -> Headers:
        client = app.test_client(use_cookies=False)
        response = await client.open(path, method=method, headers=headers)
        return response.headers

    return asyncio.run(send())


def test_what_depends_on_who_asks_says_so(config, around, alice):
    app, _ = make(config, around)
    for _ in range(2):
        headers = ask(app, "GET", "/mine", alice)
        assert headers.getlist("Cache-Control") == ["private"]
        assert {"authorization", "cookie"} <= set(headers["Vary"].lower().split(", "))
        assert "Cache-Control" not in ask(app, "GET", "/free", alice)


def test_a_hook_that_looks_at_the_end_counts(config, around, alice):
    app, _ = make(config, around)

    @app.after_request
    async def note(response: Response) -> Response:
        response.headers["Seen"] = g.auth.user_id
        return response

    headers = ask(app, "GET", "/free", alice)
    assert headers["Seen"] == "alice"
    assert headers["Cache-Control"] == "private"


def test_websockets(config, around, alice):
    app, _ = make(config, around)
    for _ in range(2):
        assert shaken(app, "/ws", bearer(alice)).said["user"] == "alice"
        refused = shaken(app, "/ws")
        assert refused.status == 401
        assert refused.headers["Cache-Control"] == "no-store"
        assert {"authorization", "cookie"} <= set(refused.headers["Vary"].lower().split(", "))


def test_a_session_reaches_its_browser(around):
    app, claims = make(OWN, around)
    headers = ask(app, "POST", "/in", HERE)
    assert len(headers.getlist("Set-Cookie")) == 2
    assert headers["Cache-Control"] == "no-store"
    assert len(claims.sessions.list_for_user("ann")) == 1


def test_a_response_that_fails_signs_nobody_in(around):
    app, claims = make(OWN, around)
    for path in ("/in?status=400", "/in-and-raise"):
        assert ask(app, "POST", path, HERE).getlist("Set-Cookie") == []
    assert [claims.sessions.list_for_user(user) for user in ("ann", "ben")] == [(), ()]
