"""ASGI middleware that was put around the app before us runs inside ours: what it hands on counts,
and what it sends is taken as ASGI allows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("quart")

from hypercorn.middleware import ProxyFixMiddleware
from quart import Quart, g, request
from quart_session_claims import SessionClaims, login_required

from .quart_site import bearer, fetch, shaken, socket

Called = Callable[[Any, Any, Any], Awaitable[None]]
VIA_PROXY = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.fixture
def between(config: dict[str, Any]) -> Callable[[Callable[[Called], Any]], Quart]:
    """An app that has such a middleware, and then us."""

    def between(middleware: Callable[[Called], Any]) -> Quart:
        app = Quart("site")
        app.config.update(config)
        app.asgi_app = middleware(app.asgi_app)  # type: ignore[method-assign]
        SessionClaims(app)

        @app.get("/me")
        @login_required
        async def me() -> str:
            return f"{g.auth.user_id} by {request.scheme}"

        socket(app, "/ws", login_required)
        return app

    return between


def test_one_that_copies_the_scope_deeply(between, alice):
    app = between(lambda inner: ProxyFixMiddleware(inner, mode="legacy", trusted_hops=1))
    assert asyncio.run(fetch(app, "/me", {**alice, **VIA_PROXY})) == (200, "alice by https")
    assert asyncio.run(fetch(app, "/me", VIA_PROXY))[0] == 401
    origin = ("Origin", "https://app.example")
    assert shaken(app, "/ws", bearer(alice), origin).said["user"] == "alice"
    assert shaken(app, "/ws", origin).status == 401


def as_(token: bytes | None) -> Callable[[Called], Called]:
    """Hands a copy on whose Authorization is another, or none."""

    def middleware(inner: Called) -> Called:
        async def call(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await inner(scope, receive, send)
                return
            fields = [field for field in scope["headers"] if field[0].lower() != b"authorization"]
            if token is not None:
                fields.append((b"authorization", token))
            await inner({**scope, "headers": fields}, receive, send)

        return call

    return middleware


def test_one_that_hands_other_credentials_on(between, alice, bob):
    app = between(as_(bob["Authorization"].encode()))
    for _ in range(2):  # by the long way, and by the short one
        for given in ({}, alice):
            assert asyncio.run(fetch(app, "/me", given)) == (200, "bob by http")
    assert shaken(app, "/ws", bearer(alice)).said["user"] == "bob"


def test_one_that_takes_credentials_away(between, alice):
    app = between(as_(None))
    assert asyncio.run(fetch(app, "/me", alice))[0] == 401
    assert shaken(app, "/ws", bearer(alice)).status == 401


def test_one_that_sends_a_start_without_headers(between, alice):
    def bare(inner: Called) -> Called:
        async def call(scope: Any, receive: Any, send: Any) -> None:
            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":  # ASGI: headers default to none
                    message = {"type": message["type"], "status": message["status"]}
                await send(message)

            await inner(scope, receive, sending)

        return call

    app = between(bare)

    async def ask() -> tuple[int, Any]:
        response = await app.test_client().get("/me", headers=alice)
        return response.status_code, response.headers

    status, headers = asyncio.run(ask())
    assert status == 200
    assert headers["Cache-Control"] == "private"
