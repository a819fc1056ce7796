"""Where the request or websocket at hand is, for each task of its own.

Quart's `g` may outlive a request, and until 0.22 it is shared by all that run *at the same
time* if an app context is pushed around the server. So nothing is looked up on `g`: a context
variable holds the place, and it counts only while its own request is the current one.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final, NamedTuple

import quart.globals
from quart import g, has_request_context, has_websocket_context, request, websocket

from flask_session_claims.core.auth import Auth
from flask_session_claims.core.errors import UnavailableError
from flask_session_claims.core.gate import Decision
from flask_session_claims.core.request import AsyncRequestAuth, Exchange

from .refusals import refuse

#: On `g`: how many requests use it at the moment.
_OPEN: Final = "_session_claims_open"

# Quart 0.23 has one context; before, requests and websockets have theirs beside the app's.
_app_context: Any = quart.globals.app_ctx
_request_context: Any = getattr(quart.globals, "request_ctx", _app_context)
_websocket_context: Any = getattr(quart.globals, "websocket_ctx", _app_context)


def _current_g() -> Any:
    return g._get_current_object()  # pyright: ignore


class Place(NamedTuple):
    """A request or websocket that our hook has begun."""

    exchange: Exchange
    auth: AsyncRequestAuth
    #: The request or websocket, and Quart's proxy to the current one.
    connection: Any
    connection_proxy: Any
    context: Any
    context_proxy: Any
    g: Any


_place: ContextVar[Place | None] = ContextVar("session_claims_place", default=None)


def enter(proxy: Any, connection: Any, exchange: Exchange) -> Place:
    """Make `exchange` the one at hand, and put its auth on `g`.

    Where others use the same `g` now, `g.auth` finds each one's own when it is read.
    """
    here = _current_g()
    auth = QuartAuth(exchange)
    context_proxy = _request_context if proxy is request else _websocket_context
    context = context_proxy._get_current_object()
    place = Place(exchange, auth, connection, proxy, context, context_proxy, here)
    _place.set(place)
    own = here.__dict__
    users = own[_OPEN] = own.get(_OPEN, 0) + 1
    own["auth"] = auth if users == 1 else current_auth
    return place


def leave() -> None:
    """Take ours off `g` at the end of a request, unless others still use it."""
    place = _place.get()
    if place is None or place.context_proxy._get_current_object() is not place.context:
        return  # the end of a copied context, while the request itself may go on
    here = place.g
    users = getattr(here, _OPEN, 0) - 1
    if users > 0:
        setattr(here, _OPEN, users)
        return
    here.pop("auth", None)
    here.pop(_OPEN, None)


def at_hand() -> Place | None:
    """The place of the request or websocket that this code runs for; None if there is none."""
    place = _place.get()
    if place is None or not _is_current(place):
        return None
    if place.context_proxy._get_current_object() is not place.context:
        return place  # copied on purpose: stream_with_context and its like
    # Before 0.23 a background task inherits the request, but has an app context of its own.
    return place if _current_g() is place.g else None


def _is_current(place: Place) -> bool:
    try:
        return place.connection_proxy._get_current_object() is place.connection
    except RuntimeError:
        return False


def has_connection() -> Any:
    """Quart's proxy to the request or websocket at hand, begun or not; None outside of one."""
    place = _place.get()
    if place is not None and _is_current(place):
        return None if at_hand() is None else place.connection_proxy
    if has_request_context():
        return request
    return websocket if has_websocket_context() else None


def outside() -> RuntimeError:
    """What to raise where there is no auth, saying what to do."""
    if has_connection() is None:
        return RuntimeError(
            "nobody can be signed in outside a request; pass the Auth along (get_auth() inside"
            " the request) to a background task, in a test use the client of"
            " flask_session_claims.testing, or get_auth(default=None)."
        )
    return RuntimeError(
        "auth was read before it was settled; in a test_request_context await"
        " app.preprocess_request() first, elsewhere let this code run after the hook of"
        " SessionClaims."
    )


class QuartAuth(AsyncRequestAuth):
    """An `AsyncRequestAuth` for which "it cannot be told" is our 503."""

    __slots__ = ()

    @property
    def value(self) -> Auth:
        exchange = self._exchange
        try:
            return exchange.read()
        except UnavailableError as error:
            decision = Decision("unavailable", error.code, retry_after=error.retry_after)
            refuse(decision, exchange.facts)
            raise


class _CurrentAuth(QuartAuth):
    """The auth of whichever request or websocket is at hand when it is read."""

    __slots__ = ()

    def __init__(self) -> None:
        """It has no exchange of its own."""

    @property
    def _exchange(self) -> Exchange:  # type: ignore[override] # pyright: ignore
        place = at_hand()
        if place is None:
            raise outside()
        return place.exchange

    def __repr__(self) -> str:
        return "<RequestAuth outside a request>" if at_hand() is None else super().__repr__()


#: The `AsyncRequestAuth` of the request or websocket at hand.
current_auth: AsyncRequestAuth = _CurrentAuth()
