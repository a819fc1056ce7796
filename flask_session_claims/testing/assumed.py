"""`auth_as`: for a while, requests are made by whom a test says, without token and keys.

It stands at one place, `Exchange.settled`, and only while a block is open. What keeps it out of
production: it is `with` and nothing else (no setting, no decorator that could stay on a view),
only the context that opened the block sees it, and no request that came to a server does.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any, cast, final

from ..core.auth import Auth, Source, auth_from_claims, signed_out
from ..core.jsontext import parse_object
from ..core.request import Exchange
from .described import described

_LIFETIME = 60  # seconds; what the hosted issuer's session tokens have


def auth_as(
    who: str | Auth | None = "user_1",
    *,
    session_id: str = "sess_1",
    role: str | None = None,
    permissions: Iterable[str] = (),
    org_id: str | None = None,
    org_slug: str | None = None,
    features: Iterable[str] = (),
    plan: str | None = None,
    factor_verification_age: tuple[int, int] | None = None,
    actor: Mapping[str, object] | None = None,
    claims: Mapping[str, object] | None = None,
    issuer: str = "https://issuer.example",
    source: Source = "header",
    **custom: object,
) -> AuthBlock:
    """A `with` block in which requests are made by whom you describe; gives their `Auth`.

    Gates, policies, `g.auth`, `request.auth` and `get_auth()` see it, in test clients and in
    test request contexts. It is seen by the code that the block itself runs, tasks and threads
    of the framework included, and by no request that came to a server. `get_token()` is None.

    Args:
        who: the user's id; an `Auth` as it shall be; or None: nobody is signed in.
        role: in the organisation, with or without `org:`. Like a permission or a slug, it puts
            the user into `org_1` if no `org_id` is given.
        permissions: in the organisation: `reports:read` or `org:reports:read`.
        features: slugs, `org:slug` or `user:slug`; plain ones are the organisation's, or the
            user's where there is none.
        plan: the same, one.
        factor_verification_age: minutes since the first and the second factor; -1: never.
        actor: who really acts: `{"sub": "admin_1"}`.
        custom: claims of your own, by name: JSON values.
        claims: more of them, for names that are taken here: `claims={"plan": "pro"}`.

    Raises:
        TypeError, ValueError: such a token could not be made; it says what to write.
    """
    described_by = {
        "session_id": session_id,
        "role": role,
        "permissions": permissions,
        "org_id": org_id,
        "org_slug": org_slug,
        "features": features,
        "plan": plan,
        "factor_verification_age": factor_verification_age,
        "actor": actor,
        "claims": claims,
    }
    if source not in ("header", "cookie"):
        raise ValueError(f"source: got {source!r}; write 'header' or 'cookie'")
    if isinstance(who, str):
        said = described(who, custom, **cast("Any", described_by))
        return AuthBlock(_auth_of(said, issuer, source))
    if who is not None and not isinstance(who, Auth):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"auth_as: got a {type(who).__name__}; write a user id, an Auth, or None for nobody"
        )
    usual = cast("dict[str, object]", auth_as.__kwdefaults__)
    given = {**described_by, "issuer": issuer, "source": source}
    extra = [*custom, *(name for name, value in given.items() if value != usual[name])]
    if extra:
        whom = "an Auth" if who is not None else "nobody"
        raise TypeError(f"auth_as: {', '.join(extra)} cannot be said of {whom}; name a user id")
    return AuthBlock(signed_out() if who is None else who)


def _auth_of(claims: Mapping[str, object], issuer: str, source: Source) -> Auth:
    """What the reading side makes of such claims, once they are verified."""
    now = int(time.time())
    times = {"iss": issuer, "iat": now, "exp": now + _LIFETIME}
    text = json.dumps({**times, **claims}, ensure_ascii=False)
    return auth_from_claims(parse_object(text.encode()), source)


@final
class AuthBlock:
    """What `auth_as` gives: `with auth_as(...) as auth:`; it may be used again when it is over."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth
        self._period: _Period | None = None

    def __enter__(self) -> Auth:
        if self._period is not None:
            raise RuntimeError("this block is open; call auth_as() again for another")
        self._period = _Period(self._auth, _period_in_force())
        _period.set(self._period)
        _attend(+1)
        return self._auth

    def __exit__(self, *exc_info: object) -> None:
        period, self._period = self._period, None
        if period is None:
            raise RuntimeError("this block is not open")
        period.is_over = True
        _attend(-1)
        # Not reset(): blocks may end in any order, and in another context than they began.
        _period.set(_period_in_force())

    def __repr__(self) -> str:
        return f"<AuthBlock {'open' if self._period else 'closed'}: {self._auth!r}>"


class _Period:
    """One opening of a block. A task that outlives it still holds it, and must know."""

    __slots__ = ("auth", "is_over", "outer")

    def __init__(self, auth: Auth, outer: _Period | None) -> None:
        self.auth = auth
        self.outer = outer
        self.is_over = False


_period: ContextVar[_Period | None] = ContextVar("auth_as", default=None)


def _period_in_force() -> _Period | None:
    period = _period.get()
    while period is not None and period.is_over:
        period = period.outer
    return period


# --- where it is seen ---------------------------------------------------------------------


class _Settled:
    """`Exchange.settled` while a block is open anywhere in the process.

    All that asks who makes a request looks there first. What has really been found out is kept
    beside it, so the truth is back when the block is over.
    """

    def __get__(self, exchange: Exchange | None, owner: type) -> Any:
        if exchange is None:
            return None
        period = _period_in_force()
        if period is None or _came_to_a_server(exchange.request):
            return exchange.__dict__.get("settled")
        return period.auth

    def __set__(self, exchange: Exchange, outcome: object) -> None:
        period = _period_in_force()
        if period is None or outcome is not period.auth:  # what was only assumed is not kept
            exchange.__dict__["settled"] = outcome


def _came_to_a_server(request: Mapping[str, Any]) -> bool:
    """Whether the environ or scope bears the marks of a server; test clients leave them out."""
    asgi = request.get("asgi")
    if asgi is not None:
        # Not every server names the edition of the standard, but a peer has a port of its own.
        peer = request.get("client")
        known = "spec_version" in asgi or (peer is not None and (peer[1] or 0) > 1023)
        return "version" in asgi and known
    return "SERVER_SOFTWARE" in request or "uwsgi.version" in request


_lock = threading.Lock()
_open_blocks = 0


def _attend(change: int) -> None:
    """Stand at `Exchange.settled` from the first open block to the end of the last."""
    global _open_blocks
    with _lock:
        _open_blocks += change
        if change > 0 and _open_blocks == 1:
            Exchange.settled = cast("Any", _Settled())
        elif not _open_blocks:
            Exchange.settled = None
