"""What is particular to Quart: websockets, async signals, hooks.

What all adapters share is in the contract; tasks, threads and streams are in
`test_quart_contexts`.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("quart")

from quart import Blueprint, Quart, g, websocket
from quart_session_claims import (
    Auth,
    SessionClaims,
    claims_refreshed,
    claims_required,
    login_required,
    public,
    token_rejected,
)

from flask_session_claims.testing import FrozenClock, KeyServer, LocalIssuer, shared_key

from .quart_site import Shaken, bearer, cookie, fetch, make, shaken, socket
from .sites import APP

EVIL = "https://evil.example"


# --- websockets -----------------------------------------------------------------------------


def test_a_websocket_is_opened_by_a_header_or_by_a_cookie_from_an_allowed_origin(config, alice):
    app = make(config)
    ran = socket(app, "/ws", login_required)
    opened = Shaken(101, {"user": "alice", "reason": None})
    assert shaken(app, "/ws", bearer(alice)) == opened
    assert shaken(app, "/ws", bearer(alice), ("Origin", EVIL)) == opened
    assert shaken(app, "/ws", cookie(alice), ("Origin", APP)) == opened
    assert len(ran) == 3


@pytest.mark.parametrize("origin", [(), (EVIL,), ("null",), (APP, EVIL), (f"{APP}.evil.example",)])
def test_a_cookie_opens_no_websocket_from_elsewhere(config, alice, origin):
    app = make(config)
    guarded, plain = socket(app, "/ws", login_required), socket(app, "/open")
    fields = [cookie(alice), *(("Origin", each) for each in origin)]
    refused = shaken(app, "/ws", *fields)
    assert (refused.status, json.loads(refused.said)["code"]) == (403, "request-origin-refused")
    assert guarded == []
    assert shaken(app, "/open", *fields).said == {"user": None, "reason": "request-origin-refused"}
    assert len(plain) == 1


def test_a_refusal_before_accept_has_our_status_body_and_headers(config, alice):
    app = make(config)
    ran = socket(app, "/ws", claims_required(role="admin"))
    nobody, not_admin = shaken(app, "/ws"), shaken(app, "/ws", bearer(alice))
    assert (nobody.status, json.loads(nobody.said)["code"]) == (401, "session-token-missing")
    assert nobody.headers["WWW-Authenticate"] == "Bearer"
    assert (not_admin.status, json.loads(not_admin.said)["code"]) == (403, "permission-denied")
    assert "insufficient_scope" in not_admin.headers["WWW-Authenticate"]
    for refused in (nobody, not_admin):
        assert refused.headers["Content-Type"] == "application/json"
        assert refused.headers["Cache-Control"] == "no-store"
        assert refused.headers["Vary"] == "Authorization, Cookie"
    assert ran == []


def test_a_websocket_is_never_redirected_to_sign_in(config):
    app = make(config, SESSION_CLAIMS_SIGN_IN_URL="/sign-in")
    socket(app, "/ws", login_required)
    navigating = [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Origin", APP)]
    assert shaken(app, "/ws", *navigating).status == 401


def test_without_keys_only_the_websockets_that_need_them_are_refused(config, issuer, alice):
    with KeyServer(issuer) as server:
        server.mode = "status"
        del config["SESSION_CLAIMS_JWKS"]
        app = make(
            config, SESSION_CLAIMS_JWKS_URL=server.url, SESSION_CLAIMS_ALLOW_LOOPBACK_HTTP=True
        )

        async def echo() -> None:
            await websocket.send_json("open")

        app.add_websocket("/open", "open", view_func=echo)
        guarded, reading = socket(app, "/ws", login_required), socket(app, "/reads")
        assert shaken(app, "/open", bearer(alice)) == Shaken(101, "open")
        for path in ("/ws", "/reads"):
            refused = shaken(app, path, bearer(alice))
            assert refused.status == 503
            assert int(refused.headers["Retry-After"]) >= 1
        assert (guarded, reading) == ([], ["/reads"])


def test_policies_and_hooks_guard_websockets_too(config, alice):
    app = make(config, SESSION_CLAIMS_DEFAULT_POLICY="required")
    plain, exempt = socket(app, "/plain"), socket(app, "/exempt", public)
    assert [shaken(app, "/plain").status, shaken(app, "/exempt").status] == [401, 101]
    assert shaken(app, "/plain", bearer(alice)).said["user"] == "alice"
    assert (len(plain), len(exempt)) == (1, 1)

    app, chat = make(config), Blueprint("chat", "x")
    chat.before_websocket(login_required)
    ran = socket(chat, "/ws")
    app.register_blueprint(chat, url_prefix="/chat")
    assert shaken(app, "/chat/ws").status == 401
    assert shaken(app, "/chat/ws", bearer(alice)).said["user"] == "alice"
    assert len(ran) == 1


def test_a_gate_above_the_websocket_decorator_still_guards(config, alice):
    app = make(config)

    @login_required
    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send_json("in")

    assert [shaken(app, "/ws").status, shaken(app, "/ws", bearer(alice)).status] == [401, 101]


def test_an_error_handler_answers_in_place_of_a_refusal(config):
    app = make(config)
    socket(app, "/ws", login_required)

    @app.errorhandler(401)
    async def handle(error: Any) -> tuple[dict[str, str], int]:
        return {"handled": error.error_code}, 401

    refused = shaken(app, "/ws")
    assert (refused.status, json.loads(refused.said)) == (401, {"handled": "session-token-missing"})


def test_repeated_fields_are_seen_apart(config, alice, bob):
    app = make(config)
    socket(app, "/ws")
    first, second = cookie(alice), cookie(bob)
    origin = ("Origin", APP)
    assert shaken(app, "/ws", first, second, origin).said == {
        "user": None,
        "reason": "token-invalid",
    }
    assert shaken(app, "/ws", bearer(alice), bearer(bob)).said["reason"] == "token-invalid"
    # HTTP/2 may send each cookie in a field of its own (RFC 9113 §8.2.3).
    assert shaken(app, "/ws", ("Cookie", "a=b"), first, origin).said["user"] == "alice"


def test_a_socket_outlives_its_token_and_says_until_when_it_was_good(config, issuer):
    clock = FrozenClock()
    issuer = LocalIssuer(issuer.issuer, key=shared_key("ES256"), clock=clock)
    app = Quart("site")
    app.config.update(config)
    SessionClaims(app, clock=clock)

    @app.websocket("/ws")
    @login_required
    async def ws() -> None:
        await websocket.send("open")
        await websocket.receive()
        await websocket.send_json([g.auth.is_authenticated, g.auth.expires_at - clock()])

    async def play() -> Any:
        token = issuer.mint("alice", azp=APP, lifetime=60)
        headers = {"Authorization": f"Bearer {token}"}
        async with app.test_client().websocket("/ws", headers=headers) as connection:
            await asyncio.wait_for(connection.receive(), 10)
            clock.advance(100)
            await connection.send("still here")
            return await asyncio.wait_for(connection.receive_json(), 10)

    assert asyncio.run(play()) == [True, -40]


# --- signals, settings ----------------------------------------------------------------------


def test_sync_and_async_receivers_are_told_and_their_errors_undo_nothing(config):
    app, heard = make(config), []
    socket(app, "/ws")

    def plain(sender: Any, *, reason: str, **extra: Any) -> None:
        heard.append(("plain", sender, reason, extra["source"]))

    async def awaited(sender: Any, *, reason: str, **extra: Any) -> None:
        await asyncio.sleep(0)
        heard.append(("awaited", sender, reason, extra["source"]))

    async def broken(sender: Any, **extra: Any) -> None:
        raise LookupError("the receiver's own mistake")

    told = ("plain", app, "token-invalid", "header"), ("awaited", app, "token-invalid", "header")
    bad = ("Authorization", "Bearer nonsense")
    with token_rejected.connected_to(plain, app), token_rejected.connected_to(awaited, app):
        assert shaken(app, "/ws", bad).status == 101
        assert sorted(heard) == sorted(told)
    with token_rejected.connected_to(broken, app):
        assert shaken(app, "/ws", bad).said["reason"] == "token-invalid"


def test_changed_claims_are_told_once_in_requests_and_websockets(config, issuer):
    app, heard = make(config), []
    socket(app, "/ws")

    @app.get("/me")
    async def me() -> dict[str, Any]:
        return {"user": g.auth.user_id}

    def sent(after: int, **claims: Any) -> dict[str, str]:
        token = issuer.mint("ada", azp=APP, iat=1_700_000_000 + after, nbf=1_700_000_000, **claims)
        return {"Authorization": f"Bearer {token}"}

    def plain(sender: Any, *, auth: Auth, changed: frozenset[str], **extra: Any) -> None:
        heard.append(("plain", sender is app, auth.user_id, sorted(changed)))

    async def awaited(sender: Any, *, changed: frozenset[str], **extra: Any) -> None:
        await asyncio.sleep(0)
        heard.append(("awaited", sorted(changed)))

    async def broken(sender: Any, **extra: Any) -> None:
        raise LookupError("the receiver's own mistake")

    free, pro, team = sent(0, plan="free"), sent(10, plan="pro"), sent(20, plan="team", seats=3)
    with claims_refreshed.connected_to(plain, app), claims_refreshed.connected_to(awaited, app):
        for headers in (free, free, pro, free, pro):
            assert shaken(app, "/ws", bearer(headers)).status == 101
        pending = sent(15, plan="x", sts="pending")
        assert shaken(app, "/ws", bearer(pending)).said["reason"] == "session-pending"
        assert sorted(heard) == [("awaited", ["plan"]), ("plain", True, "ada", ["plan"])]
        heard.clear()

        async def ask() -> None:
            for headers in (pro, team, team):
                reply = await app.test_client().get("/me", headers=headers)
                assert await reply.get_json() == {"user": "ada"}

        asyncio.run(ask())
        told = [("awaited", ["plan", "seats"]), ("plain", True, "ada", ["plan", "seats"])]
        assert sorted(heard) == told
    with claims_refreshed.connected_to(broken, app):
        assert shaken(app, "/ws", bearer(sent(30))).said["user"] == "ada"


def test_the_names_are_those_that_the_documentation_lists():
    import quart_session_claims

    assert quart_session_claims.__all__ == [
        "AsyncLocalDirectory", "AsyncRequestAuth", "AsyncTemplates", "Auth", "BooleanClaim",
        "Claim", "ClaimError", "ClaimName", "ClaimsRefused", "ConfigurationError", "DirectoryError",
        "ListClaim", "LocalDirectory", "Membership", "Organization", "SavedTemplate", "Session",
        "SessionClaims", "SessionClaimsError", "SessionError", "TemplateConflict",
        "TemplateRefused", "Templates", "TokenError", "UnavailableError", "User", "Validator",
        "claims_oversize",
        "claims_refreshed", "claims_required", "create_session", "current_auth", "current_session",
        "current_user", "get_auth", "impersonate", "impersonation_started", "impersonation_stopped",
        "keys_rotated", "login_required", "mark_verified", "merge_session_claims",
        "organization_switched", "public", "refresh_token_reused", "revoke_session",
        "session_created", "session_refreshed", "session_revoked", "stop_impersonating",
        "switch_organization", "token_rejected", "user_metadata_changed",
    ]  # fmt: skip
    for name in quart_session_claims.__all__:
        assert getattr(quart_session_claims, name) is not None


def test_a_view_that_is_replaced_is_judged_anew(config, alice):
    app = make(config, SESSION_CLAIMS_DEFAULT_POLICY="required")

    @app.get("/")
    @public
    async def index() -> str:
        return "open"

    async def strict() -> str:
        return "strict"

    assert asyncio.run(fetch(app, "/"))[0] == 200
    app.view_functions["index"] = strict
    assert asyncio.run(fetch(app, "/"))[0] == 401
    assert asyncio.run(fetch(app, "/", alice)) == (200, "strict")
