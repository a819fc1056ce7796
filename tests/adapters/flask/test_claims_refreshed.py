"""`claims_refreshed`: a session's newer token brings other claims of the app's own, told once."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask, current_app, g, request

from flask_session_claims import (
    Auth,
    SessionClaims,
    claims_refreshed,
    claims_required,
    current_auth,
    login_required,
    token_rejected,
)
from flask_session_claims.core.clerk import instance_of
from flask_session_claims.testing import LocalIssuer, shared_key

from ..flask_site import APP, make_app, show

INSTANCE = "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k"
T0 = 1_700_000_000


def make(config: dict[str, Any], **changes: Any) -> Flask:
    app = make_app(config, **changes)
    show(app, "/me")
    show(app, "/member", login_required)
    app.add_url_rule("/do", "do", lambda: {"user": g.auth.user_id}, methods=["GET", "POST"])
    app.add_url_rule("/free", "free", lambda: "free")
    return app


@pytest.fixture
def heard() -> Any:
    """What receivers were told: the app's name, the user, the names of the claims."""
    told: list[Any] = []

    def note(sender: Any, *, auth: Any, changed: Any, **extra: Any) -> None:
        assert (type(auth), type(changed), extra) == (Auth, frozenset, {})
        told.append((sender.name, auth.user_id, sorted(changed)))

    with claims_refreshed.connected_to(note):
        yield told


@pytest.fixture
def token(issuer: LocalIssuer) -> Any:
    """A token issued so many seconds after the first."""

    def mint(after: int, sub: str = "ada", **claims: Any) -> str:
        return issuer.mint(sub, azp=APP, iat=T0 + after, nbf=T0, **claims)

    return mint


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def cookie(token: str, name: str = "__session") -> dict[str, str]:
    return {"Cookie": f"{name}={token}"}


def clerks_cookies(token: str) -> dict[str, str]:
    """As Clerk's own script sets them."""
    suffix = instance_of(INSTANCE).cookie_suffix
    return {"Cookie": f"__session_{suffix}={token}; __client_uat_{suffix}={T0}"}


def get(app: Flask, path: str, headers: dict[str, str], method: str = "GET") -> Any:
    return app.test_client(use_cookies=False).open(path, method=method, headers=headers)


# --- in every mode ------------------------------------------------------------------------


@pytest.fixture(params=["bearer", "cookie", "own cookie", "clerk", "clerk suffixed", "no cache"])
def mode(request: Any, config: dict[str, Any]) -> Any:
    """An app, and how it is sent a token."""
    own = LocalIssuer("https://clerk.example.com", key=shared_key("ES256"))
    send: Any = cookie
    if request.param == "own cookie":
        config["SESSION_CLAIMS_COOKIE_NAME"] = "sid"
        send = lambda token: cookie(token, "sid")  # noqa: E731
    elif request.param == "bearer":
        send = bearer
    elif request.param == "no cache":
        config["SESSION_CLAIMS_TOKEN_CACHE_SIZE"] = 0
    elif request.param.startswith("clerk"):
        config["SESSION_CLAIMS_ISSUER"] = "clerk"
        config["SESSION_CLAIMS_CLERK_PUBLISHABLE_KEY"] = INSTANCE
        if request.param == "clerk suffixed":
            send = clerks_cookies
    app = make(config)

    def mint(after: int, **claims: Any) -> str:
        if request.param.startswith("clerk"):
            return own.mint("ada", azp=APP, iat=T0 + after, nbf=T0, **claims)
        made = LocalIssuer(config["SESSION_CLAIMS_ISSUER"], key=shared_key("ES256"))
        return made.mint("ada", azp=APP, iat=T0 + after, nbf=T0, **claims)

    return app, mint, send


def test_it_is_told_once_for_each_change(mode, heard):
    app, mint, send = mode
    first, same = mint(0, plan="free"), mint(10, plan="free")
    changed, back = mint(20, plan="pro", seats=3), mint(30, plan="pro")
    for token in (first, same, changed, back, first, same, changed, back):
        for _ in range(2):
            assert get(app, "/me", send(token)).json == {"user": "ada", "reason": None}
    assert heard == [("site", "ada", ["plan", "seats"]), ("site", "ada", ["seats"])]


