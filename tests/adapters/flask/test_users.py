"""`current_user` and the app's functions in Flask: also where the sessions are another issuer's."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, render_template_string

import flask_session_claims as ours
from flask_session_claims import (
    BooleanClaim,
    ConfigurationError,
    SessionClaims,
    current_user,
)
from flask_session_claims.stores.memory import MemoryStore


def with_users(config: dict[str, Any], **options: Any) -> tuple[Flask, SessionClaims, list[str]]:
    """An app that shows its user at /, and whom it has loaded."""
    app = Flask("site")
    app.config.update(config)
    claims, loads = SessionClaims(app), []

    @claims.user_loader(**options) if options else claims.user_loader
    def load(user_id: str) -> Any:
        loads.append(user_id)
        return {"id": user_id}

    @app.get("/")
    def show() -> Any:
        shown = render_template_string("{{ user.id }}", user=current_user)
        return {"user": current_user["id"] if current_user else None, "shown": shown}

    return app, claims, loads


def test_users_of_another_issuers_sessions_are_loaded_once(
    config: dict[str, Any], alice: dict[str, str], bob: dict[str, str]
) -> None:
    app, _, loads = with_users(config)
    client = app.test_client()
    assert client.get("/", headers=alice).json == {"user": "alice", "shown": "alice"}
    assert client.get("/", headers=bob).json == {"user": "bob", "shown": "bob"}
    assert client.get("/").json == {"user": None, "shown": ""}
    assert loads == ["alice", "bob"]


def test_or_are_taken_out_of_the_claims(config: dict[str, Any], alice: dict[str, str]) -> None:
    app, _, loads = with_users(config, from_claims=lambda claims: {"id": claims["sub"].upper()})
    assert app.test_client().get("/", headers=alice).json["user"] == "ALICE"
    assert loads == []


def test_an_async_loader_is_waited_for(config: dict[str, Any], alice: dict[str, str]) -> None:
    app = Flask("site")
    app.config.update(config)
    claims = SessionClaims(app)

    @claims.user_loader
    async def load(user_id: str) -> Any:
        return {"id": user_id}

    @app.get("/")
    def show() -> Any:
        return dict(current_user)

    assert app.test_client().get("/", headers=alice).json == {"id": "alice"}


def test_outside_a_request_there_is_no_user(config: dict[str, Any]) -> None:
    app, _, _ = with_users(config)
    with app.app_context(), pytest.raises(RuntimeError, match="outside of request context"):
        _ = current_user["id"]


@pytest.mark.parametrize(
    "look",
    [
        lambda claims: claims.sessions,
        lambda claims: claims.directory,
        lambda claims: claims.adirectory,
        lambda claims: claims.templates,
        lambda claims: claims.atemplates,
        lambda claims: claims.sync_user("ann"),
    ],
)
def test_what_another_issuer_keeps_is_not_here(config: dict[str, Any], look: Any) -> None:
    _, claims, _ = with_users(config)
    with pytest.raises(ConfigurationError, match='SESSION_CLAIMS_ISSUER = "self"'):
        look(claims)


@pytest.mark.parametrize("act", [
    lambda: ours.switch_organization("org_a"),
    lambda: ours.mark_verified(first=True),
    lambda: ours.impersonate("ben", reason="a ticket"),
    ours.stop_impersonating,
])  # fmt: skip
def test_acts_on_another_issuers_sessions_say_whose_they_are(
    config: dict[str, Any], alice: dict[str, str], act: Any
) -> None:
    app, _, _ = with_users(config)
    said = pytest.raises(ConfigurationError, match=r"those of https://issuer\.example")
    with app.test_request_context("/", headers=alice), said:
        act()


@pytest.mark.parametrize("name", ["provide", "may_impersonate", "metadata_for", "user_loader"])
def test_a_function_is_given_once_to_all_apps(config: dict[str, Any], name: str) -> None:
    claims = SessionClaims()
    for _ in range(2):
        app = Flask("site")
        app.config.update(config)
        claims.init_app(app)
    register = getattr(claims, name)

    def function(*given: Any) -> Any:
        """Never called."""

    assert register(function) is function
    assert register(function) is function
    with pytest.raises(ConfigurationError, match=f"{name}: there is one already"):
        register(lambda *given: None)
    with pytest.raises(ConfigurationError, match=f"{name}: got 5; give a function"):
        register(5)


def test_claims_and_validators_are_what_they_must_be() -> None:
    claims, known = SessionClaims(), BooleanClaim("verified", lambda user_id, session: True)
    claims.add_claims(known)
    for wrong in (known, BooleanClaim("verified", lambda user_id, session: False)):
        with pytest.raises(ConfigurationError, match="'verified' already"):
            claims.add_claims(wrong)
    with pytest.raises(ConfigurationError, match="give Claim, BooleanClaim or ListClaim"):
        claims.add_claims("verified")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no validator"):
        claims.add_validators(known)  # type: ignore[arg-type]


def test_functions_given_after_the_start_are_in_force(config: dict[str, Any]) -> None:
    app = Flask("site")
    app.config.update(SECRET_KEY="of this test alone", SESSION_CLAIMS_ISSUER="self",
                      SESSION_CLAIMS_STORE=MemoryStore())  # fmt: skip
    claims = SessionClaims(app)
    assert claims.sessions.create("ann").session.claims == {}
    claims.add_claims(BooleanClaim("verified", lambda user_id, session: True))
    assert claims.sessions.create("ann").session.claims["verified"]["v"] is True
    with pytest.raises(ConfigurationError, match="there is no metadata_for"):
        claims.sync_user("ann")
    claims.metadata_for(lambda user_id: {"name": user_id})
    assert claims.sessions.create("ann") is not None
    user = claims.directory.get_user("ann")
    assert user is not None
    assert user.public_metadata == {"name": "ann"}
