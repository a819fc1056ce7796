"""Flask: code that must type-check. `test_checkers` runs mypy and pyright over it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from flask import Blueprint, Flask, Request, g
from flask.views import MethodView
from typing_extensions import assert_type

from flask_session_claims import (
    AsyncRequestAuth,
    Auth,
    Issued,
    RequestAuth,
    Session,
    SessionClaims,
    claims_refreshed,
    claims_required,
    create_session,
    current_auth,
    current_session,
    get_auth,
    login_required,
    merge_session_claims,
    public,
    revoke_session,
    session_revoked,
    token_rejected,
)
from flask_session_claims.core.refusal import Refusal
from flask_session_claims.flask.refusals import NotAllowed, NotSignedIn

app = Flask(__name__)
claims = SessionClaims(app, issuer="https://issuer.example", clock=lambda: 0.0)
claims.init_app(app)
refusal = Refusal(401, (), b"", "", "")
SessionClaims(clock=lambda: 1).init_app(app)


@app.get("/<int:number>")
@login_required
def bare(number: int) -> str:
    auth: RequestAuth = g.auth
    assert_type(get_auth(), Auth)
    assert_type(current_auth, RequestAuth)
    assert_type(current_auth.value, Auth)
    assert_type(get_auth(default=None), Auth | None)
    assert_type(current_auth.user_id, str | None)
    assert_type(current_auth.get_token(), str | None)
    assert_type(current_auth.is_authenticated, bool)
    assert_type(current_auth.has(role="admin"), bool)
    assert_type(auth.session_claims, Mapping[str, Any])
    assert_type(auth.org_permissions, tuple[str, ...])
    assert_type(auth.factor_verification_age, tuple[int, int] | None)
    return auth.user_id or "nobody"


@app.get("/changed")
@login_required(allow_actor=False)
def called() -> dict[str, str]:
    return {}


@app.get("/empty")
@login_required()
def empty(number: int) -> str:
    return str(number)


@app.get("/beta")
@claims_required(
    role="admin",
    permission="org:a:b",
    feature="a",
    plan="pro",
    reverification={"level": "second_factor", "after_minutes": 10},
    claims={"plan": {"pro", "team"}},
    predicate=lambda auth: auth.user_id != "user_9",
)
async def asked(number: int) -> str:
    return str(number)


@app.get("/health")
@public
def opened() -> str:
    return ""


assert_type(bare, Callable[[int], str])  # type: ignore[assert-type]  # pyright: ignore[reportAssertTypeFailure]
one: Callable[[int], str] = bare
two: Callable[[], dict[str, str]] = called
five: Callable[[int], str] = empty
three: Callable[[int], Coroutine[Any, Any, str]] = asked
four: Callable[[], str] = opened

admin = Blueprint("admin", __name__)
admin.before_request(login_required)
admin.before_request(claims_required(role="admin"))


class Account(MethodView):
    decorators = [login_required, claims_required(role="admin")]  # noqa: RUF012


@claims.unauthenticated
def sign_in(error: NotSignedIn) -> str:
    return error.error_code


@claims.forbidden(blueprint=admin)
async def not_here(error: NotAllowed) -> tuple[str, int] | None:
    return None


@claims.wants_page
def wants_page(request: Request) -> bool | None:
    return None


assert_type(sign_in(NotSignedIn(refusal)), str)
SessionClaims(name="admin", issuer="https://admin.example").init_app(app)
SessionClaims(app, select=lambda request: "admin" if request.path == "/" else None)


@claims_refreshed.connect
def refreshed(sender: Flask, auth: Auth, changed: frozenset[str]) -> None: ...


@token_rejected.connect
def rejected(sender: Flask, reason: str, source: str | None) -> None: ...


async def awaited(auth: AsyncRequestAuth) -> None:
    assert_type(await auth.get_token(), str | None)
    assert_type(auth.user_id, str | None)


own = SessionClaims(Flask("own"), issuer="self")


@own.provide
def provided(user_id: str, session: Session | None) -> dict[str, object]:
    return {"plan": "pro", "since": session.created_at if session is not None else None}


@own.provide
async def provided_async(user_id: str, session: Session | None) -> None: ...


def acts() -> None:
    assert_type(create_session("user_1", claims={"plan": "pro"}, persistent=False), Session)
    assert_type(merge_session_claims({"plan": None}), Auth)
    assert_type(current_session(), Session | None)
    assert_type(revoke_session(), bool)
    assert_type(own.sessions.create("user_1"), Issued)
    assert_type(own.sessions.list_for_user("user_1"), tuple[Session, ...])
    assert_type(own.sessions.mint("sess_1", lifetime=60), str)


async def acts_anywhere() -> None:
    assert_type(await own.asessions.refresh("…"), Issued)
    assert_type(await own.asessions.merge_claims("sess_1", {"plan": None}), Session | None)


@session_revoked.connect
def revoked(sender: Flask, session_id: str, reason: str, **extra: object) -> None: ...