def test_what_every_token_has_of_its_own_is_no_change(mode, heard):
    app, mint, send = mode
    get(app, "/me", send(mint(0, jti="a", auth_time=T0)))
    get(app, "/me", send(mint(10, jti="b", auth_time=T0 + 10, exp=T0 + 10_000_000_000)))
    assert heard == []


# --- when it is not -----------------------------------------------------------------------


def test_sessions_are_not_mixed_up(config, token, heard):
    app = make(config)
    get(app, "/me", bearer(token(0, "ada", sid="one", plan="free")))
    get(app, "/me", bearer(token(10, "bob", sid="two", plan="pro")))
    get(app, "/me", bearer(token(20, "cy", sid=None, plan="free")))
    get(app, "/me", bearer(token(30, "cy", sid=None, plan="pro")))
    assert heard == []


def test_a_page_that_reads_nothing_tells_nothing(config, token, heard):
    app = make(config)
    get(app, "/free", bearer(token(0, plan="free")))
    get(app, "/free", bearer(token(10, plan="pro")))
    assert heard == []
    get(app, "/me", bearer(token(20, plan="free")))
    assert heard == []


def test_pending_and_refused_tokens_tell_nothing(config, issuer, token, heard):
    app = make(config)
    forged = LocalIssuer(issuer.issuer, key=shared_key("ES256", 1), kid=issuer.kid)
    get(app, "/me", bearer(token(0, plan="free")))
    refused = {
        "session-pending": token(10, plan="pro", sts="pending"),
        "token-expired": token(20, plan="pro", exp=T0 + 30),
        "token-invalid-signature": forged.mint("ada", azp=APP, iat=T0 + 40, plan="pro"),
        "token-invalid-authorized-parties": token(50, plan="pro") and issuer.mint(
            "ada", azp="https://evil.example", iat=T0 + 50, plan="pro"
        ),
        "token-iat-in-the-future": issuer.mint("ada", azp=APP, iat=4_000_000_000, plan="pro"),
    }  # fmt: skip
    for reason, sent in refused.items():
        assert get(app, "/me", bearer(sent)).json["reason"] == reason
    assert heard == []
    # None of them is what later ones are compared with.
    get(app, "/me", bearer(token(5, plan="free")))
    assert heard == []


def test_a_pending_session_that_the_app_accepts_is_a_session(config, token, heard):
    app = make(config, SESSION_CLAIMS_ACCEPT_PENDING=True)
    get(app, "/me", bearer(token(0, plan="free", sts="pending")))
    get(app, "/me", bearer(token(10, plan="pro", sts="pending")))
    assert heard == [("site", "ada", ["plan"])]


def test_a_request_refused_for_its_origin_does_not_swallow_the_change(config, token, heard):
    """Its token is good, and known from then on: nothing would tell of it later."""
    app = make(config)
    get(app, "/me", cookie(token(0, plan="free")))
    newer = {**cookie(token(10, plan="pro")), "Origin": "https://evil.example"}
    assert get(app, "/do", newer, "POST").json == {"user": None}
    get(app, "/me", cookie(token(10, plan="pro")))
    assert heard == [("site", "ada", ["plan"])]


def test_nothing_is_kept_while_nobody_listens(config, token):
    app = make(config)
    told: list[Any] = []
    get(app, "/me", bearer(token(0, plan="free")))

    def note(sender: Any, **data: Any) -> None:
        told.append(sorted(data["changed"]))

    with claims_refreshed.connected_to(note, sender=make(config)):  # to another app
        get(app, "/me", bearer(token(5, plan="free")))
    with claims_refreshed.connected_to(note):
        get(app, "/me", bearer(token(10, plan="pro")))  # the first that is looked at
        assert told == []
        get(app, "/me", bearer(token(20, plan="team")))
    get(app, "/me", bearer(token(30, plan="free")))
    assert told == [["plan"]]


# --- receivers ----------------------------------------------------------------------------


