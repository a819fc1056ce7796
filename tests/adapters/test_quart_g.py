"""`g.auth` in Quart: a property that looks at the request or websocket at hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("quart")

from quart import Quart, g
from quart.ctx import _AppCtxGlobals
from quart_session_claims import SessionClaims, current_auth

from flask_session_claims.core.request import AsyncRequestAuth

from .quart_site import fetch, make

OUTSIDE = "nobody can be signed in outside a request"


def show(app: Quart) -> None:
    @app.get("/me")
    async def me() -> dict[str, Any]:
        return {"user": g.auth.user_id, "current": current_auth.user_id}


def asked(app: Quart, path: str, headers: dict[str, str] | None = None) -> str:
    return asyncio.run(fetch(app, path, headers))[1]


def test_it_is_one_object_for_a_request_and_another_for_the_next(config, alice, bob):
    app = make(config)
    kept: list[Any] = []

    @app.before_request
    async def keep() -> None:
        kept.append(g.auth)

    @app.get("/same")
    async def same() -> str:
        return str(g.auth is kept[-1] and "auth" in g and g.get("auth") is g.auth)

    assert [asked(app, "/same", headers) for headers in (alice, bob)] == ["True", "True"]
    assert kept[0] is not kept[1]
    assert all(isinstance(each, AsyncRequestAuth) for each in kept)
    # One that was kept stays that of its own request.
    assert [each.user_id for each in kept] == ["alice", "bob"]


def test_outside_a_request_it_is_not_there_and_the_rest_of_g_is(config):
    async def play(app: Quart) -> None:
        async with app.app_context():
            with pytest.raises(AttributeError, match=OUTSIDE):
                _ = g.auth
            assert not hasattr(g, "auth")
            assert ("auth" in g, g.get("auth"), g.get("auth", 1), "other" in g) == (
                False, None, 1, False
            )  # fmt: skip
            assert (g.get("other"), g.setdefault("other", 2), list(g)) == (None, 2, ["other"])
            with pytest.raises(AttributeError, match="nothing"):
                _ = g.nothing
            assert isinstance(g._get_current_object(), _AppCtxGlobals)

    asyncio.run(play(make(config)))


def test_a_context_that_outlives_its_requests_has_nobodys(config, alice):
    async def play(app: Quart) -> None:
        async with app.app_context():
            seen = await fetch(app, "/me", alice)
            assert '"alice"' in seen[1]
            with pytest.raises(AttributeError, match=OUTSIDE):
                _ = g.auth
            assert list(g) == []

    app = make(config)
    show(app)
    asyncio.run(play(app))


def test_a_context_pushed_before_init_app_has_it_too(config, alice):
    async def play() -> str:
        app = Quart("site")
        app.config.update(config)
        async with app.app_context():
            g.kept = 1
            SessionClaims(app)
            assert (g.kept, list(g)) == (1, ["kept"])
            show(app)
            with pytest.raises(AttributeError, match=OUTSIDE):
                _ = g.auth
            return (await fetch(app, "/me", alice))[1]

    assert '"alice"' in asyncio.run(play())


def test_an_apps_own_class_for_g_is_built_upon(config, alice):
    class Own(_AppCtxGlobals):
        @property
        def who(self) -> str:
            return f"<{self.auth.user_id}>"

        def get(self, name: str, default: Any = None) -> Any:
            return name if name == "mirror" else super().get(name, default)

    app = Quart("site")
    app.app_ctx_globals_class = Own
    app.config.update(config)
    SessionClaims(app)

    @app.get("/who")
    async def who() -> str:
        return str(g.who + g.get("mirror"))

    assert asked(app, "/who", alice) == "<alice>mirror"


def test_the_g_of_one_app_says_nothing_of_anothers_request(config, alice):
    outer, inner = make(config), make(config)
    held: list[Any] = []

    @outer.get("/")
    async def outside() -> str:
        held.append(g._get_current_object())
        return (await fetch(inner, "/", alice))[1]

    @inner.get("/")
    async def inside() -> str:
        return f"{g.auth.user_id} {hasattr(held[0], 'auth')}"

    assert asked(outer, "/") == "alice False"
