"""The views that every driver registers, described without a framework.

A body is a plain function of what stands around it (`Here`); it returns a dict for JSON, whose
values may be awaitable in async frameworks. Gates are named by the adapters' own vocabulary.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from flask_session_claims import Auth, TokenError, UnavailableError

from .fetched import IN_A, IS_VERIFIED, Own, without_verified

Style = Literal["native", "sync", "async", "class"]


class Here(Protocol):
    """A request as a body sees it."""

    #: What the adapter put before the view (`g.auth`, `request.auth`).
    @property
    def auth(self) -> Any: ...
    def get_auth(self) -> Auth: ...


@dataclass(frozen=True)
class View:
    name: str
    does: Callable[[Here], dict[str, Any]]
    #: From the adapter's vocabulary to decorators, the innermost first.
    gates: tuple[Callable[[Any], Any], ...] = ()
    methods: tuple[str, ...] = ("GET",)
    style: Style = "native"
    #: The gate stands outside of the registration, so the view is registered bare.
    wrong_order: bool = False
    #: Behind a decorator of somebody else's that keeps no marks.
    hidden: bool = False
    #: Behind one that keeps the marks but answers without asking the gate, as a cache does.
    shortcut: bool = False
    #: Set on the response.
    headers: tuple[tuple[str, str], ...] = ()
    #: Acts, meets the other requests, and acts again.
    meets: bool = False

    @property
    def path(self) -> str:
        return f"/{self.name}"


# --- bodies ---------------------------------------------------------------------------------


def nothing(here: Here) -> dict[str, Any]:
    return {"done": True}


def me(here: Here) -> dict[str, Any]:
    auth = here.auth
    return {
        "is_authenticated": auth.is_authenticated,
        "user_id": auth.user_id,
        "session_id": auth.session_id,
        "session_status": auth.session_status,
        "source": auth.source,
        "reason": auth.reason,
        "issuer": auth.issuer,
        "token_type": auth.token_type,
        "actor": auth.actor,
        "org_id": auth.org_id,
        "org_slug": auth.org_slug,
        "org_role": auth.org_role,
        "org_permissions": list(auth.org_permissions),
        "issued_at": auth.issued_at,
        "expires_at": auth.expires_at,
        "claims": auth.session_claims,
    }


def has(here: Here) -> dict[str, Any]:
    ask = here.auth.has
    return {"admin": ask(role="admin"), "other": ask(role="other"), "nothing": ask()}


def missing_claim(here: Here) -> dict[str, Any]:
    try:
        return {"fullName": here.auth.session_claims["fullName"]}
    except KeyError as error:
        return {"text": str(error)}


def pickled(here: Here) -> dict[str, Any]:
    copy = pickle.loads(pickle.dumps(here.auth))  # noqa: S301 (our own bytes)
    return {"plain": type(copy) is Auth, "same": copy == here.auth.value, "user": copy.user_id}


def typed(here: Here) -> dict[str, Any]:
    plain = here.get_auth()
    return {
        "plain": type(plain) is Auth,
        "same": here.auth == plain and here.auth.value == plain,
        "user": plain.user_id,
    }


def token(here: Here) -> dict[str, Any]:
    return {"token": here.auth.get_token()}


def looked_at(here: Here) -> dict[str, Any]:
    """What a debugger does: it shows the auth, and reads nothing of it."""
    return {"shown": repr(here.auth)}


def attribute_error(here: Here) -> dict[str, Any]:
    raise AttributeError("the view's own mistake")


def type_error(here: Here) -> dict[str, Any]:
    raise TypeError("the view's own mistake")


def key_error(here: Here) -> dict[str, Any]:
    here.auth.session_claims["fullName"]
    return {}


def token_error(here: Here) -> dict[str, Any]:
    raise TokenError("token-expired")


def unavailable_error(here: Here) -> dict[str, Any]:
    raise UnavailableError("the view's own store is away")


def read_and_fail(here: Here) -> dict[str, Any]:
    raise RuntimeError(f"read by {len(here.auth.user_id or '')}")


# --- the set --------------------------------------------------------------------------------


def login(v: Any) -> Any:
    return v.login_required


def admin(v: Any) -> Any:
    return v.claims_required(role="admin")


def with_claims(**wanted: Any) -> Callable[[Any], Any]:
    return lambda v: v.claims_required(**wanted)


def broken_predicate(auth: Auth) -> bool:
    raise LookupError("the predicate's own mistake")


def is_verified(v: Any) -> Any:
    return v.login_required(validators=[IS_VERIFIED])


def is_unverified(v: Any) -> Any:
    return v.login_required(validators=without_verified)


UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
ANY = ("GET", "HEAD", *UNSAFE)

#: One gate per view, by the name of the view.
GATES: dict[str, tuple[Callable[[Any], Any], ...]] = {
    "guarded": (login,),
    "called": (lambda v: v.login_required(),),
    "no-actor": (lambda v: v.login_required(allow_actor=False),),
    "admin": (admin,),
    "twice": (login, admin),
    "twice-reversed": (admin, login),
    "permission": (with_claims(permission="org:teams:manage"),),
    "feature": (with_claims(feature="teams"),),
    "plan": (with_claims(plan="o:pro"),),
    "role-and-plan": (with_claims(role="admin", plan="o:pro"),),
    "claim": (with_claims(claims={"level": 1}),),
    "claim-set": (with_claims(claims={"tier": {"pro", "team"}}),),
    "claim-true": (with_claims(claims={"beta": True}),),
    "predicate": (with_claims(predicate=lambda auth: auth.user_id == "user_7"),),
    "predicate-truthy": (with_claims(predicate=lambda auth: "yes"),),
    "predicate-broken": (with_claims(predicate=broken_predicate),),
    "reverified": (with_claims(reverification="strict"),),
    "verified": (is_verified,),
    "verified-twice": (is_verified, with_claims(validators=(IS_VERIFIED,))),
    "verified-teams": (with_claims(validators=[IS_VERIFIED, IN_A]),),
    "verified-teams-twice": (is_verified, with_claims(validators=[IN_A])),
    "verified-admin": (with_claims(role="admin", validators=[IS_VERIFIED]),),
    "unverified": (is_unverified,),
    "unverified-verified": (is_unverified, is_verified),
    "own-validator": (lambda v: v.login_required(validators=[Own()]),),
    "reverified-rule": (with_claims(reverification={"level": "first_factor", "after_minutes": 5}),),
}

VIEWS: tuple[View, ...] = (
    View("open", nothing),
    View("open-post", nothing, methods=UNSAFE),
    View("public", nothing, (lambda v: v.public,)),
    View("public-me", me, (lambda v: v.public,)),
    View("me", me, methods=ANY),
    View("has", has),
    View("missing-claim", missing_claim),
    View("pickled", pickled),
    View("typed", typed),
    View("token", token),
    View("token-sync", token, style="sync"),
    View("token-async", token, style="async"),
    View("looked-at", looked_at),
    *(View(name, nothing, gates) for name, gates in GATES.items()),
    View("guarded-any", nothing, (login,), methods=(*ANY, "OPTIONS")),
    View("guarded-me", me, (login,)),
    View("sync-guarded", nothing, (login,), style="sync"),
    View("async-guarded", nothing, (login,), style="async"),
    View("class-guarded", nothing, (login,), style="class"),
    View("sync-admin", nothing, (admin,), style="sync"),
    View("async-admin", nothing, (admin,), style="async"),
    View("class-admin", nothing, (admin,), style="class"),
    View("sync-me", me, style="sync"),
    View("async-me", me, style="async"),
    View("class-me", me, style="class"),
    View("wrong-order", nothing, (login,), wrong_order=True),
    View("wrong-order-sync", nothing, (login,), style="sync", wrong_order=True),
    View("wrong-order-async", nothing, (login,), style="async", wrong_order=True),
    View("wrong-order-admin", nothing, (admin,), wrong_order=True),
    View("wrong-order-twice", nothing, (login, admin), wrong_order=True),
    View("shortcut", nothing, (login,), shortcut=True),
    View("hidden", nothing, (login,), hidden=True),
    View("hidden-async", nothing, (login,), style="async", hidden=True),
    View("sync-verified", nothing, (is_verified,), style="sync"),
    View("async-verified", nothing, (is_verified,), style="async"),
    View("async-unverified", nothing, (is_unverified,), style="async"),
    View("class-verified", nothing, (is_verified,), style="class"),
    View("wrong-order-verified", nothing, (is_verified,), wrong_order=True),
    View("hidden-verified", nothing, (is_verified,), hidden=True),
    View("hidden-async-verified", nothing, (is_verified,), style="async", hidden=True),
    View("attribute-error", attribute_error, (login,)),
    View("type-error", type_error, (login,)),
    View("key-error", key_error, (login,)),
    View("token-error", token_error, (login,)),
    View("unavailable-error", unavailable_error, (login,)),
    View("async-attribute-error", attribute_error, (login,), style="async"),
    View("sync-type-error", type_error, (login,), style="sync"),
    View("read-and-fail", read_and_fail),
    View("varied-me", me, headers=(("Vary", "Accept-Language"),)),
    View("varied-all-me", me, headers=(("Vary", "Accept-Language, cookie, AUTHORIZATION"),)),
    View("cached-me", me, headers=(("Cache-Control", "max-age=60"),)),
    View("cached-open", nothing, headers=(("Cache-Control", "public, max-age=60"),)),
    View("meeting", me, (login,), meets=True),
    View("meeting-open", me, meets=True),
)

BY_NAME: Final = {view.name: view for view in VIEWS}