def test_sync_and_async_receivers_are_told_and_their_errors_undo_nothing(config, token, logged):
    app = make(config)
    told: list[str] = []

    async def awaited(sender: Any, **data: Any) -> None:
        told.append("awaited")

    def plain(sender: Any, **data: Any) -> None:
        told.append("plain")

    def broken(sender: Any, **data: Any) -> None:
        raise LookupError("the receiver's own mistake")

    with claims_refreshed.connected_to(plain), claims_refreshed.connected_to(awaited):
        get(app, "/me", bearer(token(0, plan="free")))
        get(app, "/me", bearer(token(10, plan="pro")))
        assert sorted(told) == ["awaited", "plain"]
    with claims_refreshed.connected_to(broken):
        assert get(app, "/member", bearer(token(20, plan="free"))).json["user"] == "ada"
    assert len([text for text in logged if "the receiver's own mistake" in text]) == 1
    assert "claims-refreshed" in "".join(logged)


def test_a_receiver_is_told_of_its_own_app_only(config, token):
    one, two, told = make(config), make(config), []

    def note(sender: Any, **data: Any) -> None:
        told.append(sender)

    with claims_refreshed.connected_to(note, sender=one):
        for app in (one, two):
            get(app, "/me", bearer(token(0, plan="free")))
            get(app, "/me", bearer(token(10, plan="pro")))
    assert [sender is one for sender in told] == [True]


def test_a_receiver_has_the_request_and_may_read_auth(config, token):
    app = make(config)
    told: list[Any] = []

    def note(sender: Any, *, auth: Auth, **data: Any) -> None:
        told.append((current_app.name, request.path, g.auth.value == auth, auth.session_claims))

    with claims_refreshed.connected_to(note):
        get(app, "/member", bearer(token(0, plan="free")))
        get(app, "/member", bearer(token(10, plan="pro")))
    assert [entry[:3] for entry in told] == [("site", "/member", True)]
    assert told[0][3]["plan"] == "pro"


def test_a_receiver_of_refused_tokens_may_read_auth_too(config):
    """It is settled before it is told; otherwise that would refuse it once more, for ever."""
    app = make(config)
    told: list[Any] = []

    def note(sender: Any, *, reason: str, **data: Any) -> None:
        told.append((reason, current_auth.reason, g.auth.is_authenticated))

    with token_rejected.connected_to(note):
        assert get(app, "/me", bearer("nonsense")).json["reason"] == "token-invalid"
    assert told == [("token-invalid", "token-invalid", False)]


def test_it_is_told_before_gates_judge_and_views_run(config, token):
    app, order = make(config), []
    app.add_url_rule("/gated", "gated", claims_required(
        predicate=lambda auth: order.append("gate") or True
    )(lambda: order.append("view") or "ok"))  # fmt: skip

    def note(sender: Any, **data: Any) -> None:
        order.append("told")

    with claims_refreshed.connected_to(note):
        get(app, "/me", bearer(token(0, plan="free")))
        get(app, "/gated", bearer(token(10, plan="pro")))
    assert order == ["told", "gate", "view"]


def test_threads_that_bring_the_same_new_token_are_told_of_it_once(config, token, heard):
    app = make(config, SESSION_CLAIMS_TOKEN_CACHE_SIZE=0)
    get(app, "/me", bearer(token(0, plan="free")))
    newer, start = bearer(token(10, plan="pro")), threading.Barrier(8)

    def ask() -> None:
        start.wait(10)
        get(app, "/me", newer)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert heard == [("site", "ada", ["plan"])]


def test_one_extension_of_two_apps_compares_each_by_itself(config, token, heard):
    claims, apps = SessionClaims(), []
    for name in ("one", "two"):
        app = Flask(name)
        app.config.update(config)
        claims.init_app(app)
        show(app, "/me")
        apps.append(app)
    get(apps[0], "/me", bearer(token(0, plan="free")))
    get(apps[1], "/me", bearer(token(10, plan="pro")))
    assert heard == []
    get(apps[0], "/me", bearer(token(10, plan="pro")))
    assert heard == [("one", "ada", ["plan"])]
