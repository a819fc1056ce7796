"""Users, organisations and impersonation in Quart: websockets, tasks, another issuer's sessions.

What all adapters share is in the issuing contract.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("quart")

import quart_session_claims as ours
from quart import Quart, g, websocket
from quart_session_claims import ConfigurationError, SessionClaims, SessionError, current_user

from .quart_site import bearer, shaken
from .test_quart_issuing import Site


class Loader:
    """A loader that is an object, with a note of whom it was asked for."""

    def __init__(self) -> None:
        self.loads: list[str] = []

    async def __call__(self, user_id: str) -> Any:
        self.loads.append(user_id)
        return {"id": user_id}


def with_users(config: dict[str, Any], loader: Any) -> Quart:
    """An app that shows its user at /, twice, and in the websocket /ws."""
    app = Quart("site")
    app.config.update(config)
    assert SessionClaims(app).user_loader(loader) is loader

    @app.get("/")
    async def show() -> Any:
        return {"user": [await current_user(), await current_user()]}

    @app.websocket("/ws")
    async def talk() -> None:
        await websocket.send_json({"user": await current_user()})

    return app


def test_users_of_another_issuers_sessions_are_loaded_once(
    config: dict[str, Any], alice: dict[str, str]
) -> None:
    loader = Loader()
    app = with_users(config, loader)

    async def ask() -> None:
        client = app.test_client()
        for headers, user in ((alice, {"id": "alice"}), ({}, None)):
            reply = await client.get("/", headers=headers)
            assert await reply.get_json() == {"user": [user, user]}

    asyncio.run(ask())
    assert loader.loads == ["alice"]


@pytest.mark.parametrize("loader", [Loader(), lambda user_id: {"id": user_id}])
def test_a_websocket_has_its_user_too(
    config: dict[str, Any], alice: dict[str, str], loader: Any
) -> None:
    app = with_users(config, loader)
    assert shaken(app, "/ws", bearer(alice)).said == {"user": {"id": "alice"}}
    assert shaken(app, "/ws").said == {"user": None}


def test_outside_a_request_there_is_no_user(config: dict[str, Any]) -> None:
    app = with_users(config, Loader())

    async def ask() -> None:
        async with app.app_context():
            await current_user()

    with pytest.raises(RuntimeError, match="outside a request"):
        asyncio.run(ask())


def test_without_a_loader_it_says_what_to_give(
    config: dict[str, Any], alice: dict[str, str]
) -> None:
    app = Quart("site")
    app.config.update(config)
    SessionClaims(app)

    async def ask() -> None:
        async with app.test_request_context("/", headers=alice) as context:
            await app.preprocess_request(context)  # Quart 0.23 takes it as an argument
            await current_user()

    with pytest.raises(ConfigurationError, match="user_loader"):
        asyncio.run(ask())


@pytest.mark.parametrize("name", ["sessions", "directory", "templates"])
def test_what_another_issuer_keeps_is_not_here(config: dict[str, Any], name: str) -> None:
    app = Quart("site")
    app.config.update(config)
    claims = SessionClaims(app)
    for attribute in (name, f"a{name}"):
        with pytest.raises(ConfigurationError, match='SESSION_CLAIMS_ISSUER = "self"'):
            getattr(claims, attribute)
    with pytest.raises(ConfigurationError, match='SESSION_CLAIMS_ISSUER = "self"'):
        asyncio.run(claims.sync_user("ann"))


@pytest.mark.parametrize("name", ["provide", "may_impersonate", "metadata_for", "user_loader"])
def test_a_function_is_given_once(name: str) -> None:
    register = getattr(SessionClaims(), name)

    async def function(*given: Any) -> Any:
        """Never called."""

    assert register(function) is function
    assert register(function) is function
    with pytest.raises(ConfigurationError, match=f"{name}: there is one already"):
        register(lambda *given: None)
    with pytest.raises(ConfigurationError, match=f"{name}: got 5; give a function"):
        register(5)


def test_a_websocket_changes_its_session_and_begins_none() -> None:
    site = Site()
    site.claims.may_impersonate(lambda auth, user_id: True)

    @site.app.websocket("/ws")
    async def talk() -> None:
        try:
            await ours.impersonate("ben", reason="a ticket")
        except SessionError as error:
            refused = error.code
        switched = await ours.switch_organization("org_a")
        verified = await ours.mark_verified(second=True)
        assert verified == g.auth
        await websocket.send_json([refused, switched.org_id, verified.factor_verification_age])

    async def visit() -> None:
        directory = site.claims.adirectory
        await directory.create_user("ada")
        await directory.create_organization("Acme", org_id="org_a")
        await directory.add_member("org_a", "ada", "org:admin")
        await site.sign_in()
        said = ["headers-sent", "org_a", [0, 0]]
        assert (await site.shake("/ws"))[:2] == (101, said)
        assert (await site.send("/peek")).json["claims"]["org_id"] == "org_a"
        assert await site.claims.asessions.list_for_user("ben") == ()

    asyncio.run(visit())


def test_stopping_over_a_websocket_is_refused_and_ends_nothing() -> None:
    site = Site()
    site.claims.may_impersonate(lambda auth, user_id: True)

    @site.app.post("/begin")
    async def begin() -> Any:
        return {"user": (await ours.impersonate("ben", reason="a ticket")).user_id}

    @site.app.websocket("/ws")
    async def talk() -> None:
        try:
            await ours.stop_impersonating()
        except SessionError as error:
            await websocket.send_json(error.code)

    async def visit() -> None:
        await site.sign_in()
        assert (await site.send("/begin", "POST")).json == {"user": "ben"}
        assert (await site.shake("/ws"))[:2] == (101, "headers-sent")
        assert await site.user() == "ben"

    asyncio.run(visit())
